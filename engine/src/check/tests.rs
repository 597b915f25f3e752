//! Rules by name, the analysis of reads against a reference, and every document of the corpus.

mod corpus;
mod messages;
mod reference;
mod rules;

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::{Ceiling, Checked, check};
use crate::issue::Issue;
use crate::registry::Registry;

/// A workflow with these nodes and edges.
fn graph(nodes: Value, edges: Value) -> Value {
    workflow(json!({ "nodes": nodes, "edges": edges }))
}

fn workflow(spec: Value) -> Value {
    json!({"apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "test"}, "spec": spec})
}

static BUILTIN: LazyLock<Registry> = LazyLock::new(Registry::builtin);

fn judged(document: &Value) -> Checked {
    check(document, &BUILTIN, &Ceiling::default())
}

/// Name and pointer of everything that refuses a document.
fn refused(document: &Value) -> Vec<(&'static str, String)> {
    names(&judged(document).issues)
}

/// Name and pointer of everything that warns.
fn warned(document: &Value) -> Vec<(&'static str, String)> {
    names(&judged(document).warnings)
}

fn names(issues: &[Issue]) -> Vec<(&'static str, String)> {
    issues.iter().map(|issue| (issue.entry.name, issue.pointer.clone())).collect()
}

#[track_caller]
fn refuses(document: &Value, wanted: &[(&'static str, &str)]) {
    let wanted: Vec<_> =
        wanted.iter().map(|(name, pointer)| (*name, (*pointer).to_owned())).collect();
    assert_eq!(refused(document), wanted, "{document:#}");
}

#[track_caller]
fn accepts(document: &Value) {
    let found = judged(document);
    assert!(found.issues.is_empty(), "{:#?}\n{document:#}", found.issues);
    assert!(found.workflow.is_some());
}

fn noop(id: &str) -> Value {
    json!({"id": id, "type": "noop"})
}

/// A node that reads this expression.
fn reader(id: &str, expression: &str) -> Value {
    json!({"id": id, "type": "transform", "config": {"value": format!("${{ {expression} }}")}})
}

fn edge(from: &str, to: &str) -> Value {
    json!({"from": from, "to": to})
}

/// With further fields.
fn plus(mut value: Value, fields: Value) -> Value {
    if let (Value::Object(map), Value::Object(fields)) = (&mut value, fields) {
        map.extend(fields);
    }
    value
}
