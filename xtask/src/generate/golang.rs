//! What go-jsonschema reads, and what it does not know: values of several shapes, open objects,
//! the entries of events, and the typed view of node configs.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::bundle::{Bundle, NodeType};

/// Keywords that the validator judges beside the types.
const JUDGED_ELSEWHERE: [&str; 11] = [
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
    "additionalProperties",
];

/// What the generator is told the name of the root by.
pub(super) const ID: &str = "https://aob.dev/schema/go";

/// The document of definitions for the generator.
pub(super) fn prepared(bundle: &Bundle) -> Result<Value, String> {
    let mut definitions = Map::new();
    for (name, schema) in &bundle.definitions {
        // The union is written beside: an entry as it stands, decoded on demand.
        if schema.get("oneOf").is_none() {
            definitions.insert(name.clone(), shaped(schema, bundle, true)?);
        }
    }
    // The generator wants a root: the document that all else is there for.
    let mut root = definitions.remove("Workflow").ok_or("no definition `Workflow`")?;
    root["$id"] = json!(ID);
    root["$defs"] = Value::Object(definitions);
    Ok(root)
}

fn shaped(schema: &Value, bundle: &Bundle, is_root: bool) -> Result<Value, String> {
    let Value::Object(keywords) = schema else { return Ok(schema.clone()) };
    if let Some(own) = own_type(keywords, bundle, is_root)? {
        let mut made = Map::from_iter([("type".to_owned(), json!("object"))]);
        if let Some(words) = keywords.get("description") {
            made.insert("description".to_owned(), words.clone());
        }
        made.insert("goJSONSchema".to_owned(), json!({ "type": own }));
        return Ok(Value::Object(made));
    }
    let mut made = Map::new();
    for (keyword, value) in keywords {
        let value = match keyword.as_str() {
            "additionalProperties" if value.is_object() && keywords.get("properties").is_none() => {
                shaped(value, bundle, false)?
            }
            judged if JUDGED_ELSEWHERE.contains(&judged) => continue,
            "const" => {
                made.insert("type".to_owned(), json!("string"));
                continue;
            }
            "properties" => {
                let mut fields = Map::new();
                for (name, inner) in value.as_object().into_iter().flatten() {
                    fields.insert(name.clone(), shaped(inner, bundle, false)?);
                }
                Value::Object(fields)
            }
            "items" => shaped(value, bundle, false)?,
            _ => value.clone(),
        };
        made.insert(keyword.clone(), value);
    }
    Ok(Value::Object(made))
}

/// The type of our own that a schema has in Go, if the generator's would lose something.
fn own_type(
    keywords: &Map<String, Value>,
    bundle: &Bundle,
    is_root: bool,
) -> Result<Option<String>, String> {
    if let Some(name) = keywords.get("$ref").and_then(Value::as_str) {
        let name = name.trim_start_matches("#/$defs/");
        let target =
            bundle.definitions.get(name).ok_or_else(|| format!("no definition `{name}`"))?;
        return Ok(target.get("oneOf").map(|_| name.to_owned()));
    }
    let Some(kind) = keywords.get("type") else {
        let is_any = !keywords.contains_key("const") && !keywords.contains_key("enum");
        return Ok(is_any.then(|| "json.RawMessage".to_owned()));
    };
    match kind {
        Value::String(kind) if kind == "integer" => Ok(Some("int64".to_owned())),
        Value::String(kind) if kind == "object" && !is_root => {
            let free = keywords.get("properties").is_none()
                && keywords.get("additionalProperties") == Some(&Value::Bool(true));
            Ok(free.then(|| "json.RawMessage".to_owned()))
        }
        Value::String(_) => Ok(None),
        several => several_types(several, keywords, bundle).map(Some),
    }
}

/// `[integer, string]` is an integer or a string; a list beside its items is one or many.
fn several_types(
    kinds: &Value,
    keywords: &Map<String, Value>,
    bundle: &Bundle,
) -> Result<String, String> {
    let kinds: Vec<&str> =
        kinds.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut sorted = kinds.clone();
    sorted.sort_unstable();
    let items = keywords.get("items").map(|items| item_type(items, bundle)).transpose()?;
    match (sorted.as_slice(), items) {
        (["boolean", "number", "string"], _) => Ok("Scalar".to_owned()),
        (["integer", "string"], _) => Ok("StringOr[int64]".to_owned()),
        (["boolean", "string"], _) => Ok("StringOr[bool]".to_owned()),
        (["array", "string"], Some(item)) => Ok(format!("StringOr[[]{item}]")),
        (["array", "integer", "string"], Some(item)) if item == "StringOr[int64]" => {
            Ok(format!("OneOrMany[{item}]"))
        }
        _ => Err(format!("no Go type for {kinds:?} with items {:?}", keywords.get("items"))),
    }
}

fn item_type(items: &Value, bundle: &Bundle) -> Result<String, String> {
    let empty = Map::new();
    let keywords = items.as_object().unwrap_or(&empty);
    if let Some(own) = own_type(keywords, bundle, false)? {
        return Ok(own);
    }
    if let Some(name) = keywords.get("$ref").and_then(Value::as_str) {
        return Ok(name.trim_start_matches("#/$defs/").to_owned());
    }
    match keywords.get("type").and_then(Value::as_str) {
        Some("string") => Ok("string".to_owned()),
        other => Err(format!("no Go type for items of type {other:?}")),
    }
}

/// Definitions with fields of their own beside further ones: these are kept in `Extra`.
pub(super) fn open_types(bundle: &Bundle) -> Vec<&str> {
    let open = bundle.definitions.iter().filter(|(_, schema)| {
        schema.get("properties").is_some()
            && schema.get("additionalProperties").is_some_and(|further| further != false)
    });
    open.map(|(name, _)| name.as_str()).collect()
}

/// Source of `views.go`.
pub(super) fn views(bundle: &Bundle) -> String {
    let mut source = format!(
        "{}\n\npackage aob\n\nimport (\n\t\"encoding/json\"\n\t\"fmt\"\n)\n\n",
        super::header("//", "schema")
    );
    configs(&mut source, &bundle.node_types);
    changes(&mut source, bundle);
    source
}

fn configs(source: &mut String, types: &[NodeType]) {
    source.push_str(
        "// NodeConfig is the typed view of a node's config: one of the pointers below, or *OtherConfig.\n\
         //\n//sumtype:decl\ntype NodeConfig interface {\n\tnodeConfig()\n}\n\n\
         // OtherConfig is the config of a node whose type is not built in, as it stands.\n\
         type OtherConfig struct {\n\tType   string\n\tConfig json.RawMessage\n}\n\n\
         func (*OtherConfig) nodeConfig() {}\n",
    );
    for one in types {
        // Writing to a string cannot fail.
        let _ = writeln!(source, "\nfunc (*{}Config) nodeConfig() {{}}", one.stem);
    }
    source.push_str(
        "\n// KnownTypes lists the built-in node types, sorted.\nfunc KnownTypes() []string {\n\treturn []string{\n",
    );
    for one in types {
        let _ = writeln!(source, "\t\t{:?},", one.name);
    }
    source.push_str(
        "\t}\n}\n\n// Decode judges the node's config by the schema of its type and gives its typed view.\n\
         // A node without config has the empty one. A type that is not built in gives *OtherConfig.\n\
         func (n *Node) Decode() (NodeConfig, error) {\n\tswitch n.Type {\n",
    );
    for one in types {
        let _ = writeln!(
            source,
            "\tcase {:?}:\n\t\treturn decodeConfig(n, new({}Config))",
            one.name, one.stem
        );
    }
    source.push_str(
        "\tdefault:\n\t\treturn &OtherConfig{Type: n.Type, Config: n.Config}, nil\n\t}\n}\n",
    );
}

fn changes(source: &mut String, bundle: &Bundle) {
    source.push_str(
        "\n// KnownChange is the typed view of one change of an event: one of the pointers below.\n\
         //\n//sumtype:decl\ntype KnownChange interface {\n\tknownChange()\n}\n",
    );
    for one in &bundle.changes {
        let _ = writeln!(source, "\nfunc (*{}) knownChange() {{}}", one.name);
    }
    source.push_str(
        "\n// Decode gives the typed view of a change, told apart by its field `change`.\n\
         func (c Change) Decode() (KnownChange, error) {\n\tvar tagged struct {\n\t\tChange string `json:\"change\"`\n\t}\n\
         \tif err := json.Unmarshal(c, &tagged); err != nil {\n\t\treturn nil, err\n\t}\n\tvar into KnownChange\n\
         \tswitch tagged.Change {\n",
    );
    for one in &bundle.changes {
        let _ = writeln!(source, "\tcase {:?}:\n\t\tinto = new({})", one.tag, one.name);
    }
    source.push_str(
        "\tdefault:\n\t\treturn nil, fmt.Errorf(\"no change is called %q\", tagged.Change)\n\t}\n\
         \treturn into, decode(c, into)\n}\n",
    );
}

/// The words of each enum: the generator leaves these out.
pub(super) fn words(bundle: &Bundle) -> Map<String, Value> {
    let enums = bundle.definitions.iter().filter(|(_, schema)| schema.get("enum").is_some());
    enums
        .filter_map(|(name, schema)| Some((name.clone(), schema.get("description")?.clone())))
        .collect()
}

/// Mends what go-jsonschema wrote. It leaves out what is empty, not what is absent; it takes null
/// of any shape for absent; it drops the further fields of an open object, and takes a closed one
/// without fields for an open one.
pub(super) fn rewritten(
    text: &str,
    open: &[&str],
    words: &Map<String, Value>,
) -> Result<String, String> {
    let mut made = super::header("//", "schema");
    let mut inside = "";
    for line in text.lines().skip_while(|line| line.starts_with("//")) {
        if let Some(rest) = line.strip_prefix("type ") {
            inside = rest.split(' ').next().unwrap_or_default();
            if let Some(words) = words.get(inside).and_then(Value::as_str) {
                made.push_str(&format!("// {inside}: {words}\n"));
            }
        }
        if line.contains("AdditionalProperties") {
            return Err(format!("{inside}: the generator wrote a field for further ones: {line}"));
        }
        let line = line
            .replace(",omitempty", ",omitzero")
            .replace(",omitzero,omitzero", ",omitzero")
            .replace("*json.RawMessage", "json.RawMessage")
            .replace(
                &format!("type {inside} map[string]interface{{}}"),
                &format!("type {inside} struct{{}}"),
            );
        if line == "}" && open.contains(&inside) {
            made.push_str("\n\t// Extra holds the further fields as they stand.\n\tExtra map[string]json.RawMessage `json:\"-\"`\n");
            inside = "";
        }
        made.push_str(&line);
        made.push('\n');
        if line.starts_with("package ") {
            made.push_str("\nimport \"encoding/json\"\n");
        }
    }
    Ok(made)
}

/// Methods that keep the further fields of open objects.
pub(super) fn open(bundle: &Bundle) -> String {
    let mut source = format!("{}\n\npackage aob\n", super::header("//", "schema"));
    for name in open_types(bundle) {
        let _ = write!(
            source,
            "\n// UnmarshalJSON reads the fields and keeps the further ones in Extra.\n\
             func (o *{name}) UnmarshalJSON(data []byte) error {{\n\ttype fields {name}\n\tvar read fields\n\
             \textra, err := decodeOpen(data, &read)\n\tif err != nil {{\n\t\treturn err\n\t}}\n\
             \t*o = {name}(read)\n\to.Extra = extra\n\treturn nil\n}}\n\n\
             // MarshalJSON writes the fields and the further ones.\n\
             func (o {name}) MarshalJSON() ([]byte, error) {{\n\ttype fields {name}\n\treturn encodeOpen(fields(o), o.Extra)\n}}\n"
        );
    }
    source
}

/// What the validators read: each schema by its name, without indentation.
pub(super) fn schemas(bundle: &Bundle, documents: &[(&str, Value)]) -> String {
    let mut all = Map::new();
    for (name, schema) in documents {
        all.insert((*name).to_owned(), schema.clone());
    }
    for one in &bundle.node_types {
        all.insert(format!("node-types/{}", one.name), one.schema.clone());
    }
    format!("{}\n", Value::Object(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(definitions: Value) -> Bundle {
        let definitions = definitions.as_object().unwrap().clone();
        Bundle { definitions, node_types: Vec::new(), changes: Vec::new() }
    }

    #[test]
    fn values_of_several_shapes_have_types_of_their_own() {
        let bundle = bundle(json!({ "Item": { "type": "object", "properties": {} } }));
        let of = |schema: Value| own_type(schema.as_object().unwrap(), &bundle, false);
        let expect = |schema: Value, expected: &str| {
            assert_eq!(of(schema.clone()).unwrap().as_deref(), Some(expected), "{schema}");
        };
        expect(json!({ "type": ["integer", "string"] }), "StringOr[int64]");
        expect(
            json!({ "type": ["array", "string"], "items": { "type": "string" } }),
            "StringOr[[]string]",
        );
        expect(json!({ "type": ["array", "string"], "items": {} }), "StringOr[[]json.RawMessage]");
        let item = json!({ "type": ["array", "string"], "items": { "$ref": "#/$defs/Item" } });
        expect(item, "StringOr[[]Item]");
        expect(json!({ "type": ["string", "number", "boolean"] }), "Scalar");
        let expect_codes = json!({ "type": ["array", "integer", "string"], "items": { "type": ["integer", "string"] } });
        expect(expect_codes, "OneOrMany[StringOr[int64]]");
        expect(json!({ "description": "any" }), "json.RawMessage");
        assert_eq!(of(json!({ "type": "string" })).unwrap(), None);
        assert!(of(json!({ "type": ["null", "string"] })).is_err());
    }

    #[test]
    fn absent_is_left_out_and_empty_is_not() {
        let text = "type M struct {\n\tA []string `json:\"a,omitempty\"`\n\tV *json.RawMessage `json:\"v,omitempty,omitzero\"`\n}\ntype N map[string]interface{}\ntype E string\n";
        let words = Map::from_iter([("E".to_owned(), json!("Which."))]);
        let made = rewritten(text, &["M"], &words).unwrap();
        assert!(made.contains("`json:\"a,omitzero\"`"), "{made}");
        assert!(made.contains("V json.RawMessage `json:\"v,omitzero\"`"), "{made}");
        assert!(made.contains("type N struct{}"), "{made}");
        assert!(made.contains("// E: Which.\ntype E string"), "{made}");
        assert!(made.contains("Extra map[string]json.RawMessage `json:\"-\"`\n}"), "{made}");
    }
}
