//! The workflows of the cells: steps that do nothing and return a fixed output.

use serde_json::{Value, json};

use crate::cell::Shape;

/// Bytes of text that a step returns, as at the rivals.
const OUTPUT: usize = 128;

/// The tenant of all runs.
pub(crate) const TENANT: &str = "bench";

/// The workflow of a shape. Its runs are dropped when they end, so that memory stays flat.
pub(crate) fn workflow(shape: Shape) -> Value {
    let step = |id: String| json!({"id": id, "type": "transform", "config": {"value": "x".repeat(OUTPUT)}});
    let edge = |from: String, to: String| json!({"from": from, "to": to});
    let (nodes, edges): (Vec<Value>, Vec<Value>) = match shape {
        Shape::Chain(steps) => (
            (1..=steps).map(|at| step(format!("s{at}"))).collect(),
            (1..steps).map(|at| edge(format!("s{at}"), format!("s{}", at + 1))).collect(),
        ),
        Shape::Fan(width) => {
            let leaves = || (1..=width).map(|at| format!("s{at}"));
            let ends = ["first".to_owned(), "last".to_owned()];
            (
                leaves().chain(ends).map(step).collect(),
                leaves()
                    .flat_map(|leaf| {
                        [edge("first".into(), leaf.clone()), edge(leaf, "last".into())]
                    })
                    .collect(),
            )
        }
    };
    json!({
        "apiVersion": "aob.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": shape.to_string().replace(':', "-")},
        "spec": {
            "limits": {"nodes": 10_000},
            "retention": {"succeeded": "0s", "failed": "0s"},
            "nodes": nodes,
            "edges": edges
        }
    })
}

/// Bytes of a finished run: its input, `{}`, and all outputs as JSON. Another number: a step is missing.
pub(crate) fn bytes(shape: Shape) -> u64 {
    2 + u64::from(shape.hops()) * (OUTPUT as u64 + 2)
}

#[cfg(test)]
mod tests {
    use aob_engine::check::Ceiling;
    use aob_engine::compile::compile;
    use aob_engine::registry::Registry;

    use super::*;

    #[test]
    fn every_shape_compiles() {
        for shape in [Shape::Chain(1), Shape::Chain(1_000), Shape::Fan(1), Shape::Fan(1_000)] {
            let ir = compile(&workflow(shape), &Registry::builtin(), &Ceiling::default());
            let ir = ir.unwrap_or_else(|issues| panic!("{shape}: {issues:?}"));
            assert_eq!(ir.retention.succeeded, 0);
        }
    }
}
