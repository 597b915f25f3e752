//! What an agent may have read that nobody vouches for: answers of servers, tools and other programs.
//!
//! Judged on the graph alone, so that nothing an agent says of itself matters. When in doubt it is tainted.

use std::collections::BTreeSet;

use crate::expr::{Read, Template};
use crate::ir::{Effect, Ir, Kind, Node, NodeIx};

/// Whether what an agent was told or can ask for holds data from outside.
pub(super) fn reads_untrusted(ir: &Ir, agent: NodeIx) -> bool {
    let Kind::Task { config, .. } = &ir.node(agent).kind else { return true };
    if !ir.node(agent).asks_a_model() {
        // A program of somebody's: nobody knows what it has read.
        return true;
    }
    let tools = match config.source().get("tools") {
        None => false,
        Some(tools) => tools.as_array().is_none_or(|tools| !tools.is_empty()),
    };
    let mut seen = BTreeSet::new();
    tools || reads(ir, of(config), &mut seen) || around(ir, agent, &mut seen)
}

/// Whether a node changes nothing and calls nobody: what may be added without a word of anybody.
pub(super) fn is_pure(node: &Node) -> bool {
    match &node.kind {
        Kind::Delay { .. } | Kind::Approval { .. } | Kind::Foreach { .. } | Kind::Loop { .. } => {
            true
        }
        Kind::Task { agent, .. } => !agent && node.innate == Effect::Pure,
        Kind::Child { .. } => false,
        // It is passed over, and that is told.
        Kind::Unknown => true,
    }
}

fn is_untrusted(ir: &Ir, ix: NodeIx, seen: &mut BTreeSet<NodeIx>) -> bool {
    if !seen.insert(ix) {
        return false;
    }
    let node = ir.node(ix);
    match &node.kind {
        Kind::Task { agent: true, .. } => reads_untrusted(ir, ix),
        Kind::Task { .. } => {
            node.innate != Effect::Pure
                || node.node_type.contains('.')
                || reads(ir, node.kind.reads(), seen)
                || around(ir, ix, seen)
        }
        Kind::Child { .. } => true,
        // A person's own words.
        Kind::Approval { .. } | Kind::Delay { .. } | Kind::Unknown => false,
        Kind::Foreach { items, body, .. } => reads(ir, of(items), seen) || inside(ir, *body, seen),
        Kind::Loop { body, .. } => inside(ir, *body, seen),
    }
}

fn inside(ir: &Ir, body: crate::ir::BodyIx, seen: &mut BTreeSet<NodeIx>) -> bool {
    ir.body(body).nodes.clone().any(|ix| is_untrusted(ir, ix, seen))
}

/// Whether the containers around a node hand untrusted items in.
fn around(ir: &Ir, ix: NodeIx, seen: &mut BTreeSet<NodeIx>) -> bool {
    match ir.body(ir.node(ix).body).container {
        Some(container) => {
            let (items, is_loop) = match &ir.node(container).kind {
                Kind::Foreach { items, .. } => (Some(items), false),
                _ => (None, true),
            };
            // What a round hands to the next is made by the whole body, and this node is in it.
            is_loop
                || items.is_some_and(|items| reads(ir, of(items), seen))
                || around(ir, container, seen)
        }
        None => false,
    }
}

fn reads<'a>(
    ir: &Ir,
    reads: impl IntoIterator<Item = &'a Read>,
    seen: &mut BTreeSet<NodeIx>,
) -> bool {
    let mut sources = reads.into_iter().filter_map(|read| read.node.as_deref());
    sources.any(|id| ir.find(id).is_none_or(|source| is_untrusted(ir, source, seen)))
}

fn of(template: &Template) -> impl Iterator<Item = &Read> {
    template.reads().map(|(_, read)| read)
}
