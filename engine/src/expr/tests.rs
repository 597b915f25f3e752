//! What expressions give, refuse and read.

mod evaluate;
mod guards;
mod properties;
mod refuse;
mod templates;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{EvalError, Expr, Names, NodeView};

/// Names from a JSON object, nodes from `{id: {outcome, output, error}}` under `nodes`.
pub(super) struct World {
    names: BTreeMap<String, Value>,
    nodes: BTreeMap<String, Value>,
}

impl World {
    pub(super) fn new(value: Value) -> Self {
        let mut names: BTreeMap<String, Value> = serde_json::from_value(value).unwrap();
        let nodes = names.remove("nodes").unwrap_or_else(|| json!({}));
        Self { names, nodes: serde_json::from_value(nodes).unwrap() }
    }
}

impl Names for World {
    fn name(&self, name: &str) -> Option<&Value> {
        self.names.get(name)
    }

    fn node(&self, id: &str) -> Option<NodeView<'_>> {
        let node = self.nodes.get(id)?;
        let outcome = node.get("outcome").and_then(Value::as_str).unwrap_or("");
        Some(NodeView { outcome, output: node.get("output"), error: node.get("error") })
    }
}

pub(super) fn world() -> World {
    World::new(json!({
        "input": {"since": "2026-01-01", "n": 3, "price": 2.5, "whole": 2.0, "empty": {}, "none": null, "big": 1e300},
        "run": {"id": "r1", "outcome": "succeeded"},
        "row": {"iban": "DE1", "tags": ["a", "b"]},
        "list": [1, 2, 3, 4],
        "mixed": [1, 2.5, "x", null],
        "nodes": {
            "a": {"outcome": "succeeded", "output": {"rows": [{"id": 1, "price": 2}, {"id": 2, "price": 2.5}], "ok": true}},
            "nil": {"outcome": "succeeded", "output": null},
            "gone": {"outcome": "passed"},
            "bad": {"outcome": "failed", "error": {"code": "http", "message": "no"}}
        }
    }))
}

pub(super) fn eval(source: &str) -> Result<Value, EvalError> {
    Expr::compile(source).unwrap_or_else(|error| panic!("{source}: {error}")).eval(&world())
}
