//! What was there still waits for what it waited for, and is not left out: as far as operations alone show it.

use std::collections::BTreeSet;

use aob_engine::issue::Issue;
use aob_engine::patch::{Op, Operation};
use serde_json::Value;

use super::refuse;

/// An edge that a patch adds.
struct Edge<'o> {
    at: usize,
    from: &'o str,
    to: &'o str,
    value: &'o Value,
}

/// Judges the edges of a patch against the nodes and edges that there are.
pub(super) fn judge(document: &Value, operations: &[Operation], issues: &mut Vec<Issue>) {
    let list = |name: &str| {
        let all = document.pointer(&format!("/spec/{name}")).and_then(Value::as_array);
        all.map_or(&[][..], Vec::as_slice)
    };
    let old: BTreeSet<&str> = list("nodes").iter().filter_map(|node| text(node, "id")).collect();
    let added: Vec<Edge<'_>> = operations
        .iter()
        .enumerate()
        .filter(|(_, operation)| operation.op == Op::Add && whole(&operation.path))
        .filter_map(|(at, operation)| {
            let value = operation.value.as_ref()?;
            Some(Edge { at, from: text(value, "from")?, to: text(value, "to")?, value })
        })
        .collect();
    for edge in added.iter().filter(|edge| old.contains(edge.to)) {
        let same = |known: &&Value| {
            text(known, "from") == Some(edge.from) && known.get("when") == edge.value.get("when")
        };
        let inherited = list("edges").iter().any(|known| same(&known));
        if edge.value.get("when").is_some() && !inherited {
            let what = format!(
                "a condition on `{}->{}` could leave `{}` out",
                edge.from, edge.to, edge.to
            );
            let remedy =
                "Leave `when` out: what was there before is reached without a condition of yours.";
            issues.push(refuse(format!("/operations/{}/value/when", edge.at), what, remedy));
        }
    }
    for (at, operation) in operations.iter().enumerate() {
        let Some(node) = operation.value.as_ref().filter(|_| operation.op == Op::Add) else {
            continue;
        };
        let Some(id) = text(node, "id") else { continue };
        let hides = text(node, "onError") == Some("continue");
        if hides && added.iter().any(|edge| edge.from == id && old.contains(edge.to)) {
            let what = format!(
                "a failure of `{id}` would be passed over, and what comes after it left out"
            );
            let pointer = format!("/operations/{at}/value/onError");
            issues.push(refuse(
                pointer,
                what,
                "Leave `onError` out: if the node fails, the run has to.",
            ));
        }
    }
    let new = |id: &str| {
        let of = |operation: &Operation| {
            operation.value.as_ref().is_some_and(|node| text(node, "id") == Some(id))
        };
        operations.iter().any(of)
    };
    let is_node = |id: &str| old.contains(id) || new(id);
    if !added.iter().all(|edge| is_node(edge.from) && is_node(edge.to)) {
        // A name is misspelt, and that is told: what would be cut off shows when it is mended.
        return;
    }
    for (at, operation) in operations.iter().enumerate() {
        if operation.op != Op::Remove || !whole(&operation.path) {
            continue;
        }
        let name = operation.path.trim_start_matches("/edges/");
        let Some((from, to)) = name.split(':').next().and_then(|name| name.split_once("->")) else {
            continue;
        };
        let kept = list("edges").iter().filter_map(|edge| {
            let ends = (text(edge, "from")?, text(edge, "to")?);
            let gone =
                operations.iter().any(|other| other.op == Op::Remove && is_of(&other.path, ends));
            (!gone).then_some(ends)
        });
        let all: Vec<(&str, &str)> =
            kept.chain(added.iter().map(|edge| (edge.from, edge.to))).collect();
        if old.contains(to) && !leads(&all, from, to) {
            let what = format!("`{to}` would no longer wait for `{from}`");
            let new = added.iter().find(|edge| edge.from == from && !old.contains(edge.to));
            let remedy = match new {
                Some(edge) => format!(
                    "Lead it through what is added: connect `{}` to `{to}`; or do not disconnect `{from}` from it.",
                    edge.to
                ),
                None => format!(
                    "Do not disconnect `{from}` from `{to}`, or lead it through a node that you add."
                ),
            };
            issues.push(refuse(format!("/operations/{at}/path"), what, remedy));
        }
    }
}

/// Whether edges lead from one node to another.
fn leads(edges: &[(&str, &str)], from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(here) = open.pop() {
        for &(_, next) in edges.iter().filter(|(from, _)| *from == here) {
            if next == to {
                return true;
            }
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    false
}

/// Whether a canonical path names an edge between these, as a whole.
fn is_of(path: &str, (from, to): (&str, &str)) -> bool {
    let name = path.strip_prefix("/edges/").and_then(|name| name.split(':').next());
    name.and_then(|name| name.split_once("->")) == Some((from, to))
}

/// Whether a canonical path names an edge as a whole.
fn whole(path: &str) -> bool {
    path.strip_prefix("/edges/").is_some_and(|name| !name.contains('/'))
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}
