//! The dialect: what the generators of all languages and a CRD understand alike,
//! with a bound on every size. A schema outside it fails here, with its place.

use aob_schema::{EVENT, NODE_TYPES, PATCH, WORKFLOW};
use serde_json::Value;

/// Keywords that all readers understand, or that none but validators and
/// documentation need.
const ALLOWED: [&str; 26] = [
    "$schema",
    "$id",
    "$ref",
    "$defs",
    "title",
    "description",
    "examples",
    "type",
    "enum",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-aob-secrets",
    "x-aob-expression",
    "x-aob-literal",
    "x-aob-scope",
];

/// Only in events: tagged unions of inline objects, which no CRD has to take.
const OF_EVENTS: [&str; 2] = ["oneOf", "const"];

/// Only at the root of a node type.
const OF_NODE_TYPES: [&str; 3] = ["x-aob-effect", "x-aob-output", "dependentSchemas"];

/// JavaScript keeps no integer beyond it.
const LARGEST_INTEGER: i64 = (1 << 53) - 1;

#[test]
fn schemas_keep_to_the_dialect() {
    for (name, text) in all() {
        let root: Value = serde_json::from_str(text).unwrap();
        let mut faults = Vec::new();
        check(name, &root, &mut faults);
        assert_eq!(faults, [""; 0]);
    }
}

#[test]
fn the_check_sees_faults() {
    let bad = serde_json::json!({
        "type": "object",
        "default": {},
        "properties": { "a": { "type": "string" }, "n": { "type": "integer", "minimum": 0 }, "p": { "pattern": "(?=x)" } }
    });
    let mut faults = Vec::new();
    check("", &bad, &mut faults);
    for expected in
        ["default", "additionalProperties", "maxLength", "maximum", "description", "look-around"]
    {
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:?}");
    }
}

#[test]
fn schemas_are_valid_schemas() {
    for (name, text) in all() {
        let root: Value = serde_json::from_str(text).unwrap();
        assert!(jsonschema::meta::is_valid(&root), "{name}");
        assert!(root["$id"].as_str().unwrap().ends_with(&format!("/{name}.schema.json")), "{name}");
    }
}

#[test]
fn node_types_say_what_they_do_and_give() {
    let effects = ["pure", "idempotent", "once", "container", "by-method"];
    for (name, text) in NODE_TYPES {
        let root: Value = serde_json::from_str(text).unwrap();
        let effect = root["x-aob-effect"].as_str().unwrap();
        assert!(effects.contains(&effect), "{name}: {effect}");
        assert!(root["x-aob-output"].is_string() || root["x-aob-output"].is_object(), "{name}");
    }
}

fn all() -> Vec<(&'static str, &'static str)> {
    let core = [("workflow", WORKFLOW), ("patch", PATCH), ("event", EVENT)];
    core.iter().chain(NODE_TYPES).copied().collect()
}

fn check(place: &str, schema: &Value, faults: &mut Vec<String>) {
    let Value::Object(keywords) = schema else { return };
    for keyword in keywords.keys() {
        let known = ALLOWED.contains(&keyword.as_str())
            || (place.starts_with("event/") && OF_EVENTS.contains(&keyword.as_str()))
            || (keywords.contains_key("$id") && OF_NODE_TYPES.contains(&keyword.as_str()));
        if !known {
            faults.push(format!("{place}: keyword {keyword}"));
        }
    }
    for fault in unbounded(schema) {
        faults.push(format!("{place}: {fault}"));
    }
    for part in ["properties", "$defs"] {
        for (name, inner) in keywords.get(part).and_then(Value::as_object).into_iter().flatten() {
            let place = format!("{place}/{name}");
            let described = ["description", "$ref", "const"];
            if !described.iter().any(|keyword| inner.get(keyword).is_some()) {
                faults.push(format!("{place}: no description"));
            }
            check(&place, inner, faults);
        }
    }
    for variant in keywords.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        if variant.get("$ref").is_some() {
            faults.push(format!("{place}: a variant by reference loses its tag in Rust"));
        }
        check(&format!("{place}/oneOf"), variant, faults);
    }
    for part in ["items", "additionalProperties"] {
        check(&format!("{place}/{part}"), keywords.get(part).unwrap_or(&Value::Null), faults);
    }
}

/// The bounds that are missing, and patterns that not every reader knows.
fn unbounded(schema: &Value) -> Vec<String> {
    let has = |keyword: &str| schema.get(keyword).is_some();
    let is = |kind: &str| match &schema["type"] {
        Value::String(single) => single == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        _ => false,
    };
    let mut faults = Vec::new();
    let mut demand = |holds: bool, fault: &str| {
        if !holds {
            faults.push(fault.to_owned());
        }
    };
    if is("string") && !has("enum") && !has("const") {
        demand(has("maxLength"), "a string without maxLength");
    }
    if is("array") {
        demand(has("maxItems") && has("items"), "a list without maxItems or items");
    }
    if is("object") {
        demand(has("additionalProperties"), "an object without additionalProperties");
        let closed = schema["additionalProperties"] == false;
        demand(closed || has("maxProperties"), "an open object without maxProperties");
    }
    if is("integer") {
        demand(has("minimum"), "an integer without minimum");
        let maximum = schema["maximum"].as_i64();
        demand(
            maximum.is_some_and(|most| most <= LARGEST_INTEGER),
            "an integer without a maximum that JavaScript keeps",
        );
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        demand(
            pattern.starts_with('^') && pattern.ends_with('$'),
            "a pattern that is not anchored",
        );
        demand(!pattern.contains("(?"), "a pattern with look-around or flags");
    }
    faults
}
