//! R8: what a condition reads before it leaves an approval out stays as it is, and so does what that reads: whoever may
//! not decide at the gate does not decide whether it is asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Router;
use crate::catalogue;
use crate::expr::{Read, Template};
use crate::guarded::content;
use crate::ir::{After, Ir, Kind, Node, NodeIx, ROOT};
use crate::issue::Issue;
use crate::mutant::{self, Mutant};
use crate::route::At;

/// Nodes that have not settled, decide whether `gate` is asked, and would be others.
pub(super) fn check(
    router: &Router<'_>,
    old: &Arc<Ir>,
    gate: NodeIx,
    new: &Ir,
    issues: &mut Vec<Issue>,
) {
    let stays = |ix: &NodeIx| {
        let node = old.node(*ix);
        let other = new.find(&node.id).map(|to| content(new, new.node(to)));
        other.is_none_or(|other| other == content(old, node))
    };
    let open = deciders(old, gate).into_iter().filter(|ix| !has_settled(router, old, *ix));
    for ix in open.filter(|ix| !stays(ix)) {
        if mutant::is(Mutant::GateDeciderMayChange) {
            continue;
        }
        let (id, gate) = (&old.node(ix).id, &old.node(gate).id);
        let what = format!("what `{id}` does decides whether the approval `{gate}` is asked");
        issues.push(Issue::new(&catalogue::PATCH_GATE, format!("/nodes/{id}"), what));
    }
}

fn deciders(ir: &Ir, gate: NodeIx) -> BTreeSet<NodeIx> {
    let mut open: Vec<NodeIx> = Vec::new();
    for edge in ir.node(gate).ins.clone().map(|edge| ir.edge(edge)) {
        let group = ir.node(edge.from).outs.iter().map(|&edge| ir.edge(edge));
        let whens = group.filter(|sibling| sibling.after == edge.after && edge.otherwise);
        let whens = whens.chain([edge]).filter_map(|edge| edge.when.as_ref());
        open.extend(whens.flat_map(|when| nodes(ir, when.reads())));
        if edge.after == After::Failure {
            open.push(edge.from);
        }
    }
    let mut seen = BTreeSet::new();
    while let Some(ix) = open.pop() {
        if seen.insert(ix) {
            read_by(ir, ir.node(ix), &mut open);
        }
    }
    seen
}

/// What a node's own expressions read, and what is within it.
fn read_by(ir: &Ir, node: &Node, found: &mut Vec<NodeIx>) {
    let mut template = |one: &Template| found.extend(nodes(ir, one.reads().map(|(_, read)| read)));
    match &node.kind {
        Kind::Task { config, asserts, .. } => {
            template(config);
            asserts.iter().filter_map(|assert| assert.message.as_ref()).for_each(template);
            found.extend(asserts.iter().flat_map(|assert| nodes(ir, assert.that.reads())));
        }
        Kind::Delay { config } | Kind::Approval { config } | Kind::Child { config } => {
            template(config);
        }
        Kind::Foreach { items, concurrency, tolerate, result, body, .. } => {
            [items, concurrency, tolerate].into_iter().chain(result).for_each(template);
            found.extend(ir.body(*body).nodes.clone());
        }
        Kind::Loop { until, max, result, body, .. } => {
            [max].into_iter().chain(result).for_each(template);
            found.extend(nodes(ir, until.reads()));
            found.extend(ir.body(*body).nodes.clone());
        }
        Kind::Unknown => {}
    }
}

fn nodes<'a>(ir: &'a Ir, reads: impl IntoIterator<Item = &'a Read>) -> Vec<NodeIx> {
    let ids = reads.into_iter().filter_map(|read| read.node.as_deref());
    ids.filter_map(|id| ir.find(id)).collect()
}

/// Whether a node, or what it is within, is over.
fn has_settled(router: &Router<'_>, ir: &Arc<Ir>, mut ix: NodeIx) -> bool {
    while ir.node(ix).body != ROOT {
        match ir.body(ir.node(ix).body).container {
            Some(container) => ix = container,
            None => return false,
        }
    }
    router.node_state(&At { scope: "".into(), ix, ir: ir.clone() }).is_settled()
}
