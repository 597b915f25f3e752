//! The documents in `testdata/`, and the validators they are put to.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

/// Every JSON file of `testdata/<folder>`: its name and content, sorted by name.
pub(crate) fn documents(folder: &str) -> Vec<(String, Value)> {
    let folder = testdata().join(folder);
    let mut documents: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (name(&path), parse(&path)))
        .collect();
    documents.sort_by(|left, right| left.0.cmp(&right.0));
    documents
}

/// A validator that looks nothing up outside the schema.
pub(crate) fn validator(schema: &str) -> Validator {
    let schema: Value = serde_json::from_str(schema).unwrap();
    compiled(&schema)
}

/// The same for a schema already parsed.
pub(crate) fn compiled(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).unwrap_or_else(|error| panic!("{error}"))
}

/// What a validator objects to, one line each.
pub(crate) fn objections(validator: &Validator, document: &Value) -> Vec<String> {
    validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn parse(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
