//! Brings a schema into the form that typify turns into plain types.
//!
//! The validator beside the types judges lengths, patterns and ranges, so they
//! are dropped here: a `String` is handier than a newtype per pattern. What
//! remains is shape, enums and documentation.

use serde_json::{Map, Value, json};

/// Definitions that stand for hand-written types: name here, type in Rust.
pub(crate) const REPLACED: [(&str, &str); 5] = [
    ("TemplatedInteger", "crate::Templated<u64>"),
    ("TemplatedBoolean", "crate::Templated<bool>"),
    ("TemplatedStrings", "crate::Templated<::std::vec::Vec<::std::string::String>>"),
    ("TemplatedValues", "crate::Templated<::std::vec::Vec<::serde_json::Value>>"),
    ("Scalar", "crate::Scalar"),
];

/// The string form that a list, number or boolean in a config may also take.
const TEMPLATE: &str = r"^\$\{[\s\S]*\}$";

/// Keywords that only the validator reads.
const JUDGED_ELSEWHERE: [&str; 10] = [
    "$schema",
    "$id",
    "pattern",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "dependentSchemas",
];

/// Prepares a schema that stands alone.
pub(crate) fn document(schema: &Value) -> Result<Value, String> {
    let definitions = definitions(schema);
    let Value::Object(mut root) = prepared(schema, &definitions)? else {
        return Err("a schema is an object".to_owned());
    };
    root.insert("$defs".to_owned(), Value::Object(all_prepared(&definitions)?));
    Ok(Value::Object(root))
}

/// Prepares the schemas of all node types as one document of definitions, each
/// under its title. Two files must not define the same name.
pub(crate) fn node_types(types: &[(String, Value)]) -> Result<Value, String> {
    let mut all = Map::new();
    for (name, schema) in types {
        let own = definitions(schema);
        let title = schema["title"].as_str().ok_or_else(|| format!("{name}: no title"))?;
        let mut parts = all_prepared(&own)?;
        parts.insert(title.to_owned(), prepared(schema, &own)?);
        for (key, part) in parts {
            if all.insert(key.clone(), part).is_some() {
                return Err(format!("{name}: `{key}` is defined by another node type too"));
            }
        }
    }
    for (name, _) in REPLACED {
        all.insert(name.to_owned(), json!({ "type": "object" }));
    }
    Ok(json!({ "$defs": all }))
}

fn definitions(schema: &Value) -> Map<String, Value> {
    schema["$defs"].as_object().cloned().unwrap_or_default()
}

/// The definitions that become types of their own.
fn all_prepared(definitions: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let named = definitions.iter().filter(|(_, schema)| is_named(schema));
    named.map(|(name, schema)| Ok((name.clone(), prepared(schema, definitions)?))).collect()
}

/// Objects with fields, tagged unions and enums are types of their own; all else
/// is inlined.
fn is_named(schema: &Value) -> bool {
    ["properties", "oneOf", "enum"].iter().any(|keyword| schema.get(keyword).is_some())
}

fn prepared(schema: &Value, definitions: &Map<String, Value>) -> Result<Value, String> {
    let Value::Object(keywords) = schema else {
        return Ok(schema.clone());
    };
    if let Some(target) = keywords.get("$ref") {
        return reference(target, keywords, definitions);
    }
    if let Some(definition) = replacement(keywords) {
        return Ok(with_description(definition_reference(definition), keywords));
    }
    let mut result = Map::new();
    for (keyword, value) in keywords {
        let value = match keyword.as_str() {
            "$defs" | "examples" | "minimum" | "maximum" => continue,
            judged if JUDGED_ELSEWHERE.contains(&judged) || judged.starts_with("x-aob-") => {
                continue;
            }
            "properties" => each(value, definitions)?,
            "items" | "additionalProperties" => prepared(value, definitions)?,
            "oneOf" => variants(value, definitions)?,
            _ => value.clone(),
        };
        result.insert(keyword.clone(), value);
    }
    if has_type(keywords, "integer") {
        result.insert("format".to_owned(), json!(integer_format(keywords)?));
    }
    Ok(Value::Object(result))
}

fn each(properties: &Value, definitions: &Map<String, Value>) -> Result<Value, String> {
    let properties = properties.as_object().ok_or("`properties` is an object")?;
    let each =
        properties.iter().map(|(name, schema)| Ok((name.clone(), prepared(schema, definitions)?)));
    Ok(Value::Object(each.collect::<Result<_, String>>()?))
}

/// The variants of a tagged union: inline objects that differ in a const.
fn variants(list: &Value, definitions: &Map<String, Value>) -> Result<Value, String> {
    let list = list.as_array().ok_or("`oneOf` is a list")?;
    list.iter().map(|variant| prepared(variant, definitions)).collect()
}

/// A named definition stays a reference, any other is put in its place.
fn reference(
    target: &Value,
    keywords: &Map<String, Value>,
    definitions: &Map<String, Value>,
) -> Result<Value, String> {
    let name = target.as_str().and_then(|target| target.strip_prefix("#/$defs/"));
    let name =
        name.ok_or_else(|| format!("{target}: only `#/$defs/<name>` is a reference here"))?;
    let definition = definitions.get(name).ok_or_else(|| format!("no definition `{name}`"))?;
    if is_named(definition) {
        let mut described = with_description(definition_reference(name), keywords);
        if described.get("description").is_none() {
            described["description"] = definition["description"].clone();
        }
        return Ok(described);
    }
    Ok(with_description(prepared(definition, definitions)?, keywords))
}

fn definition_reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn with_description(mut schema: Value, keywords: &Map<String, Value>) -> Value {
    if let Some(description) = keywords.get("description") {
        schema["description"] = description.clone();
    }
    schema
}

/// The hand-written type for a schema, if there is one.
fn replacement(keywords: &Map<String, Value>) -> Option<&'static str> {
    let types: Vec<&str> =
        keywords.get("type")?.as_array()?.iter().filter_map(Value::as_str).collect();
    if types == ["string", "number", "boolean"] {
        return Some("Scalar");
    }
    if keywords.get("pattern")?.as_str()? != TEMPLATE {
        return None;
    }
    match types.as_slice() {
        ["integer", "string"] => Some("TemplatedInteger"),
        ["boolean", "string"] => Some("TemplatedBoolean"),
        ["array", "string"] if keywords.get("items")?.get("type").is_some() => {
            Some("TemplatedStrings")
        }
        ["array", "string"] => Some("TemplatedValues"),
        _ => None,
    }
}

fn has_type(keywords: &Map<String, Value>, name: &str) -> bool {
    match keywords.get("type") {
        Some(Value::String(single)) => single == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    }
}

/// The narrowest of u32, u64 and i64 that holds the range; a range is required.
fn integer_format(keywords: &Map<String, Value>) -> Result<&'static str, String> {
    let bound = |name: &str| {
        let bound = keywords.get(name).and_then(Value::as_i64);
        bound.ok_or_else(|| format!("an integer without `{name}`: {keywords:?}"))
    };
    Ok(match (bound("minimum")?, bound("maximum")?) {
        (0.., maximum) if maximum <= i64::from(u32::MAX) => "uint32",
        (0.., _) => "uint64",
        _ => "int64",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_inlined_with_the_words_of_the_field() {
        let schema = json!({
            "title": "T",
            "properties": { "wait": { "$ref": "#/$defs/Duration", "description": "How long." } },
            "$defs": { "Duration": { "type": "string", "pattern": "^[0-9]+s$", "description": "A time." } }
        });
        let document = document(&schema).unwrap();
        assert_eq!(
            document["properties"]["wait"],
            json!({ "type": "string", "description": "How long." })
        );
        assert_eq!(document["$defs"], json!({}));
    }

    #[test]
    fn ranges_choose_the_integer() {
        let format = |minimum: i64, maximum: i64| {
            let schema = json!({ "type": "integer", "minimum": minimum, "maximum": maximum });
            prepared(&schema, &Map::new()).unwrap()["format"].clone()
        };
        assert_eq!(format(1, 1000), "uint32");
        assert_eq!(format(0, 1 << 40), "uint64");
        assert_eq!(format(-1, 1), "int64");
        assert!(prepared(&json!({ "type": "integer" }), &Map::new()).is_err());
    }

    #[test]
    fn two_node_types_do_not_share_a_name() {
        let schema = json!({ "title": "Config", "properties": {} });
        let types = [("one".to_owned(), schema.clone()), ("two".to_owned(), schema)];
        assert!(node_types(&types).unwrap_err().contains("`Config`"));
    }
}
