//! The structural OpenAPI schemas of Kubernetes' custom resources, from the same source.
//!
//! An API server takes no `$ref`, no list of types, no `additionalProperties: false` and no
//! `default` here. Unknown fields it prunes, or refuses under strict field validation.

use serde_json::{Map, Value, json};

/// The schema of `Spec` in `workflow.schema.json`. Fails on whatever has no structural form.
pub(super) fn spec(schema: &Value) -> Result<Value, String> {
    let definitions = schema.get("$defs").and_then(Value::as_object).ok_or("no `$defs`")?;
    let spec = definitions.get("Spec").ok_or("no definition `Spec`")?;
    let mut made = structural(spec, definitions, "spec", 0)?;
    let nodes = made.pointer_mut("/properties/nodes").and_then(Value::as_object_mut);
    let nodes = nodes.ok_or("`Spec` has no field `nodes`")?;
    // Nodes are a set by id: server-side apply merges them so, and refuses two of one id.
    nodes.insert("x-kubernetes-list-type".to_owned(), json!("map"));
    nodes.insert("x-kubernetes-list-map-keys".to_owned(), json!(["id"]));
    Ok(made)
}

/// The schema of a part of another document, by a pointer into it.
pub(super) fn part(schema: &Value, pointer: &str) -> Result<Value, String> {
    let none = Map::new();
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&none);
    let part = schema.pointer(pointer).ok_or_else(|| format!("nothing at `{pointer}`"))?;
    structural(part, definitions, pointer.rsplit('/').next().unwrap_or_default(), 0)
}

/// Deeper is taken for a definition that contains itself.
const DEEPEST: usize = 32;

fn structural(
    schema: &Value,
    definitions: &Map<String, Value>,
    place: &str,
    depth: usize,
) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err(format!("{place}: recursion has no structural form"));
    }
    let keywords = schema.as_object().ok_or_else(|| format!("{place}: not an object"))?;
    if let Some(target) = keywords.get("$ref").and_then(Value::as_str) {
        let name = target.strip_prefix("#/$defs/").unwrap_or(target);
        let definition = definitions.get(name);
        let definition = definition.ok_or_else(|| format!("{place}: no definition `{name}`"))?;
        let mut made = structural(definition, definitions, place, depth + 1)?;
        if let Some(description) = keywords.get("description") {
            made["description"] = description.clone();
        }
        return Ok(made);
    }
    let mut made = Map::new();
    match keywords.get("type") {
        Some(Value::String(_)) => {}
        // What says nothing about a value takes any.
        None if keywords.keys().all(|key| ["description", "examples"].contains(&key.as_str())) => {
            made.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
        }
        _ => return Err(format!("{place}: needs exactly one type")),
    }
    let is_object = keywords.get("type").and_then(Value::as_str) == Some("object");
    if is_object
        && ["properties", "additionalProperties"].iter().all(|key| !keywords.contains_key(*key))
    {
        made.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
    }
    for (keyword, value) in keywords {
        match keyword.as_str() {
            "title" | "examples" | "$schema" | "$id" | "$defs" => {}
            annotation if annotation.starts_with("x-aob-") => {}
            "properties" => {
                let mut fields = Map::new();
                for (name, inner) in value.as_object().into_iter().flatten() {
                    let place = format!("{place}.{name}");
                    fields.insert(name.clone(), structural(inner, definitions, &place, depth + 1)?);
                }
                made.insert(keyword.clone(), Value::Object(fields));
            }
            "items" => {
                let place = format!("{place}[]");
                made.insert(keyword.clone(), structural(value, definitions, &place, depth + 1)?);
            }
            "additionalProperties" => match value {
                Value::Bool(false) => {}
                Value::Bool(true) => {
                    made.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
                }
                inner if keywords.contains_key("properties") => {
                    return Err(format!("{place}: fields and {inner} beside each other"));
                }
                inner => {
                    let place = format!("{place}.*");
                    let inner = structural(inner, definitions, &place, depth + 1)?;
                    made.insert(keyword.clone(), inner);
                }
            },
            "type" | "description" | "enum" | "required" | "pattern" | "minimum" | "maximum"
            | "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" => {
                made.insert(keyword.clone(), value.clone());
            }
            other => return Err(format!("{place}: `{other}` has no structural form")),
        }
    }
    Ok(Value::Object(made))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: Value) -> Value {
        let mut properties = json!({ "nodes": { "type": "array", "items": { "type": "object" } } });
        for (name, field) in fields.as_object().unwrap() {
            properties[name] = field.clone();
        }
        json!({ "$defs": {
            "Spec": { "title": "Spec", "type": "object", "additionalProperties": false, "properties": properties },
            "Wait": { "type": "string", "maxLength": 32, "examples": ["1s"] },
            "Loop": { "$ref": "#/$defs/Loop" },
        } })
    }

    #[test]
    fn references_and_open_objects_take_their_structural_form() {
        let made = spec(&schema(json!({
            "wait": { "$ref": "#/$defs/Wait", "description": "How long." },
            "free": { "type": "object", "additionalProperties": true, "maxProperties": 3 },
        })))
        .unwrap();
        let fields = &made["properties"];
        let wait = json!({ "type": "string", "maxLength": 32, "description": "How long." });
        assert_eq!(fields["wait"], wait);
        assert_eq!(fields["free"]["x-kubernetes-preserve-unknown-fields"], true);
        assert_eq!(fields["nodes"]["x-kubernetes-list-map-keys"], json!(["id"]));
        assert!(made.get("additionalProperties").is_none() && made.get("title").is_none());
    }

    #[test]
    fn what_takes_anything_keeps_it() {
        let made = part(
            &json!({ "properties": { "o": {
            "type": "object",
            "properties": { "value": { "description": "Any." }, "free": { "type": "object" } },
        } } }),
            "/properties/o",
        )
        .unwrap();
        for name in ["value", "free"] {
            assert_eq!(made["properties"][name]["x-kubernetes-preserve-unknown-fields"], true);
        }
        assert!(part(&json!({}), "/properties/o").is_err());
    }

    #[test]
    fn what_has_no_form_is_refused_with_its_place() {
        let several = json!({ "a": { "type": ["integer", "string"] } });
        assert!(spec(&schema(several)).unwrap_err().contains("spec.a"));
        let conditional = json!({ "a": { "type": "string", "if": {} } });
        assert!(spec(&schema(conditional)).unwrap_err().contains("`if`"));
        let endless = json!({ "a": { "$ref": "#/$defs/Loop" } });
        assert!(spec(&schema(endless)).unwrap_err().contains("recursion"));
    }
}
