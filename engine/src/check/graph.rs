//! UNKNOWN_NODE, EDGE_CROSSES_SCOPE, DUPLICATE_EDGE: which edges join which nodes.

use rustc_hash::FxHashMap;

use super::document::{Document, Edge};
use super::findings::Findings;
use super::ids::Ids;
use super::scopes::{Scope, Scopes};
use super::suggest::quote;
use crate::catalogue::{DUPLICATE_EDGE, EDGE_CROSSES_SCOPE, UNKNOWN_NODE};
use crate::ir::After;
use crate::issue::Issue;

/// Edges between nodes of the same scope, each once.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) links: Vec<Link>,
    ins: Adjacency,
    outs: Adjacency,
    /// Whether every edge of the document is among them.
    pub(crate) whole: bool,
}

/// One edge; nodes are positions in the document's list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) after: After,
    /// Neither `when` nor `otherwise`.
    pub(crate) unconditional: bool,
    /// Position in [`Document::edges`].
    pub(crate) edge: u32,
}

impl Graph {
    /// Judges every edge.
    pub(crate) fn judge(
        document: &Document<'_>,
        ids: &Ids<'_>,
        scopes: &Scopes,
        findings: &mut Findings,
    ) -> Self {
        let mut links = Vec::with_capacity(document.edges.len());
        let mut seen: FxHashMap<(u32, u32, u8), usize> = FxHashMap::default();
        seen.reserve(document.edges.len());
        for (position, edge) in (0..).zip(&document.edges) {
            let ends = (ids.get(edge.from), ids.get(edge.to));
            let (Some(from), Some(to)) = ends else {
                for (name, end, found) in [("from", edge.from, ends.0), ("to", edge.to, ends.1)] {
                    if found.is_none() && !end.is_empty() {
                        findings.refuse(|| unknown(edge, name, end, document, ids));
                    }
                }
                continue;
            };
            let (source, target) = (scopes.of(from), scopes.of(to));
            if source == Scope::Lost || target == Scope::Lost {
                continue;
            }
            if source != target {
                findings.push(crossing(edge, source, target, document));
                continue;
            }
            let first = *seen.entry((from, to, edge.after as u8)).or_insert(edge.at);
            if first != edge.at {
                let message = format!("the edge {} is written twice", identity(edge));
                let issue = Issue::new(&DUPLICATE_EDGE, edge.pointer(), message);
                findings.push(issue.detail(format!("first at /spec/edges/{first}")));
                continue;
            }
            let unconditional = edge.when.is_none() && !edge.otherwise;
            links.push(Link { from, to, after: edge.after, unconditional, edge: position });
        }
        let count = document.nodes.len();
        let ins = Adjacency::new(count, links.iter().map(|link| link.to));
        let outs = Adjacency::new(count, links.iter().map(|link| link.from));
        let whole = links.len() == document.edges.len();
        Self { links, ins, outs, whole }
    }

    /// The edges into a node.
    pub(crate) fn ins(&self, node: u32) -> impl ExactSizeIterator<Item = &Link> {
        self.ins.of(node).iter().map(|link| &self.links[*link as usize])
    }

    /// The edges into a node, as positions in [`Graph::links`].
    pub(crate) fn ins_at(&self, node: u32) -> &[u32] {
        self.ins.of(node)
    }

    /// The edges out of a node, as positions in [`Graph::links`].
    pub(crate) fn outs_at(&self, node: u32) -> &[u32] {
        self.outs.of(node)
    }

    /// The edges out of a node.
    pub(crate) fn outs(&self, node: u32) -> impl ExactSizeIterator<Item = &Link> {
        self.outs.of(node).iter().map(|link| &self.links[*link as usize])
    }
}

/// `fetch->save`, `fetch->tell:failure`.
pub(crate) fn identity(edge: &Edge<'_>) -> String {
    let suffix = match edge.after {
        After::Success => "",
        After::Failure => ":failure",
        After::Always => ":always",
    };
    quote(&format!("{}->{}{suffix}", edge.from, edge.to))
}

/// Positions of edges by node, in one allocation.
#[derive(Debug)]
struct Adjacency {
    starts: Vec<u32>,
    links: Vec<u32>,
}

impl Adjacency {
    fn new(nodes: usize, of: impl Iterator<Item = u32> + Clone) -> Self {
        let mut starts = vec![0u32; nodes + 1];
        for node in of.clone() {
            starts[node as usize + 1] += 1;
        }
        for at in 0..nodes {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut links = vec![0u32; starts[nodes] as usize];
        for (link, node) in (0..).zip(of) {
            let place = &mut next[node as usize];
            links[*place as usize] = link;
            *place += 1;
        }
        Self { starts, links }
    }

    fn of(&self, node: u32) -> &[u32] {
        &self.links[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }
}

fn unknown(
    edge: &Edge<'_>,
    field: &str,
    end: &str,
    document: &Document<'_>,
    ids: &Ids<'_>,
) -> Issue {
    let pointer = format!("{}/{field}", edge.pointer());
    let message =
        format!("the edge {} names the node {}, which does not exist", identity(edge), quote(end));
    if end == "finally" {
        let remedy = "`finally` needs no edge: give the node `within: finally`.";
        return Issue::new(&UNKNOWN_NODE, pointer, message).remedy(remedy);
    }
    match ids.nearest(document, end) {
        Some(near) => {
            Issue::new(&UNKNOWN_NODE, pointer, format!("{message}; did you mean {}?", quote(near)))
        }
        None => Issue::new(&UNKNOWN_NODE, pointer, message),
    }
}

fn crossing(edge: &Edge<'_>, source: Scope, target: Scope, document: &Document<'_>) -> Issue {
    let lies = |id: &str, scope: Scope| match scope {
        Scope::Body(container) => {
            format!("{} lies within {}", quote(id), quote(document.nodes[container as usize].id))
        }
        Scope::Finally => format!("{} lies within `finally`", quote(id)),
        Scope::Root | Scope::Lost => format!("{} lies in the root", quote(id)),
    };
    let message = format!(
        "the edge {} crosses the border of a scope: {}, {}",
        identity(edge),
        lies(edge.from, source),
        lies(edge.to, target)
    );
    let issue = Issue::new(&EDGE_CROSSES_SCOPE, edge.pointer(), message);
    match (source, target) {
        (Scope::Root, Scope::Body(container)) => {
            let container = quote(document.nodes[container as usize].id);
            issue
                .remedy(format!("Lead it to {container}, whose body begins when {container} does."))
        }
        (Scope::Body(container), Scope::Root) => issue.remedy(format!(
            "Lead it from {}, which settles when its body is done.",
            quote(document.nodes[container as usize].id)
        )),
        (_, Scope::Finally) | (Scope::Finally, _) => {
            issue.remedy("Remove it: `finally` begins by itself when all else has settled.")
        }
        _ => issue,
    }
}
