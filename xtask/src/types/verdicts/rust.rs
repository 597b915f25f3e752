//! The verdicts of Rust: the validator, the generated types, and the engine.

use std::collections::BTreeMap;

use aob_engine::check::{Ceiling, check};
use aob_engine::registry::Registry;
use aob_schema::{EVENT, Event, NodeConfig, PATCH, PatchRequest, WORKFLOW, Workflow, node_type};
use jsonschema::Validator;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Case, Failure, Verdict, Verdicts};

pub(super) fn judge(cases: &BTreeMap<String, Case>) -> Result<Verdicts, Failure> {
    let validators = [validator(WORKFLOW)?, validator(PATCH)?, validator(EVENT)?];
    let [workflow, patch, event] = &validators;
    let registry = Registry::builtin();
    let mut verdicts = Verdicts::new();
    for (name, case) in cases {
        let document = &case.document;
        let verdict = match name.split('/').next() {
            Some("patch") => plain::<PatchRequest>(patch, document),
            Some("event") => plain::<Event>(event, document),
            _ => {
                let mut verdict = plain::<Workflow>(workflow, document);
                if verdict.schema.is_empty() {
                    verdict.config = configs(document)?;
                }
                let checked = check(document, &registry, &Ceiling::default());
                verdict.engine = checked.issues.iter().map(ToString::to_string).collect();
                verdict.kept = verdict.kept.map(viewed).transpose()?;
                verdict
            }
        };
        verdicts.insert(name.clone(), verdict);
    }
    Ok(verdicts)
}

fn validator(schema: &str) -> Result<Validator, Failure> {
    let schema = serde_json::from_str(schema)?;
    Ok(jsonschema::draft202012::new(&schema).map_err(|error| error.to_string())?)
}

fn objections(validator: &Validator, document: &Value) -> Vec<String> {
    validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn plain<T: DeserializeOwned + Serialize>(validator: &Validator, document: &Value) -> Verdict {
    let read = serde_json::from_value::<T>(document.clone());
    let mut verdict = Verdict { schema: objections(validator, document), ..Verdict::default() };
    match read.and_then(serde_json::to_value) {
        Ok(kept) => verdict.kept = Some(kept),
        Err(error) => verdict.types.push(error.to_string()),
    }
    verdict
}

/// Faults of the configs of built-in types.
fn configs(document: &Value) -> Result<Vec<String>, Failure> {
    let mut faults = Vec::new();
    for node in nodes(document) {
        if let Some(schema) = kind(node).and_then(node_type) {
            let config = node.get("config").cloned().unwrap_or_else(|| json!({}));
            faults.extend(objections(&validator(schema)?, &config));
        }
    }
    Ok(faults)
}

/// The document with each config once through its typed view, where that reads it.
fn viewed(mut document: Value) -> Result<Value, Failure> {
    let nodes = document.pointer_mut("/spec/nodes").and_then(Value::as_array_mut);
    for node in nodes.into_iter().flatten() {
        let (Some(kind), Some(config)) = (kind(node), node.get("config")) else { continue };
        if let Ok(view) = NodeConfig::decode(kind, config) {
            let written = view.encode()?;
            if let Some(config) = node.get_mut("config") {
                *config = written;
            }
        }
    }
    Ok(document)
}

fn nodes(document: &Value) -> impl Iterator<Item = &Value> {
    document.pointer("/spec/nodes").and_then(Value::as_array).into_iter().flatten()
}

fn kind(node: &Value) -> Option<&str> {
    node.get("type").and_then(Value::as_str)
}
