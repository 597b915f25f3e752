//! Where each body, node and edge stands in the IR.

use crate::check::{Analysis, Scope};
use crate::ir::{BodyIx, EdgeIx, NodeIx};

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
}

impl Layout {
    pub(super) fn of(analysis: &Analysis<'_>) -> Self {
        let mut outer = Members::new(analysis, Scope::Root);
        outer.expand(analysis);
        let mut last = Members::new(analysis, Scope::Finally);
        last.expand(analysis);
        // The exit handler's own body comes after the bodies within it.
        if let Some(handler) = (!last.groups.is_empty()).then(|| last.groups.remove(0)) {
            if !handler.1.is_empty() {
                last.groups.push(handler);
            }
        }
        let mut layout = Self {
            bodies: Vec::new(),
            nodes: Vec::with_capacity(analysis.document.nodes.len()),
            body_of: Vec::with_capacity(analysis.document.nodes.len()),
            index: vec![0; analysis.document.nodes.len()],
            links: (0..).zip(&analysis.graph.links).map(|(at, _)| at).collect(),
        };
        for (body, (scope, members)) in (0..).zip(outer.groups.into_iter().chain(last.groups)) {
            layout.bodies.push(scope);
            for member in members {
                layout.index[member as usize] = ix(layout.nodes.len());
                layout.nodes.push(member);
                layout.body_of.push(body);
            }
        }
        let links = &analysis.graph.links;
        let index = &layout.index;
        layout.links.sort_unstable_by_key(|at| {
            let link = &links[*at as usize];
            (index[link.to as usize], index[link.from as usize], link.after)
        });
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
    fn new(analysis: &Analysis<'_>, scope: Scope) -> Self {
        let all = (0..).zip(&analysis.document.nodes).map(|(node, _)| node);
        let members = all.filter(|node| analysis.scopes.of(*node) == scope).collect();
        Self { groups: vec![(scope, by_id(analysis, members))] }
    }

    /// Adds the bodies of the containers found so far, and of those found then.
    fn expand(&mut self, analysis: &Analysis<'_>) {
        let mut next = 0;
        while next < self.groups.len() {
            for at in 0..self.groups[next].1.len() {
                let node = self.groups[next].1[at];
                if analysis.types[node as usize].role.container() {
                    let members = analysis.scopes.body(node).to_vec();
                    self.groups.push((Scope::Body(node), by_id(analysis, members)));
                }
            }
            next += 1;
        }
    }
}

fn by_id(analysis: &Analysis<'_>, mut nodes: Vec<u32>) -> Vec<u32> {
    nodes.sort_unstable_by_key(|node| analysis.document.nodes[*node as usize].id);
    nodes
}
