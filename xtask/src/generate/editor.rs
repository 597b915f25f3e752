//! Schemas for editors: one file each, with completion and hover for every node type.
//!
//! Editors know draft 7 best, so definitions and dependencies take its form, and the config of a
//! node is told apart by `if` its type is so, `then` its config is that. The language's own schema
//! stays free of conditions: generators and Kubernetes do not take them.

use serde_json::{Map, Value, json};

use super::bundle::NodeType;

/// The editor's schema of workflow documents.
pub(super) fn workflow(schema: &Value, types: &[NodeType]) -> Result<Value, String> {
    let mut made = draft7(schema);
    let definitions = made.get_mut("definitions").and_then(Value::as_object_mut);
    let definitions = definitions.ok_or("the schema has no definitions")?;
    for node_type in types {
        let mut config = draft7(&node_type.schema);
        if let Some(Value::Object(own)) =
            config.as_object_mut().and_then(|c| c.remove("definitions"))
        {
            definitions.extend(own);
        }
        definitions.insert(format!("{}Config", node_type.stem), config);
    }
    let node = definitions.get_mut("Node").and_then(Value::as_object_mut).ok_or("no `Node`")?;
    node.insert("allOf".to_owned(), types.iter().map(condition).collect());
    node.insert("defaultSnippets".to_owned(), types.iter().map(snippet).collect());
    let kind = node.get_mut("properties").and_then(|fields| fields.get_mut("type"));
    let kind = kind.and_then(Value::as_object_mut).ok_or("`Node` has no field `type`")?;
    kind.remove("allOf");
    // An editor shows the words of the branch that holds.
    let words = kind.get("description").cloned().unwrap_or_default();
    let (mut known, mut open) =
        (known(types), draft7(schema.pointer("/$defs/TypeName").ok_or("no `TypeName`")?));
    known["description"] = words.clone();
    open["description"] = words;
    kind.insert("anyOf".to_owned(), json!([known, open]));
    Ok(made)
}

/// The editor's schema of a document that has no node configs in it.
pub(super) fn plain(schema: &Value) -> Value {
    draft7(schema)
}

/// `if` the type is this one, `then` the config is of its schema.
fn condition(node_type: &NodeType) -> Value {
    let reference = format!("#/definitions/{}Config", node_type.stem);
    let mut then = json!({ "properties": { "config": { "$ref": reference } } });
    if !node_type.config_optional {
        then["required"] = json!(["config"]);
    }
    json!({
        "if": { "required": ["type"], "properties": { "type": { "const": node_type.name } } },
        "then": then,
    })
}

/// The built-in types, to choose from; other names are types as well.
fn known(types: &[NodeType]) -> Value {
    json!({
        "type": "string",
        "enum": types.iter().map(|one| one.name.clone()).collect::<Vec<_>>(),
        "enumDescriptions": types.iter().map(|one| one.description.clone()).collect::<Vec<_>>(),
        "markdownEnumDescriptions": types.iter().map(|one| one.description.clone()).collect::<Vec<_>>(),
    })
}

/// A new node with the fields that its type requires.
fn snippet(node_type: &NodeType) -> Value {
    let required = node_type.schema.get("required").and_then(Value::as_array);
    let mut config = Map::new();
    for (at, name) in required.into_iter().flatten().filter_map(Value::as_str).enumerate() {
        config.insert(name.to_owned(), json!(format!("${}", at + 2)));
    }
    let mut body = json!({ "id": "$1", "type": node_type.name });
    if !config.is_empty() {
        body["config"] = Value::Object(config);
    }
    json!({ "label": node_type.name, "description": node_type.description, "body": body })
}

/// The same schema in the words of draft 7, without what only AOB reads.
fn draft7(schema: &Value) -> Value {
    match schema {
        Value::Object(keywords) => {
            let mut made = Map::new();
            for (keyword, value) in keywords {
                match keyword.as_str() {
                    own if own.starts_with("x-aob-") => {}
                    "$schema" => {
                        made.insert(
                            keyword.clone(),
                            json!("http://json-schema.org/draft-07/schema#"),
                        );
                    }
                    // Editors take an `$id` for a place to load from.
                    "$id" => {}
                    "$ref" => {
                        let target = value.as_str().unwrap_or_default();
                        let target = target.replacen("#/$defs/", "#/definitions/", 1);
                        // Draft 7 ignores what stands beside a reference; a description shall count.
                        made.insert("allOf".to_owned(), json!([{ "$ref": target }]));
                    }
                    "$defs" | "properties" | "dependentSchemas" => {
                        let name = match keyword.as_str() {
                            "$defs" => "definitions",
                            "dependentSchemas" => "dependencies",
                            same => same,
                        };
                        let fields = value.as_object().into_iter().flatten();
                        let fields: Map<String, Value> =
                            fields.map(|(name, inner)| (name.clone(), draft7(inner))).collect();
                        made.insert(name.to_owned(), Value::Object(fields));
                    }
                    "items" | "additionalProperties" => {
                        made.insert(keyword.clone(), draft7(value));
                    }
                    "oneOf" => {
                        let variants = value.as_array().into_iter().flatten();
                        made.insert(keyword.clone(), variants.map(draft7).collect());
                    }
                    _ => {
                        made.insert(keyword.clone(), value.clone());
                    }
                }
            }
            Value::Object(made)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Value {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://x",
            "$defs": {
                "Node": { "type": "object", "properties": {
                    "type": { "$ref": "#/$defs/TypeName", "description": "Which." },
                    "wait": { "$ref": "#/$defs/Wait", "description": "How long." },
                } },
                "TypeName": { "type": "string", "pattern": "^[a-z]+$" },
                "Wait": { "type": "string", "x-aob-secrets": true },
            },
        });
        let http = NodeType {
            name: "http".to_owned(),
            stem: "Http".to_owned(),
            description: "One request.".to_owned(),
            config_optional: false,
            schema: json!({
                "type": "object", "required": ["url"],
                "dependentSchemas": { "json": { "properties": { "body": false } } },
                "$defs": { "Part": { "type": "object" } },
            }),
        };
        workflow(&schema, &[http]).unwrap()
    }

    #[test]
    fn a_type_decides_about_its_config() {
        let made = made();
        let node = &made["definitions"]["Node"];
        let then = json!({ "properties": { "config": { "$ref": "#/definitions/HttpConfig" } }, "required": ["config"] });
        assert_eq!(node["allOf"][0]["then"], then);
        assert_eq!(node["properties"]["type"]["anyOf"][0]["enum"], json!(["http"]));
        assert_eq!(node["properties"]["type"]["description"], "Which.");
        let body = json!({ "id": "$1", "type": "http", "config": { "url": "$2" } });
        assert_eq!(node["defaultSnippets"][0]["body"], body);
        assert!(made["definitions"].get("Part").is_some());
    }

    #[test]
    fn the_words_are_those_of_draft_7() {
        let made = made();
        let text = made.to_string();
        for gone in ["$defs", "$id", "dependentSchemas", "x-aob-"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        let wait =
            json!({ "allOf": [{ "$ref": "#/definitions/Wait" }], "description": "How long." });
        assert_eq!(made["definitions"]["Node"]["properties"]["wait"], wait);
        assert!(made["definitions"]["HttpConfig"]["dependencies"].get("json").is_some());
    }
}
