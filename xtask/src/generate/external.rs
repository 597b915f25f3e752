//! The files that generators of other languages write, and how it is seen without these generators
//! that the files are fresh: by the digests of what they were made from and of themselves.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bundle::Bundle;
use super::{golang, header, python, typescript};
use crate::{Outcome, tools};

type Failure = Box<dyn std::error::Error>;
type Files = BTreeMap<String, String>;

/// Where the digests stand.
const DIGESTS: &str = "schema/gen/digests.json";

/// By language the digest of what its files were made from; by file its own.
#[derive(Default, Deserialize, Serialize, PartialEq)]
struct Digests {
    inputs: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
}

/// A language with a generator of its own.
struct Language {
    name: &'static str,
    /// The folder of its files below `schema/gen`.
    folder: &'static str,
    input: Value,
    make: fn(&Value) -> Result<Files, Failure>,
}

/// Writes the files that are stale, or all of them under `full`.
pub(super) fn write(
    root: &Path,
    bundle: &Bundle,
    documents: &[(&str, Value)],
    full: bool,
) -> Outcome {
    let mut digests = read(root);
    for language in languages(bundle, documents)? {
        if !full && stale(root, &language, &digests)?.is_empty() {
            continue;
        }
        let prefix = format!("schema/gen/{}/", language.folder);
        digests.outputs.retain(|path, _| !path.starts_with(&prefix));
        for (path, text) in (language.make)(&language.input)? {
            let path = prefix.clone() + &path;
            fs::write(root.join(&path), &text)?;
            digests.outputs.insert(path, tools::sha256(text.as_bytes()));
        }
        digests.inputs.insert(language.name.to_owned(), input_digest(&language)?);
    }
    fs::write(root.join(DIGESTS), serde_json::to_string_pretty(&digests)? + "\n")?;
    Ok(())
}

/// The files that are stale; under `full` by making them again, else by their digests.
pub(super) fn check(
    root: &Path,
    bundle: &Bundle,
    documents: &[(&str, Value)],
    full: bool,
) -> Result<Vec<String>, Failure> {
    let digests = read(root);
    let mut found = Vec::new();
    for language in languages(bundle, documents)? {
        found.extend(stale(root, &language, &digests)?);
        if full {
            for (path, text) in (language.make)(&language.input)? {
                let path = format!("schema/gen/{}/{path}", language.folder);
                if fs::read_to_string(root.join(&path)).unwrap_or_default() != text {
                    found.push(path);
                }
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn read(root: &Path) -> Digests {
    let text = fs::read_to_string(root.join(DIGESTS)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// What does not fit the digests: the folder if its source changed, else the files that did.
fn stale(root: &Path, language: &Language, digests: &Digests) -> Result<Vec<String>, Failure> {
    if digests.inputs.get(language.name) != Some(&input_digest(language)?) {
        return Ok(vec![format!("schema/gen/{}", language.folder)]);
    }
    let prefix = format!("schema/gen/{}/", language.folder);
    let own = digests.outputs.iter().filter(|(path, _)| path.starts_with(&prefix));
    let changed = own.filter(|(path, digest)| {
        fs::read(root.join(path)).map_or(true, |bytes| tools::sha256(&bytes) != **digest)
    });
    Ok(changed.map(|(path, _)| path.clone()).collect())
}

fn input_digest(language: &Language) -> Result<String, Failure> {
    let text = format!("{}\n{}", tools::pins(language.name)?, language.input);
    Ok(tools::sha256(text.as_bytes()))
}

fn languages(bundle: &Bundle, documents: &[(&str, Value)]) -> Result<Vec<Language>, Failure> {
    let annotations = ["expression", "literal", "scope", "secrets", "effect", "output"];
    let annotations = annotations.map(|name| format!("x-aob-{name}"));
    let typescript = json!({
        "banner": header("", "schema").trim(),
        "annotations": annotations,
        "types": typescript::prepared(bundle),
        "validated": typescript::validated(bundle, documents),
    });
    let golang = json!({
        "schema": golang::prepared(bundle)?,
        "open": golang::open_types(bundle),
        "words": golang::words(bundle),
    });
    Ok(vec![
        Language { name: "ts", folder: "ts", input: typescript, make: make_typescript },
        Language {
            name: "python",
            folder: "python",
            input: python::prepared(bundle)?,
            make: make_python,
        },
        Language { name: "go", folder: "go", input: golang, make: make_golang },
    ])
}

fn make_typescript(input: &Value) -> Result<Files, Failure> {
    let folder = tools::node()?;
    let script = crate::shell::root().join("schema/generators/ts/generate.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(folder);
    Ok(serde_json::from_slice(&piped(command, input.to_string().as_bytes())?)?)
}

fn make_python(input: &Value) -> Result<Files, Failure> {
    let python = tools::python()?;
    let folder = tempfile::tempdir()?;
    let (source, target) = (folder.path().join("language.json"), folder.path().join("models.py"));
    fs::write(&source, input.to_string())?;
    let options = crate::shell::root().join("schema/generators/python/options.txt");
    let options = fs::read_to_string(options)?;
    let mut command = Command::new(python);
    command.args(["-m", "datamodel_code_generator"]).args(options.split_whitespace());
    command.arg("--input").arg(&source).arg("--output").arg(&target).current_dir(folder.path());
    piped(command, b"")?;
    let text = python::rewritten(&fs::read_to_string(&target)?);
    Ok(Files::from([("src/aob_schema/models.py".to_owned(), text)]))
}

fn make_golang(input: &Value) -> Result<Files, Failure> {
    let tools = tools::go()?;
    let folder = tempfile::tempdir()?;
    let (source, target) = (folder.path().join("language.json"), folder.path().join("types.go"));
    let schema = input.get("schema").unwrap_or(&Value::Null);
    fs::write(&source, schema.to_string())?;
    let mut command = Command::new(tools.join("go-jsonschema"));
    command.args(["--package", "aob", "--tags", "json", "--only-models"]);
    command.args(["--capitalization", "ID,URL,JSON,CPU,USD,UI"]);
    command.arg(format!("--schema-root-type={}=Workflow", golang::ID)).arg("--output");
    command.arg(&target).arg(&source);
    piped(command, b"")?;
    let open = input.get("open").and_then(Value::as_array).into_iter().flatten();
    let open: Vec<&str> = open.filter_map(Value::as_str).collect();
    let words = input.get("words").and_then(Value::as_object).cloned().unwrap_or_default();
    let text = golang::rewritten(&fs::read_to_string(&target)?, &open, &words)?;
    let mut format = Command::new("gofmt");
    format.current_dir(folder.path());
    let text = String::from_utf8(piped(format, text.as_bytes())?)?;
    Ok(Files::from([("types.go".to_owned(), text)]))
}

/// Runs a program with `input`, and gives what it writes. Its complaints go to the terminal.
fn piped(mut command: Command, input: &[u8]) -> Result<Vec<u8>, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{name} cannot be started: {error}"))?;
    let mut stdin = child.stdin.take().ok_or("no way to write to the child")?;
    let input = input.to_owned();
    // Written aside, so that a child that answers early does not wait for its reader for ever.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output()?;
    let _ = writer.join();
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!(
            "{name} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        )
        .into())
    }
}
