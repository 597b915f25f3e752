//! What was there before an agent's patch still waits for the same, and is not left out by what the agent adds.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Router;
use super::compare::{in_edges_differ, same_edge};
use super::conditions::{Facts, ancestors, condition};
use super::policy::{before_old, refuse};
use crate::check::bits::Bits;
use crate::ir::{After, Edge, EdgeIx, Ir, NodeIx, OnError, ROOT};
use crate::issue::Issue;
use crate::route::At;
use crate::state::NodeState;

/// `after` is what holds at the start of each node of the new graph.
pub(super) fn check(
    router: &Router<'_>,
    old: &Arc<Ir>,
    new: &Arc<Ir>,
    facts: &Facts,
    after: &Bits,
    issues: &mut Vec<Issue>,
) {
    loosened(router, old, new, facts, after, issues);
    let front = before_old(old, new);
    for ix in 0..new.edges.len() as EdgeIx {
        if same_edge(new, ix, old) != Some(true) {
            fresh(old, new, ix, &front, issues);
        }
    }
    for &ix in &front {
        let node = new.node(ix);
        if old.find(&node.id).is_none() && node.on_error == OnError::Continue {
            let what = format!(
                "with `onError: continue` on `{}` what was there before could be left out unseen",
                node.id
            );
            let pointer = format!("/nodes/{}/onError", node.id);
            issues.push(refuse(pointer, what, "Leave `onError` out."));
        }
    }
}

/// Nodes that could start earlier, or without what had to hold.
fn loosened(
    router: &Router<'_>,
    old: &Arc<Ir>,
    new: &Arc<Ir>,
    facts: &Facts,
    after: &Bits,
    issues: &mut Vec<Issue>,
) {
    let before = facts.at_start(old);
    let mut beyond = None;
    let had = issues.len();
    for (ix, node) in (0..).zip(&old.nodes) {
        let at = At { scope: "".into(), ix, ir: old.clone() };
        let state = router.node_state(&at);
        let started = node.body == ROOT && !matches!(state, NodeState::Idle | NodeState::Ready);
        let Some(to) = new.find(&node.id).filter(|_| !started) else { continue };
        let lost = facts.lost(before.row(ix as usize), after.row(to as usize));
        let lost = lost.map(|fact| format!("that {fact}"));
        let lost = lost.or_else(|| no_longer_awaited(old, ix, new, to));
        let Some(lost) = lost else { continue };
        let what = format!("`{}` would no longer wait for what it waits for: {lost}", node.id);
        if in_edges_differ(old, ix, new, to) {
            issues.push(refuse(cause(old, ix, new, to), what, INSERT));
        } else {
            beyond.get_or_insert_with(|| (format!("/nodes/{}", node.id), what));
        }
    }
    // What lies beyond follows from what was told; an `otherwise` whose group changed has no edge of its own to tell of.
    if let Some((pointer, what)) = beyond.filter(|_| issues.len() == had) {
        issues.push(refuse(pointer, what, INSERT));
    }
}

const INSERT: &str = "Keep the edges that lead to it, or lead each of them through what is added: from the same source, with the same condition.";

fn no_longer_awaited(old: &Ir, ix: NodeIx, new: &Ir, to: NodeIx) -> Option<String> {
    let behind = ancestors(new, [to], |_| true);
    let sources = old.node(ix).ins.clone().map(|edge| &old.node(old.edge(edge).from).id);
    let mut gone = sources.filter(|id| new.find(id).is_none_or(|source| !behind.contains(&source)));
    gone.next().map(|id| format!("that {id} settled"))
}

/// The edge that made the difference.
fn cause(old: &Ir, ix: NodeIx, new: &Ir, to: NodeIx) -> String {
    let ins = old.node(ix).ins.clone();
    let gone = ins.clone().find(|&edge| same_edge(old, edge, new) != Some(true));
    let come = new.node(to).ins.clone().find(|&edge| same_edge(new, edge, old).is_none());
    match (come, gone) {
        (Some(edge), _) => format!("/edges/{}", new.edge_name(edge)),
        (_, Some(edge)) => format!("/edges/{}", old.edge_name(edge)),
        _ => format!("/nodes/{}", old.node(ix).id),
    }
}

/// A new edge, or one with another condition.
fn fresh(old: &Ir, new: &Ir, ix: EdgeIx, front: &BTreeSet<NodeIx>, issues: &mut Vec<Issue>) {
    let edge = new.edge(ix);
    let name = new.edge_name(ix);
    let source = &new.node(edge.from).id;
    let known = old.find(source);
    if edge.after != After::Success && known.is_some() {
        let what = format!("edge `{name}` would decide what the failure of `{source}` means");
        let remedy = "Lead edges out of what was there after success only.";
        return issues.push(refuse(format!("/edges/{name}"), what, remedy));
    }
    if edge.after != After::Success && front.contains(&edge.from) {
        let what = format!(
            "edge `{name}` would hide a failure of `{source}`, on which what was there before depends"
        );
        let remedy = "Leave it out: if the node fails, the run has to.";
        return issues.push(refuse(format!("/edges/{name}"), what, remedy));
    }
    let plain = edge.when.is_none() && !edge.otherwise;
    let same = |other: &Edge| condition(old, other) == condition(new, edge);
    let inherited =
        known.is_some_and(|from| old.node(from).outs.iter().any(|&other| same(old.edge(other))));
    if front.contains(&edge.to) && !plain && !inherited {
        let what = format!("edge `{name}` could leave out what was there before");
        let field = if edge.when.is_some() { "when" } else { "otherwise" };
        let remedy =
            "Leave the condition out, or put it on an edge to a node that nothing old depends on.";
        issues.push(refuse(format!("/edges/{name}/{field}"), what, remedy));
    }
}
