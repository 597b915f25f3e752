//! Workflows of these tests.

use aob_e2e::witness::{QUICK, SLOW};
use serde_json::{Value, json};

/// A workflow with these nodes and edges.
pub(crate) fn workflow(name: &str, nodes: &[Value], edges: &[Value]) -> Value {
    json!({
        "apiVersion": "aob.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name},
        "spec": {"nodes": nodes, "edges": edges},
    })
}

/// So many noops one after the other: `n0`, `n1`, ...
pub(crate) fn chain(length: usize) -> Value {
    let nodes: Vec<Value> =
        (0..length).map(|n| json!({"id": format!("n{n}"), "type": "noop"})).collect();
    workflow("chain", &nodes, &in_a_row(&nodes))
}

/// Edges that make a chain of nodes.
pub(crate) fn in_a_row(nodes: &[Value]) -> Vec<Value> {
    nodes.windows(2).map(|pair| json!({"from": pair[0]["id"], "to": pair[1]["id"]})).collect()
}

/// Ten witnesses in a row, quick and slow ones; one of them must not be repeated.
pub(crate) fn witnessed_chain() -> Value {
    let nodes: Vec<Value> = (0..10)
        .map(|n| match n {
            5 => json!({"id": "once", "type": SLOW, "config": {"pause": 3}, "effect": "once"}),
            _ if n % 2 == 0 => json!({"id": format!("quick{n}"), "type": QUICK}),
            _ => json!({"id": format!("slow{n}"), "type": SLOW, "config": {"pause": 3}}),
        })
        .collect();
    workflow("witnessed-chain", &nodes, &in_a_row(&nodes))
}

/// One witness, eight at once, and one that waits for them all.
pub(crate) fn witnessed_fan() -> Value {
    let mut nodes =
        vec![json!({"id": "first", "type": QUICK}), json!({"id": "last", "type": QUICK})];
    let mut edges = Vec::new();
    for n in 0..8 {
        let id = format!("branch{n}");
        let node_type = if n % 2 == 0 { SLOW } else { QUICK };
        nodes.push(json!({"id": id, "type": node_type}));
        edges.push(json!({"from": "first", "to": id}));
        edges.push(json!({"from": id, "to": "last"}));
    }
    workflow("witnessed-fan", &nodes, &edges)
}

/// Ids of a workflow's nodes.
pub(crate) fn nodes(document: &Value) -> Vec<String> {
    let nodes = document["spec"]["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
}
