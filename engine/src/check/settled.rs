//! What is certainly settled before a node starts.

use super::bits::{self, Bits, Columns};
use super::document::Document;
use super::graph::Graph;
use super::scopes::{Scope, Scopes};

/// Most nodes that [`near`] looks at.
const NEAR: usize = 24;

/// settled(n) for every node n, over the nodes that are asked about.
///
/// Over the in-edges of every `after`: the source and settled(source), united for `all`, intersected for
/// `any`. A root of a body has settled(container), never the container itself.
#[derive(Debug)]
pub(crate) struct Settled {
    columns: Columns,
    rows: Bits,
}

impl Settled {
    /// `order` is topological. Takes one pass over the edges with a row of `asked` bits each.
    pub(crate) fn of(
        document: &Document<'_>,
        graph: &Graph,
        scopes: &Scopes,
        order: &[u32],
        asked: impl IntoIterator<Item = u32>,
    ) -> Self {
        let columns = Columns::new(document.nodes.len(), asked);
        let mut rows = Bits::new(document.nodes.len(), columns.len());
        for &node in order {
            if graph.ins(node).len() == 0 {
                if let Scope::Body(container) = scopes.of(node) {
                    rows.unite(node as usize, container as usize);
                }
            } else if document.nodes[node as usize].any {
                let common = common(&rows, &columns, graph, node);
                rows.row_mut(node as usize).copy_from_slice(&common);
            } else {
                for link in graph.ins(node) {
                    rows.unite(node as usize, link.from as usize);
                    if let Some(column) = columns.get(link.from) {
                        bits::set(rows.row_mut(node as usize), column);
                    }
                }
            }
        }
        Self { columns, rows }
    }

    /// Whether `earlier`, which was asked about, is in settled(node).
    pub(crate) fn before(&self, node: u32, earlier: u32) -> bool {
        self.columns.get(earlier).is_some_and(|column| self.rows.has(node as usize, column))
    }
}

fn common(rows: &Bits, columns: &Columns, graph: &Graph, node: u32) -> Vec<u64> {
    let mut common: Option<Vec<u64>> = None;
    for link in graph.ins(node) {
        let mut row = rows.row(link.from as usize).to_vec();
        if let Some(column) = columns.get(link.from) {
            bits::set(&mut row, column);
        }
        match &mut common {
            None => common = Some(row),
            Some(common) => bits::meet(common, &row),
        }
    }
    common.unwrap_or_default()
}

/// Whether `earlier` is in settled(node), if a short look backwards shows it. False says nothing.
pub(crate) fn near(
    document: &Document<'_>,
    graph: &Graph,
    scopes: &Scopes,
    node: u32,
    earlier: u32,
) -> bool {
    let mut open = [node; NEAR];
    let mut count = 1;
    let mut next = 0;
    while next < count {
        let node = open[next];
        next += 1;
        let ins = graph.ins(node);
        if ins.len() == 0 {
            if let (Scope::Body(container), true) = (scopes.of(node), count < NEAR) {
                open[count] = container;
                count += 1;
            }
        } else if ins.len() == 1 || !document.nodes[node as usize].any {
            for link in ins {
                if link.from == earlier {
                    return true;
                }
                if count < NEAR {
                    open[count] = link.from;
                    count += 1;
                }
            }
        }
    }
    false
}
