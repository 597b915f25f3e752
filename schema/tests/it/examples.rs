//! Every `examples` entry of every schema fits the schema it stands in, so that
//! documentation and editors never show what would be refused.

use aob_schema::{EVENT, NODE_TYPES, PATCH, WORKFLOW};
use serde_json::{Map, Value};

use crate::corpus::{compiled, objections};

#[test]
fn examples_fit_their_schemas() {
    let core = [("workflow", WORKFLOW), ("patch", PATCH), ("event", EVENT)];
    for (name, text) in core.iter().chain(NODE_TYPES) {
        let root: Value = serde_json::from_str(text).unwrap();
        let definitions = root.get("$defs").cloned().unwrap_or_else(|| Map::new().into());
        let mut found = 0;
        judge(name, &root, &definitions, &mut found);
        assert!(found > 0, "{name}: no examples");
    }
}

#[test]
fn every_node_type_has_a_whole_example() {
    for (name, text) in NODE_TYPES {
        let root: Value = serde_json::from_str(text).unwrap();
        assert!(root["examples"].as_array().is_some_and(|all| !all.is_empty()), "{name}");
    }
}

/// Judges the examples of `schema` and of what lies in it; definitions are
/// reached through `$defs` itself and not through references.
fn judge(name: &str, schema: &Value, definitions: &Value, found: &mut usize) {
    let Value::Object(keywords) = schema else { return };
    if let Some(examples) = keywords.get("examples").and_then(Value::as_array) {
        let mut alone = keywords.clone();
        alone.insert("$defs".to_owned(), definitions.clone());
        let validator = compiled(&Value::Object(alone));
        for example in examples {
            *found += 1;
            assert_eq!(objections(&validator, example), [""; 0], "{name}: {example}");
        }
    }
    for (keyword, value) in keywords {
        match keyword.as_str() {
            "properties" | "$defs" => {
                for inner in value.as_object().unwrap().values() {
                    judge(name, inner, definitions, found);
                }
            }
            "items" | "additionalProperties" => judge(name, value, definitions, found),
            _ => {}
        }
    }
}
