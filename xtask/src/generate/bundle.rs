//! All schemas as one set of named definitions: what the generators of Go, TypeScript and Python
//! read, each in the form that its own module gives it.
//!
//! Named is what becomes a type: objects with fields, enums and tagged unions. All else is put in
//! the place that refers to it. Inline objects with a title become definitions too, so that every
//! language gives them the same name.

use std::path::Path;

use serde_json::{Map, Value, json};

/// The schemas of workflows, patch requests, events and node types.
pub(crate) struct Bundle {
    /// Schema of each type by its name; references are `#/$defs/<name>`.
    pub(crate) definitions: Map<String, Value>,
    /// The built-in node types, sorted by name.
    pub(crate) node_types: Vec<NodeType>,
    /// The entries of an event, in the order of the schema.
    pub(crate) changes: Vec<Change>,
}

/// One built-in node type.
pub(crate) struct NodeType {
    /// As it is written in a document: `http`.
    pub(crate) name: String,
    /// Start of the names of its types: `Http`.
    pub(crate) stem: String,
    /// One sentence or two.
    pub(crate) description: String,
    /// Whether a node of this type may go without config.
    pub(crate) config_optional: bool,
    /// Its schema as it stands.
    pub(crate) schema: Value,
}

/// One kind of entry of an event.
pub(crate) struct Change {
    /// Value of the field `change`.
    pub(crate) tag: String,
    /// Name of its definition.
    pub(crate) name: String,
}

/// Keywords that say nothing about shape.
const DROPPED: [&str; 4] = ["$schema", "$id", "$defs", "examples"];

/// Reads all schemas below `root`.
pub(crate) fn read(root: &Path) -> Result<Bundle, Box<dyn std::error::Error>> {
    let mut documents = Vec::new();
    for name in ["workflow", "patch", "event"] {
        documents.push(super::read_json(&root.join(format!("schema/{name}.schema.json")))?);
    }
    let types = super::node_types(&root.join("schema/node-types"))?;
    Ok(bundle(&documents, types)?)
}

fn bundle(documents: &[Value], types: Vec<(String, Value)>) -> Result<Bundle, String> {
    let mut all = Definitions::default();
    for schema in documents {
        all.add(schema)?;
    }
    let mut node_types = Vec::new();
    for (name, schema) in types {
        all.add(&schema)?;
        let title = text(&schema, "title")?;
        let stem = title.strip_suffix("Config");
        let empty = Map::new();
        node_types.push(NodeType {
            stem: stem
                .ok_or_else(|| format!("{name}: `{title}` does not end in Config"))?
                .to_owned(),
            description: text(&schema, "description")?.to_owned(),
            config_optional: schema.get("required").is_none()
                && schema.get("minProperties").is_none(),
            schema: Value::Object(schema.as_object().unwrap_or(&empty).clone()),
            name,
        });
    }
    Ok(Bundle { definitions: all.found, node_types, changes: all.changes })
}

#[derive(Default)]
struct Definitions {
    found: Map<String, Value>,
    changes: Vec<Change>,
}

impl Definitions {
    /// Adds the root of a schema and its definitions.
    fn add(&mut self, schema: &Value) -> Result<(), String> {
        let empty = Map::new();
        let own = schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
        for (name, definition) in own.iter().filter(|(_, definition)| is_named(definition)) {
            let made = self.fields(definition, own, name)?;
            self.insert(name, made)?;
        }
        let title = text(schema, "title")?;
        let made = self.fields(schema, own, title)?;
        self.insert(title, made)
    }

    fn insert(&mut self, name: &str, made: Value) -> Result<(), String> {
        match self.found.insert(name.to_owned(), made.clone()) {
            Some(other) if other != made => Err(format!("two schemas define `{name}` differently")),
            _ => Ok(()),
        }
    }

    /// The schema with every part of it brought into form.
    fn fields(
        &mut self,
        schema: &Value,
        own: &Map<String, Value>,
        name: &str,
    ) -> Result<Value, String> {
        let Value::Object(keywords) = schema else { return Ok(schema.clone()) };
        let mut made = Map::new();
        for (keyword, value) in keywords {
            let value = match keyword.as_str() {
                dropped if DROPPED.contains(&dropped) || dropped.starts_with("x-aob-") => continue,
                "properties" => {
                    let mut properties = Map::new();
                    for (field, inner) in value.as_object().into_iter().flatten() {
                        properties.insert(field.clone(), self.part(inner, own, field)?);
                    }
                    Value::Object(properties)
                }
                "items" | "additionalProperties" => self.part(value, own, name)?,
                "oneOf" => self.variants(value, own, name)?,
                _ => value.clone(),
            };
            made.insert(keyword.clone(), value);
        }
        Ok(Value::Object(made))
    }

    /// What stands in a field or an item: a reference, or a schema in place.
    fn part(
        &mut self,
        schema: &Value,
        own: &Map<String, Value>,
        place: &str,
    ) -> Result<Value, String> {
        let Some(target) = schema.get("$ref").and_then(Value::as_str) else {
            if schema.get("properties").is_some() {
                let title = text(schema, "title").map_err(|_| {
                    format!("{place}: an inline object with fields needs a title to be a type")
                })?;
                let made = self.fields(schema, own, title)?;
                self.insert(title, made)?;
                return Ok(described(json!({ "$ref": format!("#/$defs/{title}") }), schema));
            }
            return self.fields(schema, own, place);
        };
        let name = target
            .strip_prefix("#/$defs/")
            .ok_or_else(|| format!("{target}: only `#/$defs/<name>` is a reference here"))?;
        let definition = own.get(name).ok_or_else(|| format!("no definition `{name}`"))?;
        if is_named(definition) {
            let reference = described(json!({ "$ref": target }), definition);
            return Ok(described(reference, schema));
        }
        Ok(described(self.fields(definition, own, place)?, schema))
    }

    /// The variants of a tagged union, each a definition of its own.
    fn variants(
        &mut self,
        list: &Value,
        own: &Map<String, Value>,
        union: &str,
    ) -> Result<Value, String> {
        let mut references = Vec::new();
        for variant in list.as_array().into_iter().flatten() {
            let name = format!("{union}{}", text(variant, "title")?);
            let made = self.fields(variant, own, &name)?;
            let tag =
                tag(&made).ok_or_else(|| format!("{name}: no field with a const"))?.to_owned();
            let mut made = made;
            made["title"] = json!(name);
            self.insert(&name, made)?;
            references.push(json!({ "$ref": format!("#/$defs/{name}") }));
            self.changes.push(Change { tag, name });
        }
        Ok(Value::Array(references))
    }
}

/// The const that tells a variant from its siblings.
fn tag(variant: &Value) -> Option<&str> {
    let fields = variant.get("properties")?.as_object()?;
    fields.values().find_map(|field| field.get("const")?.as_str())
}

fn is_named(schema: &Value) -> bool {
    ["properties", "oneOf", "enum"].iter().any(|keyword| schema.get(keyword).is_some())
}

fn described(mut schema: Value, by: &Value) -> Value {
    if let Some(description) = by.get("description") {
        schema["description"] = description.clone();
    }
    schema
}

fn text<'a>(schema: &'a Value, keyword: &str) -> Result<&'a str, String> {
    let found = schema.get(keyword).and_then(Value::as_str);
    found.ok_or_else(|| format!("a schema without `{keyword}`: {schema}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node_type() -> Vec<(String, Value)> {
        let schema = json!({ "title": "NoopConfig", "description": "Nothing.", "type": "object" });
        vec![("noop".to_owned(), schema)]
    }

    #[test]
    fn scalars_are_put_in_place_and_objects_are_named() {
        let schema = json!({
            "title": "T", "type": "object",
            "properties": {
                "wait": { "$ref": "#/$defs/Wait", "description": "How long." },
                "mode": { "$ref": "#/$defs/Mode" },
                "inner": { "title": "Inner", "type": "object", "properties": {} },
            },
            "$defs": {
                "Wait": { "type": "string", "maxLength": 3, "description": "A time." },
                "Mode": { "enum": ["a"], "description": "Which." },
            },
        });
        let bundle = bundle(&[schema], node_type()).unwrap();
        let fields = &bundle.definitions["T"]["properties"];
        let wait = json!({ "type": "string", "maxLength": 3, "description": "How long." });
        assert_eq!(fields["wait"], wait);
        assert_eq!(fields["mode"], json!({ "$ref": "#/$defs/Mode", "description": "Which." }));
        assert_eq!(fields["inner"], json!({ "$ref": "#/$defs/Inner" }));
        assert!(bundle.definitions.contains_key("Inner"));
        assert!(!bundle.definitions.contains_key("Wait"));
        assert!(bundle.node_types[0].config_optional);
    }

    #[test]
    fn variants_are_named_after_their_union() {
        let variant = json!({
            "title": "Edge", "type": "object",
            "properties": { "change": { "type": "string", "const": "edge" } },
        });
        let schema = json!({
            "title": "E", "type": "object", "properties": { "c": { "$ref": "#/$defs/Change" } },
            "$defs": { "Change": { "oneOf": [variant] } },
        });
        let bundle = bundle(&[schema], node_type()).unwrap();
        assert_eq!(
            bundle.definitions["Change"]["oneOf"],
            json!([{ "$ref": "#/$defs/ChangeEdge" }])
        );
        assert_eq!(bundle.changes[0].tag, "edge");
    }

    #[test]
    fn one_name_has_one_meaning() {
        let first = json!({ "title": "T", "type": "object" });
        let second = json!({ "title": "T", "type": "string" });
        assert!(bundle(&[first, second], node_type()).is_err());
        let untitled = json!({ "title": "U", "properties": { "a": { "properties": {} } } });
        assert!(bundle(&[untitled], node_type()).is_err());
    }
}
