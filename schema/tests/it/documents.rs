//! Valid documents are accepted and kept; each invalid one is refused by every
//! layer it names and accepted by every layer here that it does not name.
//!
//! Layers: `schema` (the JSON Schema), `config` (the schema of a built-in node
//! type, for a node's config), `types` (the generated Rust types), `engine`
//! (all that the engine checks; not run here).

use aob_schema::{EVENT, Event, NodeConfig, PATCH, PatchRequest, WORKFLOW, Workflow, node_type};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::corpus::{documents, objections, validator};

#[test]
fn valid_workflows_are_accepted() {
    let workflow = validator(WORKFLOW);
    let valid = documents("valid");
    assert!(valid.len() >= 20, "only {} valid documents", valid.len());
    for (name, document) in valid {
        assert_eq!(objections(&workflow, &document), [""; 0], "{name}");
        assert_eq!(config_objections(&document), [""; 0], "{name}");
    }
}

#[test]
fn valid_workflows_survive_the_types() {
    for (name, document) in documents("valid") {
        assert_kept::<Workflow>(&name, &document);
    }
}

#[test]
fn configs_survive_the_typed_view() {
    let mut seen = std::collections::BTreeSet::new();
    for (name, document) in documents("valid") {
        for (kind, config) in configs(&document) {
            let read = NodeConfig::decode(kind, &config)
                .unwrap_or_else(|error| panic!("{name}: {kind}: {error}"));
            assert_eq!(plain(read.encode().unwrap()), plain(config), "{name}: {kind}");
            seen.insert(kind.to_owned());
        }
    }
    for (kind, _) in aob_schema::NODE_TYPES {
        assert!(seen.contains(*kind), "no valid document has a node of type {kind}");
    }
}

#[test]
fn invalid_workflows_are_refused_by_the_layers_they_name() {
    let workflow = validator(WORKFLOW);
    let invalid = documents("invalid");
    assert!(invalid.len() >= 60, "only {} invalid documents", invalid.len());
    for (name, case) in invalid {
        let document = &case["document"];
        let by_schema = objections(&workflow, document);
        assert_refused(&name, &case, "schema", &by_schema);
        assert_refused(&name, &case, "types", &type_objections::<Workflow>(document));
        if by_schema.is_empty() {
            assert_refused(&name, &case, "config", &config_objections(document));
        }
        assert!(names(&case, "engine"), "{name}: the engine refuses whatever another layer does");
        assert!(!case["why"].as_str().unwrap().is_empty(), "{name}");
        let rule = case["rule"].as_str().unwrap();
        match names(&case, "schema") {
            true => assert!(["BAD_SHAPE", "BAD_ID"].contains(&rule), "{name}: {rule}"),
            false => assert_ne!(rule, "BAD_SHAPE", "{name}"),
        }
        assert_eq!(rule == "BAD_CONFIG", names(&case, "config"), "{name}");
    }
}

#[test]
fn patch_requests_are_judged_alike() {
    judge::<PatchRequest>(PATCH, "patch");
}

#[test]
fn events_are_judged_alike() {
    judge::<Event>(EVENT, "event");
}

#[test]
fn absent_empty_and_null_stay_apart() {
    let documents = [
        json!({ "id": "a", "type": "noop" }),
        json!({ "id": "a", "type": "noop", "config": {} }),
        json!({ "id": "a", "type": "noop", "labels": {}, "ui": { "x": null } }),
        json!({ "id": "a", "type": "noop", "config": { "value": null } }),
    ];
    for document in documents {
        assert_kept::<aob_schema::Node>("node", &document);
    }
    for spec in [json!({ "nodes": [] }), json!({ "nodes": [], "edges": [] })] {
        assert_kept::<aob_schema::Spec>("spec", &spec);
    }
}

/// `testdata/<folder>/valid` and `/invalid`, for a schema and its type.
fn judge<T: DeserializeOwned + Serialize>(schema: &str, folder: &str) {
    let schema = validator(schema);
    for (name, document) in documents(&format!("{folder}/valid")) {
        assert_eq!(objections(&schema, &document), [""; 0], "{name}");
        assert_kept::<T>(&name, &document);
    }
    for (name, case) in documents(&format!("{folder}/invalid")) {
        assert_refused(&name, &case, "schema", &objections(&schema, &case["document"]));
        assert_refused(&name, &case, "types", &type_objections::<T>(&case["document"]));
    }
}

fn assert_kept<T: DeserializeOwned + Serialize>(name: &str, document: &Value) {
    let read: T =
        serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(plain(serde_json::to_value(read).unwrap()), plain(document.clone()), "{name}");
}

fn assert_refused(name: &str, case: &Value, layer: &str, objections: &[String]) {
    if names(case, layer) {
        assert!(!objections.is_empty(), "{name}: accepted by {layer}");
    } else {
        assert_eq!(objections, [""; 0], "{name}: refused by {layer}, which it does not name");
    }
}

fn names(case: &Value, layer: &str) -> bool {
    case["layers"].as_array().unwrap().iter().any(|named| named == layer)
}

fn type_objections<T: DeserializeOwned>(document: &Value) -> Vec<String> {
    serde_json::from_value::<T>(document.clone()).err().iter().map(ToString::to_string).collect()
}

fn config_objections(document: &Value) -> Vec<String> {
    let judged = configs(document).into_iter().filter_map(|(kind, config)| {
        let schema = node_type(kind)?;
        Some(objections(&validator(schema), &config))
    });
    judged.flatten().collect()
}

/// Type and config of every node.
fn configs(document: &Value) -> Vec<(&str, Value)> {
    let nodes = document["spec"]["nodes"].as_array().unwrap();
    nodes
        .iter()
        .map(|node| {
            let config = node.get("config").cloned().unwrap_or_else(|| Map::new().into());
            (node["type"].as_str().unwrap(), config)
        })
        .collect()
}

/// The value with numbers as canonical JSON has them: 2.0 is 2.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().unwrap();
            if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 {
                json!(float as i64)
            } else {
                Value::Number(number)
            }
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (key, plain(value))).collect())
        }
        other => other,
    }
}
