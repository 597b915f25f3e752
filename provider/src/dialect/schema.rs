//! What providers can hold a model to, and what they cannot: a linter of JSON Schemas for each.
//!
//! A schema that a provider cannot enforce is sent as a wish, and whoever asks checks the answer itself.

use serde_json::Value;

/// What stands against a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A JSON pointer into the schema.
    pub pointer: String,
    /// What is wrong, and what would do.
    pub message: String,
}

/// How deep OpenAI's strict schemas nest.
const DEEPEST: usize = 10;
/// Properties of one, in all.
const MOST_PROPERTIES: usize = 5_000;
/// Values of its enums, in all.
const MOST_VALUES: usize = 1_000;
/// Characters of its names and values.
const MOST_CHARACTERS: usize = 120_000;

/// Words that OpenAI's strict mode does not know.
const NOT_STRICT: &[&str] = &[
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "oneOf",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "unevaluatedProperties",
    "propertyNames",
    "prefixItems",
    "contains",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// Words that Anthropic does not enforce.
const NOT_CLOSED: &[&str] = &[
    "not",
    "if",
    "then",
    "else",
    "oneOf",
    "patternProperties",
    "unevaluatedProperties",
    "propertyNames",
    "prefixItems",
    "contains",
    "uniqueItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "minProperties",
    "maxProperties",
];

/// What stands against OpenAI's strict mode: closed objects whose properties are all required, few words, bounded.
pub fn strict(schema: &Value) -> Vec<Finding> {
    let mut lint = Lint { words: NOT_STRICT, all_required: true, ..Lint::default() };
    lint.root(schema);
    let bounds = [
        (lint.properties, MOST_PROPERTIES, "properties"),
        (lint.values, MOST_VALUES, "values of enums"),
        (lint.characters, MOST_CHARACTERS, "characters of names and values"),
    ];
    for (found, most, what) in bounds {
        if found > most {
            lint.find("", format!("{found} {what}; strict schemas have at most {most}"));
        }
    }
    lint.findings
}

/// What stands against Anthropic's structured outputs: closed objects, few words, no recursion.
pub fn closed(schema: &Value) -> Vec<Finding> {
    let mut lint = Lint { words: NOT_CLOSED, ..Lint::default() };
    lint.root(schema);
    lint.findings
}

#[derive(Default)]
struct Lint {
    words: &'static [&'static str],
    all_required: bool,
    findings: Vec<Finding>,
    properties: usize,
    values: usize,
    characters: usize,
}

impl Lint {
    fn find(&mut self, pointer: &str, message: impl Into<String>) {
        // One is enough to send it as a wish; a few are enough to mend it.
        if self.findings.len() < 32 {
            self.findings.push(Finding { pointer: pointer.to_owned(), message: message.into() });
        }
    }

    fn root(&mut self, schema: &Value) {
        if schema.get("anyOf").is_some() {
            self.find("", "the root is `anyOf`; put it below a property of an object");
        }
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            self.find("", "the root is no object; put it below a property of one");
        }
        self.schema(schema, "", 1);
    }

    fn schema(&mut self, schema: &Value, at: &str, depth: usize) {
        if depth > DEEPEST + 1 {
            return self.find(at, format!("nested more than {DEEPEST} deep"));
        }
        let Some(fields) = schema.as_object() else {
            return self.find(at, "neither a schema's object nor bounded; say what fits");
        };
        for word in self.words {
            if fields.contains_key(*word) {
                self.find(at, format!("`{word}` is not enforced"));
            }
        }
        if let Some(Value::String(target)) = fields.get("$ref")
            && !(target.starts_with("#/$defs/") || target.starts_with("#/definitions/"))
        {
            self.find(at, "`$ref` leads out of the schema's own definitions");
        }
        self.object(fields, at, depth);
        self.value_list(fields);
        if let Some(items) = fields.get("items") {
            self.schema(items, &format!("{at}/items"), depth + 1);
        }
        for word in ["anyOf", "allOf"] {
            for (n, one) in
                fields.get(word).and_then(Value::as_array).into_iter().flatten().enumerate()
            {
                self.schema(one, &format!("{at}/{word}/{n}"), depth);
            }
        }
        for word in ["$defs", "definitions"] {
            for (name, one) in fields.get(word).and_then(Value::as_object).into_iter().flatten() {
                self.schema(one, &format!("{at}/{word}/{name}"), depth);
            }
        }
    }

    fn object(&mut self, fields: &serde_json::Map<String, Value>, at: &str, depth: usize) {
        let is_object = match fields.get("type") {
            Some(Value::String(kind)) => kind == "object",
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
            _ => fields.contains_key("properties"),
        };
        if !is_object {
            let says_anything = ["type", "enum", "const", "anyOf", "allOf", "$ref"]
                .iter()
                .any(|word| fields.contains_key(*word));
            if !says_anything {
                self.find(at, "anything would fit; say its `type`");
            }
            return;
        }
        if fields.get("additionalProperties") != Some(&Value::Bool(false)) {
            self.find(at, "an open object; say `additionalProperties: false`");
        }
        let required: Vec<&str> = fields
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (name, property) in
            fields.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            self.properties += 1;
            self.characters += name.len();
            let step = name.replace('~', "~0").replace('/', "~1");
            let below = format!("{at}/properties/{step}");
            if self.all_required && !required.contains(&&**name) {
                self.find(&below, "not required; require it, and let it be null");
            }
            self.schema(property, &below, depth + 1);
        }
    }

    fn value_list(&mut self, fields: &serde_json::Map<String, Value>) {
        for value in fields.get("enum").and_then(Value::as_array).into_iter().flatten() {
            self.values += 1;
            self.characters += value.as_str().map_or(0, str::len);
        }
        self.characters += fields.get("const").and_then(Value::as_str).map_or(0, str::len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointers(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| &*finding.pointer).collect()
    }

    #[test]
    fn a_closed_schema_is_enforced() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["rows", "why"],
            "properties": {
                "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
                "why": {"type": ["string", "null"]},
            },
            "$defs": {"row": {"type": "object", "additionalProperties": false, "required": ["id"],
                "properties": {"id": {"enum": ["a", "b"]}}}},
        });
        assert_eq!((strict(&schema), closed(&schema)), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_cannot_be_enforced_is_named() {
        let schema = json!({
            "type": "object", "required": ["a/b"],
            "properties": {
                "a/b": {"allOf": [{"type": "string"}]},
                "patch": {"type": "array", "items": {"type": "object", "additionalProperties": false,
                    "required": ["value"], "properties": {"value": {}}}},
                "n": {"type": "integer", "minimum": 1},
                "far": {"$ref": "https://example.org/x"},
            },
        });
        let found = strict(&schema);
        for pointer in [
            "",
            "/properties/a~1b",
            "/properties/n",
            "/properties/far",
            "/properties/patch/items/properties/value",
        ] {
            assert!(pointers(&found).contains(&pointer), "{pointer} in {found:?}");
        }
        // Optional properties are all right with Anthropic, bounds of numbers are not.
        let found = closed(&json!({"type": "object", "additionalProperties": false,
            "properties": {"n": {"type": "integer", "minimum": 1}, "s": {"type": "string"}}}));
        assert_eq!(pointers(&found), ["/properties/n"]);
        assert!(!strict(&json!({"anyOf": [{"type": "object"}]})).is_empty());
    }

    #[test]
    fn bounds_hold_whatever_the_schema() {
        let mut deep = json!({"type": "string"});
        for _ in 0..200 {
            deep = json!({"type": "object", "additionalProperties": false, "required": ["a"], "properties": {"a": deep}});
        }
        assert_eq!(strict(&deep).len(), 1);
        let many: Vec<String> = (0..1_001).map(|n| n.to_string()).collect();
        let wide = json!({"type": "object", "additionalProperties": false, "required": ["a"], "properties": {"a": {"enum": many}}});
        assert_eq!(strict(&wide).len(), 1);
    }
}
