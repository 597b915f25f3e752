//! Graphs whose approvals may be left out, and requests that try to leave them out: what R8 is searched with.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::play::compiled;
use super::watch::guards;
use crate::random::{Random, workflow};

/// A graph in which an approval guards something; none if the seed makes none.
pub(crate) fn graph(random: &mut Random) -> Option<Value> {
    let mut document = workflow(random);
    for node in document["spec"]["nodes"].as_array_mut().into_iter().flatten() {
        let plain = matches!(node["type"].as_str(), Some("transform" | "noop" | "acme.unknown"));
        if plain && node["within"] != "finally" && random.once_in(5) {
            let kept = ["id", "within", "join", "onError"].map(|key| (key, node[key].clone()));
            *node = json!({"type": "approval", "config": {"title": "May it?"}});
            for (key, value) in kept.into_iter().filter(|(_, value)| !value.is_null()) {
                node[key] = value;
            }
        }
    }
    if random.once_in(2) {
        document = asked_if(random, document);
    }
    let ir = compiled(&document)?;
    (0..ir.nodes.len() as u32).any(|ix| !guards(&ir, ix).is_empty()).then_some(document)
}

/// The same graph whose edges into approvals also ask how a node before them went, as far as that may be read there.
fn asked_if(random: &mut Random, mut document: Value) -> Value {
    let edges = list(&document, "edges").to_vec();
    for (position, edge) in edges.iter().enumerate() {
        let is_gate = |node: &&Value| node["id"] == edge["to"] && node["type"] == "approval";
        if !list(&document, "nodes").iter().any(|node| is_gate(&node)) || random.once_in(2) {
            continue;
        }
        let before: Vec<String> = ancestors(&edges, &edge["from"]).into_iter().collect();
        let Some(read) = before.get(random.below(before.len())) else { continue };
        let outcome = ["succeeded", "succeeded", "failed"][random.below(3)];
        let mut other = document.clone();
        let edge = &mut other["spec"]["edges"][position];
        if let Some(edge) = edge.as_object_mut() {
            edge.remove("otherwise");
            edge.insert("when".to_owned(), json!(format!("nodes.{read}.outcome == '{outcome}'")));
        }
        if compiled(&other).is_some() {
            document = other;
        }
    }
    document
}

/// A node that the way to another, or its beginning, leads through from now on, and whose failure is handled.
pub(crate) fn before(random: &mut Random, document: &Value, round: usize) -> Vec<Value> {
    let nodes = list(document, "nodes");
    let Some(to) = nodes.get(random.below(nodes.len())) else { return Vec::new() };
    let (id, handler) = (format!("b{round}"), format!("h{round}"));
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let node = |id: &str, kind: &str| {
        let mut node = json!({"id": id, "type": kind});
        if kind == "transform" {
            node["config"] = json!({"value": {"of": id}});
        }
        if to["within"].is_string() {
            node["within"] = to["within"].clone();
        }
        add("/nodes/-", node)
    };
    let mut operations = vec![node(&id, "transform"), node(&handler, "noop")];
    let ins: Vec<&Value> =
        list(document, "edges").iter().filter(|edge| edge["to"] == to["id"]).collect();
    if let Some(edge) = ins.get(random.below(ins.len())) {
        let mut first = (*edge).clone();
        first["to"] = json!(&id);
        operations.push(json!({"op": "remove", "path": super::request::edge_path(edge)}));
        operations.push(add("/edges/-", first));
    }
    operations.push(add("/edges/-", json!({"from": &id, "to": to["id"]})));
    operations.push(add("/edges/-", json!({"from": &id, "to": &handler, "after": "failure"})));
    operations
}

fn ancestors(edges: &[Value], of: &Value) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![of.clone()];
    while let Some(id) = open.pop() {
        for edge in edges.iter().filter(|edge| edge["to"] == id) {
            if seen.insert(edge["from"].as_str().unwrap_or_default().to_owned()) {
                open.push(edge["from"].clone());
            }
        }
    }
    seen
}

fn list<'a>(document: &'a Value, what: &str) -> &'a [Value] {
    document["spec"][what].as_array().map_or(&[], Vec::as_slice)
}
