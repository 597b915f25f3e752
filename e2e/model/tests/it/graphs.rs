//! Small graphs, and changes of them.

use serde_json::{Value, json};

/// Nodes of type noop, and edges as `a->b` or `a->b:failure`.
pub(crate) fn graph(nodes: &[&str], edges: &[&str]) -> Value {
    let nodes: Vec<Value> = nodes.iter().map(|id| json!({"id": id, "type": "noop"})).collect();
    json!({"nodes": nodes, "edges": edges.iter().map(|text| edge(text)).collect::<Vec<_>>()})
}

pub(crate) fn edge(text: &str) -> Value {
    let (ends, after) = text.split_once(':').unwrap_or((text, "success"));
    let (from, to) = ends.split_once("->").unwrap();
    json!({"from": from, "to": to, "after": after})
}

/// A graph with members of some nodes set.
pub(crate) fn with(mut spec: Value, members: &[(&str, &str, Value)]) -> Value {
    for (id, member, value) in members {
        let nodes = spec["nodes"].as_array_mut().unwrap();
        let node = nodes.iter_mut().find(|node| node["id"] == **id).unwrap();
        node[*member] = value.clone();
    }
    spec
}

pub(crate) fn add_node(document: &mut Value, id: &str) {
    document["spec"]["nodes"].as_array_mut().unwrap().push(json!({"id": id, "type": "noop"}));
}

pub(crate) fn add_edge(document: &mut Value, text: &str) {
    document["spec"]["edges"].as_array_mut().unwrap().push(edge(text));
}

pub(crate) fn remove_edge(document: &mut Value, text: &str) {
    let gone = edge(text);
    document["spec"]["edges"]
        .as_array_mut()
        .unwrap()
        .retain(|edge| (&edge["from"], &edge["to"]) != (&gone["from"], &gone["to"]));
}

pub(crate) fn remove_node(document: &mut Value, id: &str) {
    document["spec"]["nodes"].as_array_mut().unwrap().retain(|node| node["id"] != id);
    document["spec"]["edges"]
        .as_array_mut()
        .unwrap()
        .retain(|edge| edge["from"] != id && edge["to"] != id);
}

/// Puts `x` between a and b.
pub(crate) fn insert(document: &mut Value) {
    add_node(document, "x");
    remove_edge(document, "a->b");
    add_edge(document, "a->x");
    add_edge(document, "x->b");
}
