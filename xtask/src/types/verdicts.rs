//! Every document of the corpus through every language and a real API server: the same verdicts, one table.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use super::package;
use crate::Outcome;
use crate::shell::{root, say};

mod rust;
mod server;

type Failure = Box<dyn std::error::Error>;

/// What one language says of one document.
#[derive(Default, Deserialize)]
pub(super) struct Verdict {
    /// Faults by the document's schema.
    schema: Vec<String>,
    /// Faults by the schemas of node types, in a document that its schema accepts.
    config: Vec<String>,
    /// The document again after its types read and wrote it.
    #[serde(default)]
    kept: Option<Value>,
    /// Faults by the generated types alone, and by the whole engine: in Rust only.
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    engine: Vec<String>,
}

/// The judge that knows workflows, and no configs of nodes.
const SERVER: &str = "API server";

type Verdicts = BTreeMap<String, Verdict>;

/// A document with what it claims.
pub(super) struct Case {
    document: Value,
    why: String,
    layers: Vec<String>,
}

/// Judges everything, prints the table, and fails with every verdict that differs.
pub(super) fn run(python: &Path) -> Outcome {
    let testdata = root().join("schema/testdata");
    let cases = cases(&testdata)?;
    let invalid = cases.values().filter(|case| !case.layers.is_empty()).count();
    if invalid < 60 {
        return Err(format!("only {invalid} invalid documents").into());
    }
    let folder = testdata.to_string_lossy().into_owned();
    let judges = [
        ("rust", rust::judge(&cases)?),
        ("go", judged("go", Path::new("go"), &["run", "./internal/judge", &folder])?),
        ("typescript", judged("ts", Path::new("node"), &["test/judge.mjs", &folder])?),
        ("python", judged("python", python, &["tests/judge.py", &folder])?),
        (SERVER, server::judge(python, &cases)?),
    ];
    let mut faults = Vec::new();
    let mut table = vec![format!(
        "| document | refused by | {} | why |\n|---|---|{}---|",
        judges.each_ref().map(|(name, _)| *name).join(" | "),
        "---|".repeat(judges.len())
    )];
    for (name, case) in &cases {
        let mut row = format!("| {name} | {} |", letters(&case.layers));
        for (language, verdicts) in &judges {
            let Some(verdict) = verdicts.get(name) else {
                if *language == SERVER && !server::is_object(name) {
                    row.push_str("  |");
                    continue;
                }
                faults.push(format!("{name}: {language} has not judged it"));
                continue;
            };
            row.push_str(&format!(" {} |", letters(&verdict.layers())));
            faults.extend(compare(name, language, case, verdict));
        }
        let differs = server::differs(name).map(|why| format!(" (API server: {why})"));
        table.push(format!("{row} {}{} |", case.why, differs.unwrap_or_default()));
    }
    say(&table.join("\n"));
    say(
        "s: the schema, c: the schema of a node type, t: the types alone (Rust), e: the whole engine (Rust), -: accepted",
    );
    say(&format!(
        "{} documents, {invalid} of them invalid, in {} languages and an API server",
        cases.len(),
        judges.len() - 1
    ));
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

impl Verdict {
    fn layers(&self) -> Vec<String> {
        let all = [
            ("schema", &self.schema),
            ("config", &self.config),
            ("types", &self.types),
            ("engine", &self.engine),
        ];
        all.iter()
            .filter(|(_, faults)| !faults.is_empty())
            .map(|(name, _)| (*name).to_owned())
            .collect()
    }
}

/// `sc-` and so on, in the order of the layers.
fn letters(layers: &[String]) -> String {
    let known = [("schema", 's'), ("config", 'c'), ("types", 't'), ("engine", 'e')];
    let letters: String = known
        .iter()
        .filter(|(name, _)| layers.iter().any(|layer| layer == name))
        .map(|(_, letter)| letter)
        .collect();
    if letters.is_empty() { "-".to_owned() } else { letters }
}

fn compare(name: &str, language: &str, case: &Case, verdict: &Verdict) -> Vec<String> {
    let mut faults = Vec::new();
    let judged: &[&str] = match language {
        "rust" => &["schema", "config", "types", "engine"],
        SERVER => &["schema"],
        _ => &["schema", "config"],
    };
    let found = verdict.layers();
    for layer in judged {
        // Requests and events have no graph: the corpus says nothing of an engine there.
        if *layer == "engine" && (name.starts_with("patch/") || name.starts_with("event/")) {
            continue;
        }
        let differs = language == SERVER && server::differs(name).is_some();
        let expected = case.layers.iter().any(|named| named == layer) != differs;
        let refused = found.iter().any(|named| named == layer);
        if expected != refused {
            let words = if refused { "refuses it, which it shall not" } else { "accepts it" };
            let said =
                [&verdict.schema[..], &verdict.config, &verdict.types, &verdict.engine].concat();
            faults.push(format!("{name}: {language}'s {layer} {words} {}", said.join("; ")));
        }
    }
    if case.layers.is_empty() {
        let written = match (language, case.document.get("spec")) {
            (SERVER, Some(spec)) => spec,
            // What was asked, of a run.
            (SERVER, None) => return faults,
            _ => &case.document,
        };
        match &verdict.kept {
            Some(kept) if plain(kept) == plain(written) => {}
            Some(kept) => faults.push(format!("{name}: {language} wrote {kept}")),
            None => faults.push(format!("{name}: {language} wrote nothing")),
        }
    }
    faults
}

/// The value with numbers as canonical JSON has them: 2.0 is 2.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => {
                Value::from(float as i64)
            }
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, inner)| (name.clone(), plain(inner))).collect()
        }
        other => other.clone(),
    }
}

/// The corpus: by path below `testdata` the document, and for invalid ones what refuses it.
fn cases(testdata: &Path) -> Result<BTreeMap<String, Case>, Failure> {
    let mut cases = BTreeMap::new();
    for folder in
        ["valid", "invalid", "patch/valid", "patch/invalid", "event/valid", "event/invalid"]
    {
        for entry in fs::read_dir(testdata.join(folder))? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{folder}/{file}");
            let read: Value = serde_json::from_str(&fs::read_to_string(&path)?)
                .map_err(|error| format!("{name}: {error}"))?;
            let case = if folder.ends_with("invalid") {
                let layers = read.get("layers").and_then(Value::as_array);
                let layers = layers.into_iter().flatten().filter_map(Value::as_str);
                let case = Case {
                    document: read
                        .get("document")
                        .cloned()
                        .ok_or_else(|| format!("{name}: no document"))?,
                    why: read.get("why").and_then(Value::as_str).unwrap_or_default().to_owned(),
                    layers: layers.map(str::to_owned).collect(),
                };
                if case.layers.is_empty() || case.why.is_empty() {
                    return Err(format!("{name}: names no layer or no reason").into());
                }
                case
            } else {
                Case { document: read, why: String::new(), layers: Vec::new() }
            };
            cases.insert(name, case);
        }
    }
    Ok(cases)
}

/// The verdicts that a language's own program prints.
fn judged(language: &str, program: &Path, arguments: &[&str]) -> Result<Verdicts, Failure> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(package(language))
        .env("PYTHONPATH", "src")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{language} cannot judge the corpus: {said}").into());
    }
    Ok(serde_json::from_slice(&output.stdout).map_err(|error| format!("{language}: {error}"))?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_verdict_that_differs_is_named() {
        let refused =
            Case { document: json!({}), why: "w".to_owned(), layers: vec!["schema".to_owned()] };
        let accepted = Verdict { kept: Some(json!({})), ..Verdict::default() };
        let found = compare("invalid/a.json", "go", &refused, &accepted);
        assert_eq!(found, ["invalid/a.json: go's schema accepts it "]);
        let valid = Case { document: json!({ "n": 2 }), why: String::new(), layers: Vec::new() };
        let changed = Verdict { kept: Some(json!({ "n": 3 })), ..Verdict::default() };
        assert_eq!(compare("valid/a.json", "go", &valid, &changed).len(), 1);
        let kept = Verdict { kept: Some(json!({ "n": 2.0 })), ..Verdict::default() };
        assert_eq!(compare("valid/a.json", "go", &valid, &kept), [""; 0]);
        let strict = Verdict { schema: vec!["x".to_owned()], ..Verdict::default() };
        assert_eq!(compare("valid/a.json", "go", &valid, &strict).len(), 2);
    }
}
