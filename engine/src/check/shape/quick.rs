//! Whether a document is plainly of the right shape, in a fraction of the validator's time.
//!
//! A graph is thousands of small nodes and edges. Those with only the commonest fields are told to be
//! right by hand; everything else is put to validators made from the same schema's parts. What is not
//! found right here is put to the whole schema, so this decides about time and nothing else.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::super::ids;
use crate::registry::build;

/// Validators for parts of the schema.
pub(super) struct Quick {
    metadata: Validator,
    node: Validator,
    edge: Validator,
    /// Of the spec's other fields.
    fields: BTreeMap<String, Validator>,
}

impl Quick {
    /// Nothing if the schema is not built as expected.
    pub(super) fn of(schema: &Value) -> Option<Self> {
        let definitions = schema.get("$defs")?;
        let part = |rule: &Value| build(&json!({"allOf": [rule], "$defs": definitions})).ok();
        let definition = |name: &str| part(&json!({ "$ref": format!("#/$defs/{name}") }));
        let known =
            ["additionalProperties", "description", "properties", "required", "title", "type"];
        let spec = definitions.get("Spec")?.as_object()?;
        if spec.keys().any(|keyword| !known.contains(&keyword.as_str()))
            || spec.get("required")? != &json!(["nodes"])
        {
            return None;
        }
        let fields = spec.get("properties")?.as_object()?.iter().filter(|(name, _)| !is_list(name));
        Some(Self {
            metadata: definition("Metadata")?,
            node: definition("Node")?,
            edge: definition("Edge")?,
            fields: fields
                .map(|(name, rule)| Some((name.clone(), part(rule)?)))
                .collect::<Option<_>>()?,
        })
    }

    /// Whether a document whose envelope is right, and whose lists are not too long, is so as a whole.
    /// False says nothing.
    pub(super) fn is_valid(&self, document: &Value) -> bool {
        let (Some(document), Some(spec)) =
            (document.as_object(), document.get("spec").and_then(Value::as_object))
        else {
            return false;
        };
        document.len() == 4
            && document.get("metadata").is_some_and(|metadata| self.metadata.is_valid(metadata))
            && spec.contains_key("nodes")
            && spec.iter().all(|(name, value)| match (name.as_str(), value) {
                ("nodes", Value::Array(nodes)) => {
                    nodes.iter().all(|node| plain_node(node) || self.node.is_valid(node))
                }
                ("edges", Value::Array(edges)) => {
                    edges.iter().all(|edge| plain_edge(edge) || self.edge.is_valid(edge))
                }
                (name, value) => self.fields.get(name).is_some_and(|field| field.is_valid(value)),
            })
    }
}

fn is_list(name: &str) -> bool {
    matches!(name, "nodes" | "edges")
}

fn plain_node(node: &Value) -> bool {
    let right = |(name, value): (&String, &Value)| match (name.as_str(), value) {
        ("id" | "within", Value::String(id)) => ids::plain(id),
        ("type", Value::String(name)) => ids::plain(name),
        ("config", Value::Object(config)) => config.len() <= 64,
        ("join", Value::String(join)) => matches!(join.as_str(), "all" | "any"),
        _ => false,
    };
    has_all(node, ["id", "type"]).is_some_and(|node| node.iter().all(right))
}

fn plain_edge(edge: &Value) -> bool {
    let right = |(name, value): (&String, &Value)| match (name.as_str(), value) {
        ("from" | "to", Value::String(id)) => ids::plain(id),
        ("after", Value::String(after)) => {
            matches!(after.as_str(), "success" | "failure" | "always")
        }
        ("when", Value::String(when)) => (1..=4096).contains(&when.len()),
        _ => false,
    };
    has_all(edge, ["from", "to"]).is_some_and(|edge| edge.iter().all(right))
}

fn has_all<'v>(value: &'v Value, names: [&str; 2]) -> Option<&'v Map<String, Value>> {
    value.as_object().filter(|map| names.iter().all(|name| map.contains_key(*name)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::SHAPE;

    /// Sometimes a document with one thing changed into something else.
    fn any_document() -> impl Strategy<Value = Value> {
        let places = [
            "/metadata/name",
            "/metadata",
            "/spec",
            "/spec/nodes",
            "/spec/edges",
            "/spec/output",
            "/spec/limits",
            "/spec/colour",
            "/spec/nodes/0",
            "/spec/nodes/0/id",
            "/spec/nodes/0/type",
            "/spec/nodes/0/config",
            "/spec/nodes/0/join",
            "/spec/nodes/1/within",
            "/spec/nodes/1/timeout",
            "/spec/nodes/1/retry",
            "/spec/nodes/1/colour",
            "/spec/edges/0",
            "/spec/edges/0/from",
            "/spec/edges/0/after",
            "/spec/edges/0/when",
            "/spec/edges/0/otherwise",
            "/colour",
        ];
        let values = [
            json!(null),
            json!(true),
            json!(1),
            json!(""),
            json!("a"),
            json!("any"),
            json!("success"),
            json!("A-b"),
            json!("5s"),
            json!([]),
            json!({}),
            json!([1]),
            json!({"attempts": 3}),
            json!("x".repeat(64)),
            json!("é".repeat(4096)),
        ];
        (prop::sample::select(places.to_vec()), prop::sample::select(values.to_vec()), any::<bool>()).prop_map(|(place, value, remove)| {
            let mut document = json!({
                "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "x"},
                "spec": {"nodes": [{"id": "a", "type": "noop"}, {"id": "b", "type": "acme.x"}], "edges": [{"from": "a", "to": "b"}]}
            });
            let (parent, name) = place.rsplit_once('/').unwrap();
            match document.pointer_mut(parent) {
                Some(Value::Object(map)) if remove => drop(map.remove(name)),
                Some(Value::Object(map)) => drop(map.insert(name.to_owned(), value)),
                Some(Value::Array(list)) => list[0] = value,
                _ => {}
            }
            document
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_quick_way_says_what_the_schema_says(document in any_document()) {
            let quick = SHAPE.quick.as_ref().unwrap();
            prop_assert_eq!(quick.is_valid(&document), SHAPE.validator.as_ref().unwrap().is_valid(&document));
        }
    }
}
