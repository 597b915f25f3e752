//! What approvals guard: the nodes that cannot start before an approval has opened.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::canonical;
use crate::expr::Template;
use crate::ir::{After, BodyIx, EdgeIx, Ir, Join, Kind, Node, NodeIx, ROOT};
use crate::mutant::{self, Mutant};

/// Ids of approvals.
pub(crate) type Gates = BTreeSet<Arc<str>>;

/// Digest of the part of a graph that an approval guards: what is in it decides what an answer lets happen. Of an
/// approval in a body it is that body, which an iteration keeps as it began.
pub(crate) fn digest(ir: &Ir, gate: NodeIx) -> String {
    let node = ir.node(gate);
    if node.body != ROOT {
        return ir.body(node.body).digest.clone();
    }
    part(ir, &guards(ir), &node.id)
}

/// Approvals of the root that both graphs have and that guard something else in the new one.
pub(crate) fn touched(old: &Ir, new: &Ir) -> Gates {
    let is_gate = |node: &&Node| node.body == ROOT && matches!(node.kind, Kind::Approval { .. });
    let ids: Vec<&Arc<str>> = old.nodes.iter().filter(is_gate).map(|node| &node.id).collect();
    if ids.is_empty() {
        return Gates::new();
    }
    let (before, after) = (guards(old), guards(new));
    let stays = |id: &&&Arc<str>| new.find(id).is_some_and(|ix| is_gate(&new.node(ix)));
    let differs = |id: &&&Arc<str>| part(old, &before, id) != part(new, &after, id);
    ids.iter().filter(stays).filter(differs).map(|id| Arc::clone(id)).collect()
}

fn part(ir: &Ir, guards: &[Gates], gate: &str) -> String {
    let is_guarded = |ix: NodeIx| guards.get(ix as usize).is_some_and(|gates| gates.contains(gate));
    let inside: Vec<NodeIx> = ir.by_id.iter().copied().filter(|&ix| is_guarded(ix)).collect();
    let mut edges = BTreeSet::new();
    for &ix in &inside {
        let node = ir.node(ix);
        edges.extend(node.ins.clone().map(|edge| told(ir, edge)));
        edges.extend(node.outs.iter().map(|&edge| told(ir, edge)));
    }
    let nodes: Vec<Value> = inside.iter().map(|&ix| content(ir, ir.node(ix))).collect();
    canonical::digest(&json!({"nodes": nodes, "edges": edges}))
}

/// An edge with its condition, as one text.
fn told(ir: &Ir, ix: EdgeIx) -> String {
    let edge = ir.edge(ix);
    let when = edge.when.as_ref().map_or("", |when| when.source());
    format!("{} {} {when}", ir.edge_name(ix), edge.otherwise)
}

/// Everything that a node says of itself.
pub(crate) fn content(ir: &Ir, node: &Node) -> Value {
    let container = ir.body(node.body).container.map(|ix| &ir.node(ix).id);
    let retry = node.retry;
    json!({
        "id": node.id,
        "type": node.node_type,
        "within": container,
        "join": node.join == Join::All,
        "retry": [retry.attempts, retry.backoff, retry.max_backoff],
        "factor": retry.factor,
        "timeout": node.timeout,
        "onError": format!("{:?}", node.on_error),
        "effect": format!("{:?}", node.effect),
        "config": config(&node.kind),
    })
}

/// What a node's config says, as it is written.
fn config(kind: &Kind) -> Value {
    let source = |template: &Template| template.source().clone();
    match kind {
        Kind::Task { config, asserts, .. } => {
            let assert = |one: &crate::ir::Assert| {
                json!([one.that.source(), one.message.as_ref().map(source)])
            };
            json!([source(config), asserts.iter().map(assert).collect::<Vec<_>>()])
        }
        Kind::Delay { config } | Kind::Approval { config } | Kind::Child { config } => {
            source(config)
        }
        Kind::Foreach { items, name, concurrency, tolerate, result, .. } => json!([
            source(items),
            name,
            source(concurrency),
            source(tolerate),
            result.as_ref().map(source)
        ]),
        Kind::Loop { until, max, result, .. } => {
            json!([until.source(), source(max), result.as_ref().map(source)])
        }
        Kind::Unknown => Value::Null,
    }
}

/// The gates that a node cannot start without, by node index: for a join of kind all those with a success edge into
/// it, and what every in-edge is behind of.
pub(crate) fn guards(ir: &Ir) -> Vec<Gates> {
    let mut all: Vec<Option<Gates>> = vec![None; ir.nodes.len()];
    for body in 0..ir.bodies.len() as BodyIx {
        let container = ir.body(body).container;
        let outer = container.and_then(|ix| all[ix as usize].clone()).unwrap_or_default();
        let mut open: Vec<NodeIx> = ir.body(body).nodes.clone().collect();
        // A scope is acyclic: every round settles at least one node whose sources are all known.
        while !open.is_empty() {
            let before = open.len();
            open.retain(|&ix| {
                let ins = ir.node(ix).ins.clone();
                if ins.clone().any(|edge| all[ir.edge(edge).from as usize].is_none()) {
                    return true;
                }
                all[ix as usize] = Some(of_node(ir, ix, &all, &outer));
                false
            });
            if open.len() == before {
                break;
            }
        }
    }
    all.into_iter().map(Option::unwrap_or_default).collect()
}

fn of_node(ir: &Ir, ix: NodeIx, all: &[Option<Gates>], outer: &Gates) -> Gates {
    let node = ir.node(ix);
    let mut common: Option<Gates> = None;
    let mut direct = Gates::new();
    for edge in node.ins.clone() {
        let edge = ir.edge(edge);
        let source = ir.node(edge.from);
        let mut here = all[edge.from as usize].clone().unwrap_or_default();
        if matches!(source.kind, Kind::Approval { .. }) && edge.after == After::Success {
            here.insert(source.id.clone());
            if node.join == Join::All && !mutant::is(Mutant::GuardsOfJoinForgotten) {
                direct.insert(source.id.clone());
            }
        }
        common = Some(match common {
            None => here,
            Some(common) => common.intersection(&here).cloned().collect(),
        });
    }
    let mut gates = common.unwrap_or_default();
    gates.extend(direct);
    gates.extend(outer.iter().cloned());
    gates
}
