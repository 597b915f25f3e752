//! What an older schema accepts and a newer one does not, by place.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value, json};

/// One break of compatibility.
pub(super) struct Fault {
    /// The schema, a colon and the field.
    pub(super) place: String,
    /// What happened to it.
    pub(super) what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.what)
    }
}

/// Compares two versions of the schema called `name`.
pub(super) fn schemas(name: &str, old: &Value, new: &Value, faults: &mut Vec<Fault>) {
    let mut comparison = Comparison { name, old, new, faults };
    comparison.compare(old, new, "", 0);
}

struct Comparison<'a> {
    name: &'a str,
    old: &'a Value,
    new: &'a Value,
    faults: &'a mut Vec<Fault>,
}

/// Deeper is a definition that contains itself, which the dialect does not have.
const DEEPEST: usize = 64;

/// Bounds that may only grow, and those that may only shrink.
const CEILINGS: [&str; 4] = ["maximum", "maxLength", "maxItems", "maxProperties"];
const FLOORS: [&str; 4] = ["minimum", "minLength", "minItems", "minProperties"];

/// Keywords that change what a value means: they stay as they are.
const MEANINGS: [&str; 3] = ["x-aob-expression", "x-aob-literal", "x-aob-scope"];

/// Keywords that refuse nothing, and those that are compared by name below.
const KNOWN: [&str; 18] = [
    "$schema",
    "$id",
    "$ref",
    "$defs",
    "title",
    "description",
    "examples",
    "type",
    "enum",
    "const",
    "pattern",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "oneOf",
    "dependentSchemas",
    "x-aob-secrets",
];

impl Comparison<'_> {
    fn fault(&mut self, place: &str, what: impl Into<String>) {
        let place = if place.is_empty() { "(root)" } else { place };
        self.faults.push(Fault { place: format!("{}: {place}", self.name), what: what.into() });
    }

    fn compare(&mut self, old: &Value, new: &Value, place: &str, depth: usize) {
        if depth > DEEPEST {
            return self.fault(place, "cannot be compared: it contains itself");
        }
        if old == &Value::Bool(false) || new == &Value::Bool(true) {
            return;
        }
        if new == &Value::Bool(false) {
            return self.fault(place, "is refused now");
        }
        let (older, newer) = (self.old, self.new);
        let (old, new) = (resolved(old, older), resolved(new, newer));
        self.unknown(new, place);
        self.types(old, new, place);
        self.values(old, new, place);
        self.bounds(old, new, place);
        self.meaning(old, new, place);
        self.fields(old, new, place, depth);
        if let Some(inner) = new.get("items") {
            let before = old.get("items").cloned().unwrap_or_else(|| json!({}));
            self.compare(&before, inner, &format!("{place}[]"), depth + 1);
        }
        self.variants(old, new, place, depth);
        self.dependencies(old, new, place);
    }

    fn unknown(&mut self, new: &Value, place: &str) {
        for keyword in new.as_object().into_iter().flat_map(Map::keys) {
            let known =
                [&CEILINGS[..], &FLOORS, &MEANINGS, &KNOWN, &["x-aob-effect", "x-aob-output"]];
            if !known.iter().any(|list| list.contains(&keyword.as_str())) {
                self.fault(place, format!("`{keyword}` has no rule of compatibility yet"));
            }
        }
    }

    fn types(&mut self, old: &Value, new: &Value, place: &str) {
        let Some(after) = types(new) else { return };
        let Some(before) = types(old) else {
            return self.fault(place, format!("takes only {} now", list(&after)));
        };
        for lost in before.difference(&after) {
            if *lost != "integer" || !after.contains("number") {
                self.fault(place, format!("takes no {lost} any more"));
            }
        }
    }

    fn values(&mut self, old: &Value, new: &Value, place: &str) {
        let Some(after) = values(new) else { return };
        let Some(before) = values(old) else {
            return self.fault(place, "takes only certain values now");
        };
        for lost in before.iter().filter(|value| !after.contains(value)) {
            self.fault(place, format!("{lost} is no value any more"));
        }
    }

    fn bounds(&mut self, old: &Value, new: &Value, place: &str) {
        for (keyword, grows) in CEILINGS
            .iter()
            .map(|keyword| (keyword, true))
            .chain(FLOORS.iter().map(|keyword| (keyword, false)))
        {
            let Some(after) = new.get(keyword).and_then(Value::as_f64) else { continue };
            let before = old.get(keyword);
            let kept = before
                .and_then(Value::as_f64)
                .is_some_and(|before| if grows { after >= before } else { after <= before });
            if !kept {
                let before = before.map_or_else(|| "none".to_owned(), ToString::to_string);
                let after = new.get(keyword).unwrap_or(&Value::Null);
                self.fault(place, format!("{keyword} {before} became {after}"));
            }
        }
        // Whether one pattern accepts all that another does cannot be decided here: a person does.
        if new.get("pattern").is_some() && new.get("pattern") != old.get("pattern") {
            self.fault(place, "another pattern: does it accept all that the old one did?");
        }
    }

    fn meaning(&mut self, old: &Value, new: &Value, place: &str) {
        for keyword in MEANINGS {
            if old.get(keyword) != new.get(keyword) {
                self.fault(
                    place,
                    format!("`{keyword}` changed, and with it what is written there"),
                );
            }
        }
        if old.get("x-aob-secrets").is_some() && new.get("x-aob-secrets").is_none() {
            self.fault(place, "takes no secrets any more");
        }
    }

    fn fields(&mut self, old: &Value, new: &Value, place: &str, depth: usize) {
        let empty = Map::new();
        let fields = |schema: &Value| {
            schema.get("properties").and_then(Value::as_object).unwrap_or(&empty).clone()
        };
        let (before, after) = (fields(old), fields(new));
        for (name, field) in &before {
            let place = joined(place, name);
            match after.get(name) {
                Some(now) => self.compare(field, now, &place, depth + 1),
                None => self.fault(&place, "the field was removed"),
            }
        }
        let needed = required(old);
        for name in required(new).difference(&needed) {
            self.fault(&joined(place, name), "the field is required now");
        }
        self.further(old, new, place, depth);
        let free = old.get("additionalProperties").is_some_and(|further| further != &json!(false));
        for (name, field) in after.iter().filter(|(name, _)| free && !before.contains_key(*name)) {
            let further = old.get("additionalProperties").cloned().unwrap_or_else(|| json!({}));
            self.compare(&further, field, &joined(place, name), depth + 1);
        }
    }

    fn further(&mut self, old: &Value, new: &Value, place: &str, depth: usize) {
        let open = json!({});
        let further = |schema: &Value| match schema.get("additionalProperties") {
            None | Some(Value::Bool(true)) => open.clone(),
            Some(other) => other.clone(),
        };
        match (further(old), further(new)) {
            (Value::Bool(false), _) => {}
            (_, Value::Bool(false)) => self.fault(place, "takes no further fields any more"),
            (before, after) if before == after => {}
            (before, after) => {
                self.compare(&before, &after, &format!("{place}.*"), depth + 1);
            }
        }
    }

    fn variants(&mut self, old: &Value, new: &Value, place: &str, depth: usize) {
        let Some(after) = new.get("oneOf").and_then(Value::as_array) else { return };
        for variant in old.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
            let title = variant.get("title").and_then(Value::as_str).unwrap_or("?");
            let place = joined(place, title);
            match after.iter().find(|one| one.get("title") == variant.get("title")) {
                Some(now) => self.compare(variant, now, &place, depth + 1),
                None => self.fault(&place, "the variant was removed"),
            }
        }
        if old.get("oneOf").is_none() {
            self.fault(place, "takes only certain variants now");
        }
    }

    fn dependencies(&mut self, old: &Value, new: &Value, place: &str) {
        let rules = new.get("dependentSchemas").and_then(Value::as_object);
        for (name, rule) in rules.into_iter().flatten() {
            let before = old.pointer(&format!("/dependentSchemas/{name}"));
            let before = before.cloned().unwrap_or_else(|| json!({}));
            if &before == rule {
                continue;
            }
            let place =
                format!("{} beside {name}", if place.is_empty() { "fields" } else { place });
            self.fault(&place, "another rule of what stands beside it");
        }
    }
}

fn joined(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// The definition that a reference names; anything else is itself.
fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let pointer =
        schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn types(schema: &Value) -> Option<BTreeSet<&str>> {
    match schema.get("type")? {
        Value::String(single) => Some(BTreeSet::from([single.as_str()])),
        Value::Array(several) => Some(several.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

fn values(schema: &Value) -> Option<Vec<Value>> {
    match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(values)), _) => Some(values.clone()),
        (_, Some(value)) => Some(vec![value.clone()]),
        _ => None,
    }
}

fn required(schema: &Value) -> BTreeSet<String> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(old: Value, new: Value) -> Vec<String> {
        let mut faults = Vec::new();
        schemas("s", &old, &new, &mut faults);
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_widens_is_no_fault() {
        let old = json!({
            "type": "object", "additionalProperties": false, "required": ["a", "b"],
            "properties": {
                "a": { "type": "integer", "minimum": 1, "maximum": 9 },
                "b": { "type": "string", "enum": ["x"], "description": "one" },
            },
        });
        let new = json!({
            "type": "object", "additionalProperties": false, "required": ["a"],
            "properties": {
                "a": { "type": ["number", "string"], "minimum": 0, "maximum": 10, "examples": [1] },
                "b": { "type": "string", "enum": ["x", "y"], "description": "two" },
                "c": { "type": "string", "maxLength": 3 },
            },
        });
        assert_eq!(faults(old, new), [""; 0]);
    }

    #[test]
    fn each_kind_of_narrowing_is_named() {
        let cases = [
            (
                json!({ "type": ["integer", "string"] }),
                json!({ "type": "string" }),
                "takes no integer",
            ),
            (json!({}), json!({ "type": "string" }), "takes only string now"),
            (
                json!({ "type": "string" }),
                json!({ "type": "string", "enum": ["a"] }),
                "certain values",
            ),
            (json!({ "const": "a" }), json!({ "const": "b" }), "\"a\" is no value"),
            (json!({}), json!({ "maxLength": 4 }), "maxLength none became 4"),
            (json!({ "minItems": 1 }), json!({ "minItems": 2 }), "minItems 1 became 2"),
            (json!({ "items": {} }), json!({ "items": { "type": "string" } }), "s: []: takes only"),
            (json!({}), json!({ "x-aob-literal": true }), "x-aob-literal"),
            (json!({ "x-aob-secrets": true }), json!({}), "no secrets"),
            (json!({}), json!({ "multipleOf": 2 }), "no rule of compatibility"),
            (
                json!({ "additionalProperties": {} }),
                json!({ "additionalProperties": false }),
                "further",
            ),
            (
                json!({ "additionalProperties": true }),
                json!({ "additionalProperties": true, "properties": { "n": { "type": "string" } } }),
                "s: n: takes only string",
            ),
            (
                json!({ "oneOf": [{ "title": "A" }, { "title": "B" }] }),
                json!({ "oneOf": [{ "title": "A" }] }),
                "s: B: the variant was removed",
            ),
            (
                json!({}),
                json!({ "dependentSchemas": { "a": { "properties": { "b": false } } } }),
                "beside a",
            ),
        ];
        for (old, new, expected) in cases {
            let found = faults(old.clone(), new.clone());
            assert!(found.iter().any(|fault| fault.contains(expected)), "{old} {new}: {found:?}");
        }
    }
}
