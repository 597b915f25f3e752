//! Where each body, node and edge stands in the IR.

use crate::check::{Analysis, Scope};
use crate::ir::{After, BodyIx, EdgeIx, NodeIx};

/// The order of an IR's parts, as positions in the document's lists.
#[derive(Debug)]
pub(super) struct Layout {
    /// Root first, then the bodies of containers by (body, id) of the container, `finally` last if there
    /// is one.
    pub(super) bodies: Vec<Scope>,
    /// Nodes by (body, id).
    pub(super) nodes: Vec<u32>,
    /// The body of each of them.
    pub(super) body_of: Vec<BodyIx>,
    /// The inverse of `nodes`.
    pub(super) index: Vec<NodeIx>,
    /// Edges by (target, source, after), as positions in the graph's links.
    pub(super) links: Vec<u32>,
    /// Nodes by id.
    pub(super) by_id: Vec<u32>,
    /// Edges by (source, target, after) by their ids, as positions in the graph's links.
    pub(super) by_identity: Vec<u32>,
}

impl Layout {
    pub(super) fn of(analysis: &Analysis<'_>) -> Self {
        let by_id = by_id(analysis);
        let mut rank = vec![0; by_id.len()];
        for (at, node) in (0u32..).zip(&by_id) {
            rank[*node as usize] = at;
        }
        let mut outer = Members::new(analysis, &by_id, Scope::Root);
        outer.expand(analysis, &rank);
        let mut last = Members::new(analysis, &by_id, Scope::Finally);
        last.expand(analysis, &rank);
        // The exit handler's own body comes after the bodies within it.
        if !last.groups.is_empty() {
            let handler = last.groups.remove(0);
            last.groups.extend(Some(handler).filter(|(_, members)| !members.is_empty()));
        }
        let mut layout = Self {
            bodies: Vec::new(),
            nodes: Vec::with_capacity(analysis.document.nodes.len()),
            body_of: Vec::with_capacity(analysis.document.nodes.len()),
            index: vec![0; analysis.document.nodes.len()],
            links: Vec::with_capacity(analysis.graph.links.len()),
            by_id,
            by_identity: Vec::with_capacity(analysis.graph.links.len()),
        };
        for (body, (scope, members)) in (0..).zip(outer.groups.into_iter().chain(last.groups)) {
            layout.bodies.push(scope);
            for member in members {
                layout.index[member as usize] = ix(layout.nodes.len());
                layout.nodes.push(member);
                layout.body_of.push(body);
            }
        }
        // Every node has few edges, so sorting them node by node is faster than sorting all.
        let graph = &analysis.graph;
        for &node in &layout.by_id {
            let outs = &mut layout.by_identity;
            let start = outs.len();
            outs.extend(graph.outs_at(node));
            outs[start..].sort_unstable_by_key(|at| {
                let link = &graph.links[*at as usize];
                (rank[link.to as usize], by_name(link.after))
            });
        }
        for &node in &layout.nodes {
            let ins = &mut layout.links;
            let start = ins.len();
            ins.extend(graph.ins_at(node));
            ins[start..].sort_unstable_by_key(|at| {
                let link = &graph.links[*at as usize];
                (layout.index[link.from as usize], link.after)
            });
        }
        layout
    }
}

/// An index that fits: a document has at most 10,000 nodes and 40,000 edges.
pub(super) fn ix(at: usize) -> EdgeIx {
    EdgeIx::try_from(at).unwrap_or(EdgeIx::MAX)
}

struct Members {
    groups: Vec<(Scope, Vec<u32>)>,
}

impl Members {
    fn new(analysis: &Analysis<'_>, by_id: &[u32], scope: Scope) -> Self {
        let members =
            by_id.iter().copied().filter(|node| analysis.scopes.of(*node) == scope).collect();
        Self { groups: vec![(scope, members)] }
    }

    /// Adds the bodies of the containers found so far, and of those found then.
    fn expand(&mut self, analysis: &Analysis<'_>, rank: &[u32]) {
        let mut next = 0;
        while next < self.groups.len() {
            for at in 0..self.groups[next].1.len() {
                let node = self.groups[next].1[at];
                if analysis.types[node as usize].role.container() {
                    let mut members = analysis.scopes.body(node).to_vec();
                    members.sort_unstable_by_key(|node| rank[*node as usize]);
                    self.groups.push((Scope::Body(node), members));
                }
            }
            next += 1;
        }
    }
}

fn by_id(analysis: &Analysis<'_>) -> Vec<u32> {
    let mut nodes: Vec<(&str, u32)> =
        analysis.document.nodes.iter().map(|node| node.id).zip(0..).collect();
    nodes.sort_unstable();
    nodes.into_iter().map(|(_, node)| node).collect()
}

/// The order of an edge's `after` by its text, as the digest has it.
fn by_name(after: After) -> u8 {
    match after {
        After::Always => 0,
        After::Failure => 1,
        After::Success => 2,
    }
}
