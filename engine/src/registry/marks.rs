//! Where a type's schema says that a config field is no template, or may hold secrets.

use std::borrow::Cow;

use serde_json::Value;

/// Most places of a schema that are looked at, most marked ones, and the deepest.
const VISITS: usize = 20_000;
const MOST: usize = 256;
const DEPTH: usize = 16;

/// The marked places of a type's config.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    literal: Vec<Vec<Step>>,
    secrets: Vec<Vec<Step>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(Box<str>),
    Any,
}

impl Marks {
    /// Gathers them: `x-aob-literal` and `x-aob-secrets`, each for the field and all below it.
    pub(crate) fn of(schema: &Value) -> Self {
        let mut marks = Self::default();
        let mut visits = VISITS;
        marks.gather(schema, schema, &mut Vec::new(), &mut visits, 0);
        marks
    }

    /// Whether `secrets.` may be read at this JSON pointer into the config.
    pub(crate) fn secrets_at(&self, pointer: &str) -> bool {
        self.secrets.iter().any(|path| covers(path, pointer))
    }

    /// Whether what stands at this JSON pointer into the config is no template.
    pub(crate) fn literal_at(&self, pointer: &str) -> bool {
        self.literal.iter().any(|path| covers(path, pointer))
    }

    /// The config such that a template renders its literal fields to what is written in them: there
    /// `${` becomes `$${`.
    pub(crate) fn protect<'a>(&self, config: &'a Value) -> Cow<'a, Value> {
        let mut config = Cow::Borrowed(config);
        for path in &self.literal {
            if holds_template(&config, path) {
                escape(config.to_mut(), path);
            }
        }
        config
    }

    fn gather(
        &mut self,
        root: &Value,
        schema: &Value,
        path: &mut Vec<Step>,
        visits: &mut usize,
        depth: usize,
    ) {
        if *visits == 0 || depth > DEPTH || self.literal.len() + self.secrets.len() >= MOST {
            return;
        }
        *visits -= 1;
        let marked = |name: &str| schema.get(name) == Some(&Value::Bool(true));
        if marked("x-aob-secrets") {
            self.secrets.push(path.clone());
        }
        if marked("x-aob-literal") {
            self.literal.push(path.clone());
            return;
        }
        let local = |text: &str| text.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(local) {
            self.gather(root, target, path, visits, depth + 1);
        }
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (name, below) in properties {
                path.push(Step::Key(name.as_str().into()));
                self.gather(root, below, path, visits, depth + 1);
                path.pop();
            }
        }
        for keyword in ["additionalProperties", "items"] {
            if let Some(below) = schema.get(keyword).filter(|below| below.is_object()) {
                path.push(Step::Any);
                self.gather(root, below, path, visits, depth + 1);
                path.pop();
            }
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            for below in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                self.gather(root, below, path, visits, depth + 1);
            }
        }
    }
}

fn covers(path: &[Step], pointer: &str) -> bool {
    let mut segments = pointer.split('/').skip(1);
    path.iter().all(|step| match (step, segments.next()) {
        (_, None) => false,
        (Step::Any, Some(_)) => true,
        (Step::Key(key), Some(segment)) => segment.replace("~1", "/").replace("~0", "~") == **key,
    })
}

fn holds_template(value: &Value, path: &[Step]) -> bool {
    match (path.split_first(), value) {
        (Some((Step::Key(key), rest)), Value::Object(map)) => {
            map.get(&**key).is_some_and(|below| holds_template(below, rest))
        }
        (Some((Step::Any, rest)), Value::Object(map)) => {
            map.values().any(|below| holds_template(below, rest))
        }
        (Some((Step::Any, rest)), Value::Array(items)) => {
            items.iter().any(|below| holds_template(below, rest))
        }
        (Some(_), _) => false,
        (None, Value::String(text)) => text.contains("${"),
        (None, Value::Array(items)) => items.iter().any(|below| holds_template(below, path)),
        (None, Value::Object(map)) => map.values().any(|below| holds_template(below, path)),
        (None, _) => false,
    }
}

fn escape(value: &mut Value, path: &[Step]) {
    match (path.split_first(), value) {
        (Some((Step::Key(key), rest)), Value::Object(map)) => {
            if let Some(below) = map.get_mut(&**key) {
                escape(below, rest);
            }
        }
        (Some((Step::Any, rest)), Value::Object(map)) => {
            map.values_mut().for_each(|below| escape(below, rest))
        }
        (Some((Step::Any, rest)), Value::Array(items)) => {
            items.iter_mut().for_each(|below| escape(below, rest))
        }
        (None, Value::String(text)) => *text = text.replace("${", "$${"),
        (None, Value::Array(items)) => items.iter_mut().for_each(|below| escape(below, path)),
        (None, Value::Object(map)) => map.values_mut().for_each(|below| escape(below, path)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn marks() -> Marks {
        Marks::of(&json!({
            "properties": {
                "headers": {"x-aob-secrets": true},
                "a/b": {"x-aob-secrets": true},
                "list": {"items": {"properties": {"token": {"x-aob-secrets": true}}}},
                "schema": {"$ref": "#/$defs/Lit"}
            },
            "$defs": {"Lit": {"x-aob-literal": true}}
        }))
    }

    #[test]
    fn secrets_are_allowed_where_marked_and_below() {
        let marks = marks();
        for pointer in ["/headers", "/headers/x-key", "/a~1b", "/list/3/token"] {
            assert!(marks.secrets_at(pointer), "{pointer}");
        }
        for pointer in ["", "/url", "/list/3/name", "/list"] {
            assert!(!marks.secrets_at(pointer), "{pointer}");
        }
        assert!(marks.literal_at("/schema/properties/x"));
        assert!(!marks.literal_at("/headers"));
    }

    #[test]
    fn literal_fields_are_protected_and_the_rest_left_alone() {
        let marks = marks();
        let plain = json!({"headers": {"a": "${ input.a }"}, "schema": {"pattern": "^x$"}});
        assert!(matches!(marks.protect(&plain), Cow::Borrowed(_)));
        let config =
            json!({"headers": {"a": "${ input.a }"}, "schema": {"pattern": ["^${2}$", "$${"]}});
        let wanted =
            json!({"headers": {"a": "${ input.a }"}, "schema": {"pattern": ["^$${2}$", "$$${"]}});
        assert_eq!(*marks.protect(&config), wanted);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let twice =
            json!({"properties": {"x": {"$ref": "#"}, "y": {"$ref": "#"}}, "items": {"$ref": "#"}});
        assert!(!Marks::of(&twice).secrets_at("/x/x"));
        assert!(!Marks::of(&json!({"$ref": "#"})).secrets_at("/x"));
    }
}
