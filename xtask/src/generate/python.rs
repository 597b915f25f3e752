//! What datamodel-code-generator reads, and what it does not know: the typed view of nodes and the
//! rules between fields.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::bundle::{Bundle, NodeType};

/// Keywords by the type that they belong to.
const BELONGS: [(&str, &[&str]); 5] = [
    ("string", &["pattern", "minLength", "maxLength"]),
    ("integer", &["minimum", "maximum"]),
    ("number", &["minimum", "maximum"]),
    ("array", &["items", "minItems", "maxItems"]),
    (
        "object",
        &["properties", "required", "additionalProperties", "minProperties", "maxProperties"],
    ),
];

/// The document of definitions for the generator. A list of types becomes `anyOf`, so that each
/// bound stands at the type it bounds: pydantic compares a string with a number otherwise.
pub(super) fn prepared(bundle: &Bundle) -> Result<Value, String> {
    let mut definitions: Map<String, Value> =
        bundle.definitions.iter().map(|(name, schema)| (name.clone(), split(schema))).collect();
    definitions.insert("NodeFields".to_owned(), node_fields(bundle)?);
    for change in &bundle.changes {
        if !definitions.contains_key(&change.name) {
            return Err(format!("no definition `{}`", change.name));
        }
    }
    if let Some(union) = definitions.get_mut("Change") {
        union["discriminator"] = json!({ "propertyName": "change" });
    }
    Ok(json!({ "$defs": definitions }))
}

/// The fields of a node without its type and config: what the typed views have in common.
fn node_fields(bundle: &Bundle) -> Result<Value, String> {
    let mut node = split(bundle.definitions.get("Node").ok_or("no definition `Node`")?);
    node["title"] = json!("NodeFields");
    node["description"] = json!("The fields that nodes of every type have.");
    let fields = node.get_mut("properties").and_then(Value::as_object_mut);
    let fields = fields.ok_or("`Node` has no fields")?;
    fields.remove("type");
    fields.remove("config");
    if let Some(names) = node.get_mut("required").and_then(Value::as_array_mut) {
        names.retain(|name| name != "type" && name != "config");
    }
    Ok(node)
}

fn split(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else { return schema.clone() };
    let mut made = Map::new();
    for (keyword, value) in keywords {
        let value = match keyword.as_str() {
            "dependentSchemas" => continue,
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                fields
                    .map(|(name, inner)| (name.clone(), split(inner)))
                    .collect::<Map<_, _>>()
                    .into()
            }
            // The generator knows only `true` for fields of any shape.
            "additionalProperties" if value == &json!({}) => json!(true),
            "items" | "additionalProperties" => split(value),
            _ => value.clone(),
        };
        made.insert(keyword.clone(), value);
    }
    let Some(Value::Array(types)) = made.remove("type") else {
        if let Some(one) = keywords.get("type") {
            made.insert("type".to_owned(), one.clone());
        }
        return Value::Object(made);
    };
    let mut choices = Vec::new();
    for name in types.iter().filter_map(Value::as_str) {
        // A number that was written without a fraction stays an integer.
        let names = if name == "number" { vec!["integer", "number"] } else { vec![name] };
        for name in names {
            let mut choice = Map::from_iter([("type".to_owned(), json!(name))]);
            let own =
                BELONGS.iter().find(|(kind, _)| *kind == name).map_or(&[][..], |(_, own)| own);
            for keyword in own {
                if let Some(value) = made.get(*keyword) {
                    choice.insert((*keyword).to_owned(), value.clone());
                }
            }
            choices.push(Value::Object(choice));
        }
    }
    for (_, own) in BELONGS {
        for keyword in own {
            made.remove(*keyword);
        }
    }
    made.insert("anyOf".to_owned(), Value::Array(choices));
    Value::Object(made)
}

/// What datamodel-code-generator wrote, under our header.
pub(super) fn rewritten(text: &str) -> String {
    let body = text.lines().skip_while(|line| line.starts_with('#') || line.is_empty());
    let body: Vec<&str> = body.collect();
    format!("{}\n\n{}\n", super::header("#", "schema"), body.join("\n"))
}

/// Source of `rules.py`: what a schema says of an object as a whole.
pub(super) fn rules(bundle: &Bundle) -> Result<String, String> {
    let mut source = format!(
        "{}\n\"\"\"Rules between the fields of a model.\"\"\"\n\n\
         from __future__ import annotations\n\nfrom typing import Final, NamedTuple\n\n\n\
         class Rules(NamedTuple):\n    \
         \"\"\"How many fields a model takes, how many entries its maps, and what excludes what.\"\"\"\n\n    \
         least: int = 0\n    most: int | None = None\n    maps: tuple[tuple[str, int], ...] = ()\n    \
         excludes: tuple[tuple[str, str], ...] = ()\n\n\nRULES: Final[dict[str, Rules]] = {{\n",
        super::header("#", "schema")
    );
    for (name, schema) in &bundle.definitions {
        let mut parts = Vec::new();
        for (keyword, argument) in [("minProperties", "least"), ("maxProperties", "most")] {
            if let Some(count) = schema.get(keyword) {
                parts.push(format!("{argument}={count}"));
            }
        }
        let maps: Vec<String> = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(field, inner)| {
                Some(format!("(\"{field}\", {})", inner.get("maxProperties")?))
            })
            .collect();
        if !maps.is_empty() {
            parts.push(format!("maps=({},)", maps.join(", ")));
        }
        let excludes = excludes(name, schema)?;
        if !excludes.is_empty() {
            parts.push(format!("excludes=({},)", excludes.join(", ")));
        }
        if !parts.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(source, "    \"{name}\": Rules({}),", parts.join(", "));
        }
    }
    source.push_str("}\n");
    Ok(source)
}

/// Pairs of fields that do not stand beside each other.
fn excludes(name: &str, schema: &Value) -> Result<Vec<String>, String> {
    let mut pairs = Vec::new();
    for (field, rule) in
        schema.get("dependentSchemas").and_then(Value::as_object).into_iter().flatten()
    {
        let refused = rule.get("properties").and_then(Value::as_object);
        let refused = refused.filter(|_| rule.as_object().is_some_and(|all| all.len() == 1));
        for (other, verdict) in
            refused.ok_or_else(|| format!("{name}: only fields set to false are understood"))?
        {
            if verdict != &Value::Bool(false) {
                return Err(format!("{name}: {other} beside {field} is not simply refused"));
            }
            pairs.push(format!("(\"{field}\", \"{other}\")"));
        }
    }
    Ok(pairs)
}

/// Source of `nodes.py`.
pub(super) fn nodes(types: &[NodeType]) -> String {
    let mut configs: Vec<String> =
        types.iter().map(|one| format!("    {}Config,\n", one.stem)).collect();
    configs.push("    NodeFields,\n".to_owned());
    configs.sort();
    let mut source = format!(
        "{}\n\"\"\"The typed view of nodes: one model per built-in type.\"\"\"\n\n\
         from __future__ import annotations\n\nfrom typing import Annotated, Final, Literal, Union\n\n\
         from pydantic import Field\nfrom typing_extensions import TypeAlias\n\nfrom .models import (\n{})\n",
        super::header("#", "schema/node-types"),
        configs.concat()
    );
    for one in types {
        let (stem, name) = (&one.stem, &one.name);
        let config = if one.config_optional {
            format!("{stem}Config | None = None")
        } else {
            format!("{stem}Config")
        };
        let _ = write!(
            source,
            "\n\nclass {stem}Node(NodeFields):\n    \"\"\"{}\"\"\"\n\n    type: Literal[\"{name}\"]\n    config: {config}\n",
            one.description
        );
    }
    let views: Vec<String> =
        types.iter().map(|one| format!("        {}Node,\n", one.stem)).collect();
    let names: Vec<String> =
        types.iter().map(|one| format!("        \"{}\",\n", one.name)).collect();
    let _ = write!(
        source,
        "\n\nKnownNode: TypeAlias = Annotated[\n    Union[\n{}    ],\n    Field(discriminator=\"type\"),\n]\n\
         \"\"\"A node of a built-in type, told apart by `type`.\"\"\"\n\n\
         KNOWN_TYPES: Final[frozenset[str]] = frozenset(\n    {{\n{}    }}\n)\n\
         \"\"\"The built-in node types.\"\"\"\n",
        views.concat(),
        names.concat()
    );
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_goes_to_its_type() {
        let schema = json!({
            "description": "d", "type": ["integer", "string"], "minimum": 1, "maximum": 9, "pattern": "^a$",
        });
        let expected = json!({ "description": "d", "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": 9 },
            { "type": "string", "pattern": "^a$" },
        ] });
        assert_eq!(split(&schema), expected);
        let single = json!({ "type": "string", "pattern": "^a$" });
        assert_eq!(split(&single), single);
    }

    #[test]
    fn rules_of_the_whole_object_are_listed() {
        let schema = json!({
            "minProperties": 1, "properties": { "m": { "maxProperties": 7 } },
            "dependentSchemas": { "a": { "properties": { "b": false } } },
        });
        let definitions = Map::from_iter([("T".to_owned(), schema)]);
        let bundle = Bundle { definitions, node_types: Vec::new(), changes: Vec::new() };
        let line = "    \"T\": Rules(least=1, maps=((\"m\", 7),), excludes=((\"a\", \"b\"),)),\n";
        assert!(rules(&bundle).unwrap().contains(line), "{}", rules(&bundle).unwrap());
        let other = json!({ "dependentSchemas": { "a": { "required": ["b"] } } });
        assert!(excludes("T", &other).is_err());
    }
}
