//! R8: nothing passes a gate. What an approval guards stays guarded, and the approval stays as it is.

use std::sync::Arc;

use super::Router;
use super::conditions::ancestors;
use super::deciders::{Deciders, can_be_left_out};
use crate::catalogue;
use crate::guarded::guards;
use crate::ir::{After, Edge, EdgeIx, Ir, Kind, NodeIx};
use crate::issue::Issue;
use crate::mutant::{self, Mutant};
use crate::route::At;
use crate::state::NodeState;

/// Every gate of the old graph that the patcher may not decide at, and every unstarted node, compared.
pub(super) fn check(
    router: &Router<'_>,
    old: &Arc<Ir>,
    new: &Arc<Ir>,
    approves: &[String],
    cancel: &[String],
    issues: &mut Vec<Issue>,
) {
    if !old.nodes.iter().any(|node| matches!(node.kind, Kind::Approval { .. })) {
        return;
    }
    let (before, after) = (guards(old), guards(new));
    let mut deciders = Deciders::new(router, old, new, cancel);
    for (ix, node) in old.nodes.iter().enumerate() {
        let ix = ix as NodeIx;
        let at = At { scope: "".into(), ix, ir: old.clone() };
        let in_root = node.body == crate::ir::ROOT;
        let mine = |gate: &str| approves.iter().any(|name| name == gate);
        if matches!(node.kind, Kind::Approval { .. })
            && !mine(&node.id)
            && !(in_root && router.node_state(&at).is_settled())
        {
            check_gate(old, ix, new, issues);
            if let Some(to) = new.find(&node.id).filter(|_| can_be_left_out(old, ix)) {
                deciders.check(ix, to, issues);
            }
        }
        let started =
            in_root && !matches!(router.node_state(&at), NodeState::Idle | NodeState::Ready);
        let Some(to) = new.find(&node.id).filter(|_| !started) else { continue };
        for gate in before[ix as usize].iter().filter(|gate| !mine(gate)) {
            if !after[to as usize].contains(gate) && !mutant::is(Mutant::GuardsMayShrink) {
                let message =
                    format!("`{}` would no longer wait for the approval `{gate}`", node.id);
                issues.push(Issue::new(
                    &catalogue::PATCH_GATE,
                    format!("/nodes/{}", node.id),
                    message,
                ));
            }
        }
    }
}

/// A gate stays, asks the same of the same people, and whether it is asked depends on what it did before.
fn check_gate(old: &Ir, ix: NodeIx, new: &Ir, issues: &mut Vec<Issue>) {
    let gate = old.node(ix);
    let id = &gate.id;
    let mut refuse = |pointer: String, what: String| {
        issues.push(Issue::new(&catalogue::PATCH_GATE, pointer, what))
    };
    let Some(to) = new.find(id) else {
        if mutant::is(Mutant::GateMayGo) {
            return;
        }
        return refuse(format!("/nodes/{id}"), format!("the approval `{id}` would be removed"));
    };
    let other = new.node(to);
    let same = matches!((&gate.kind, &other.kind), (Kind::Approval { config: a }, Kind::Approval { config: b }) if a.source() == b.source());
    let other_gate = !same
        || gate.join != other.join
        || gate.on_error != other.on_error
        || gate.body != other.body
        || gate.timeout != other.timeout;
    if other_gate && !mutant::is(Mutant::GateMayChange) {
        refuse(format!("/nodes/{id}"), format!("the approval `{id}` would be another"));
    }
    for &edge in &gate.outs {
        if !stands(old, edge, new) && !mutant::is(Mutant::GateEdgeMayGo) {
            let name = old.edge_name(edge);
            refuse(
                format!("/edges/{name}"),
                format!("edge `{name}` out of the approval `{id}` would go or change"),
            );
        }
    }
    for &edge in &other.outs {
        let target = &new.node(new.edge(edge).to).id;
        if new.edge(edge).after != After::Success
            && old.find(target).is_some()
            && !known(new, edge, old)
            && !mutant::is(Mutant::GateGoneRound)
        {
            let name = new.edge_name(edge);
            refuse(
                format!("/edges/{name}"),
                format!("edge `{name}` would lead round the approval `{id}`"),
            );
        }
    }
    if !can_be_left_out(old, ix)
        && can_be_left_out(new, to)
        && !mutant::is(Mutant::GateConditionMayCome)
    {
        let mut ins = other.ins.clone();
        let come = ins.clone().find(|&edge| !stands(new, edge, old)).or_else(|| ins.next());
        let name = come.map(|edge| new.edge_name(edge)).unwrap_or_default();
        refuse(
            format!("/edges/{name}"),
            format!("edge `{name}` could leave the approval `{id}` out"),
        );
    }
    let behind = ancestors(new, [to], |_| true);
    for edge in gate.ins.clone() {
        let source = &old.node(old.edge(edge).from).id;
        let waits = new.find(source).is_some_and(|ix| behind.contains(&ix));
        if !stands(old, edge, new) && !waits && !mutant::is(Mutant::GateWaitsForLess) {
            let name = old.edge_name(edge);
            refuse(
                format!("/edges/{name}"),
                format!("the approval `{id}` would no longer wait for `{source}`"),
            );
        }
    }
}

/// Whether an edge of one graph stands unchanged in another.
fn stands(from: &Ir, edge: EdgeIx, to: &Ir) -> bool {
    known(from, edge, to) && unchanged(from, edge, to)
}

fn known(from: &Ir, edge: EdgeIx, to: &Ir) -> bool {
    counterpart(from, edge, to).is_some()
}

fn unchanged(from: &Ir, edge: EdgeIx, to: &Ir) -> bool {
    let Some(other) = counterpart(from, edge, to) else { return false };
    let (a, b) = (from.edge(edge), to.edge(other));
    let text = |edge: &Edge| edge.when.as_ref().map(|when| when.source().to_owned());
    text(a) == text(b) && a.otherwise == b.otherwise
}

fn counterpart(from: &Ir, edge: EdgeIx, to: &Ir) -> Option<EdgeIx> {
    let edge = from.edge(edge);
    let source = to.find(&from.node(edge.from).id)?;
    let target = to.find(&from.node(edge.to).id)?;
    to.find_edge(source, target, edge.after)
}
