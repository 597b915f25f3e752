//! What json-schema-to-typescript reads, and the typed view of nodes in TypeScript.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::bundle::{Bundle, NodeType};

/// Keywords that the validators judge: as types they would only be in the way (a list with a
/// least length becomes a tuple).
const JUDGED_ELSEWHERE: [&str; 10] = [
    "pattern",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "dependentSchemas",
];

/// The document of definitions for the generator. A reference becomes `tsType`: beside a reference
/// the generator would read no description, and with one it would write a second type.
pub(super) fn prepared(bundle: &Bundle) -> Value {
    let definitions: Map<String, Value> =
        bundle.definitions.iter().map(|(name, schema)| (name.clone(), typed(schema))).collect();
    json!({
        // Only below an interface does the generator write definitions that nothing refers to.
        "title": "Documents",
        "description": "The type of each document, by the name of its schema.",
        "type": "object",
        "additionalProperties": false,
        "required": ["event", "patch", "workflow"],
        "properties": {
            "event": { "tsType": "Event" },
            "patch": { "tsType": "PatchRequest" },
            "workflow": { "tsType": "Workflow" },
        },
        "$defs": definitions,
    })
}

fn typed(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else { return schema.clone() };
    let mut made = Map::new();
    let shapes = ["type", "const", "enum", "$ref", "oneOf", "properties"];
    if !shapes.iter().any(|shape| keywords.contains_key(*shape)) {
        // Without a type the generator would take it for an object.
        made.insert("tsType".to_owned(), json!("unknown"));
    }
    for (keyword, value) in keywords {
        let value = match keyword.as_str() {
            judged if JUDGED_ELSEWHERE.contains(&judged) => continue,
            "$ref" => {
                let target = value.as_str().unwrap_or_default();
                made.insert("tsType".to_owned(), json!(target.trim_start_matches("#/$defs/")));
                continue;
            }
            "oneOf" => {
                let variants = value.as_array().into_iter().flatten();
                let names: Vec<&str> = variants
                    .filter_map(|variant| variant.get("$ref")?.as_str())
                    .map(|target| target.trim_start_matches("#/$defs/"))
                    .collect();
                made.insert("tsType".to_owned(), json!(names.join(" | ")));
                continue;
            }
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                fields
                    .map(|(name, inner)| (name.clone(), typed(inner)))
                    .collect::<Map<_, _>>()
                    .into()
            }
            "items" | "additionalProperties" => typed(value),
            _ => value.clone(),
        };
        made.insert(keyword.clone(), value);
    }
    Value::Object(made)
}

/// Source of `nodes.ts`.
pub(super) fn nodes(types: &[NodeType]) -> String {
    let configs: Vec<String> = types.iter().map(|one| format!("{}Config", one.stem)).collect();
    let views: Vec<String> = types.iter().map(|one| format!("{}Node", one.stem)).collect();
    let mut source = format!(
        "{}\nimport type {{ Node, {} }} from \"./types.js\";\n\n\
         /** The fields that nodes of every type have. */\n\
         export type NodeFields = Omit<Node, \"type\" | \"config\">;\n",
        super::header("//", "schema/node-types"),
        configs.join(", ")
    );
    for one in types {
        let (stem, name) = (&one.stem, &one.name);
        let optional = if one.config_optional { "?" } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(
            source,
            "\n/** {} */\nexport interface {stem}Node extends NodeFields {{\n  type: \"{name}\";\n  config{optional}: {stem}Config;\n}}\n",
            one.description
        );
    }
    let names: Vec<String> = types.iter().map(|one| format!("\"{}\"", one.name)).collect();
    let _ = write!(
        source,
        "\n/** A node of a built-in type: `switch (node.type)` tells them apart. */\n\
         export type KnownNode =\n  | {};\n\n\
         /** Name of a built-in node type. */\nexport type KnownType = KnownNode[\"type\"];\n\n\
         /** The built-in node types, sorted. */\nexport const KNOWN_TYPES: readonly KnownType[] = [\n  {},\n];\n",
        views.join("\n  | "),
        names.join(",\n  ")
    );
    source
}

/// What the validators are compiled from: each schema under the name of its function.
pub(super) fn validated(bundle: &Bundle, documents: &[(&str, Value)]) -> Value {
    let mut all = Map::new();
    for (name, schema) in documents {
        all.insert((*name).to_owned(), schema.clone());
    }
    let configs: Map<String, Value> =
        bundle.node_types.iter().map(|one| (one.name.clone(), one.schema.clone())).collect();
    all.insert("configs".to_owned(), Value::Object(configs));
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_keep_the_words_of_the_field() {
        let schema = json!({
            "type": "object",
            "properties": {
                "join": { "$ref": "#/$defs/Join", "description": "When." },
                "any": { "description": "Any." },
                "list": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/Join" } },
            },
        });
        let fields = &typed(&schema)["properties"];
        assert_eq!(fields["join"], json!({ "tsType": "Join", "description": "When." }));
        assert_eq!(fields["any"], json!({ "tsType": "unknown", "description": "Any." }));
        assert_eq!(fields["list"], json!({ "type": "array", "items": { "tsType": "Join" } }));
    }

    #[test]
    fn a_node_type_becomes_a_member_of_the_union() {
        let one = NodeType {
            name: "http".to_owned(),
            stem: "Http".to_owned(),
            description: "One request.".to_owned(),
            config_optional: false,
            schema: json!({}),
        };
        let source = nodes(&[one]);
        assert!(source.contains("  type: \"http\";\n  config: HttpConfig;\n"), "{source}");
        assert!(source.contains("export type KnownNode =\n  | HttpNode;"), "{source}");
    }
}
