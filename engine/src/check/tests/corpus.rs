//! The documents in `schema/testdata`, and the design's example.

use std::path::Path;

use serde_json::Value;

use super::judged;
use crate::read::{self, Limits};

fn files(folder: &str) -> Vec<(String, Value)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/testdata").join(folder);
    let mut found: Vec<(String, Value)> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn valid_documents_are_accepted() {
    for (name, document) in files("valid") {
        let found = judged(&document);
        assert!(found.issues.is_empty(), "{name}: {:#?}", found.issues);
        assert!(found.workflow.is_some(), "{name}");
    }
}

#[test]
fn invalid_documents_are_refused_by_the_rule_they_name() {
    let mut wrong = Vec::new();
    for (name, file) in files("invalid") {
        // The schema says BAD_SHAPE where the document does not even say that it is a workflow.
        let says_so = file["document"]["apiVersion"] == "aob.dev/v1alpha1"
            && file["document"]["kind"] == "Workflow";
        let rule = if says_so { file["rule"].as_str().unwrap() } else { "NOT_A_WORKFLOW" };
        let found = judged(&file["document"]);
        if !found.issues.iter().any(|issue| issue.entry.name == rule) {
            let issues: Vec<String> = found.issues.iter().map(ToString::to_string).collect();
            wrong.push(format!("{name}: {rule} expected, found {issues:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_design_s_example_is_accepted() {
    let text = include_bytes!("invoices.yaml");
    let documents = read::documents(text, &Limits::default()).unwrap();
    let found = judged(&documents[0].value);
    assert!(found.issues.is_empty(), "{:#?}", found.issues);
    assert!(found.warnings.is_empty(), "{:#?}", found.warnings);
}
