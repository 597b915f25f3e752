//! What certainly has an output when a node starts.

use std::collections::BTreeMap;

use super::bits::{self, Bits, Columns};
use super::document::Document;
use super::graph::{Graph, Link};
use super::scopes::{Scope, Scopes};
use super::types::{Role, Type};
use crate::ir::{After, OnError};

/// Most nodes that [`near`] looks at.
const NEAR: usize = 24;

/// For every node, what surely succeeds once it starts, unless its scope stops; over the nodes that are
/// asked about. Together with [`Settled`](super::settled::Settled) it is what certainly has an output.
///
/// A node surely succeeds if it surely starts (it is a root, or an unconditional success or always edge
/// leads to it from one that surely succeeds, and all its gates surely succeed) and its failure stops the
/// scope. `follows` holds what one node's success leads to by single edges, so that closing a set over
/// these rules is uniting rows; only nodes that wait for a gate besides are looked at one by one.
#[derive(Debug)]
pub(crate) struct Sure<'g> {
    graph: &'g Graph,
    columns: Columns,
    /// Of a node that starts.
    starts: Bits,
    /// Of a scope that begins.
    begins: Bits,
    scopes: BTreeMap<Scope, usize>,
    follows: Bits,
    gated: Vec<Gated>,
}

/// A node that more than one certainty makes start.
#[derive(Debug)]
struct Gated {
    node: u32,
    /// Any of these.
    sources: Vec<u32>,
    /// And all of these.
    gates: Vec<u32>,
}

impl<'g> Sure<'g> {
    /// `order` is topological. Takes two passes over the edges with a row of `asked` bits each.
    pub(crate) fn of(
        document: &Document<'_>,
        types: &[Type<'_>],
        graph: &'g Graph,
        scopes: &Scopes,
        order: &[u32],
        asked: impl IntoIterator<Item = u32>,
    ) -> Self {
        let count = document.nodes.len();
        let mut columns = Columns::new(count, asked);
        let stops: Vec<bool> = (0..)
            .zip(&document.nodes)
            .map(|(node, _)| stops(document, types, graph, node))
            .collect();
        let mut gated = Vec::new();
        for &node in order {
            if let Some(found) = gated_node(types, graph, node).filter(|_| stops[node as usize]) {
                found.sources.iter().chain(&found.gates).for_each(|node| columns.add(*node));
                gated.push(found);
            }
        }
        let mut follows = Bits::new(count, columns.len());
        for &node in order.iter().rev() {
            for link in
                graph.outs(node).filter(|link| stops[link.to as usize] && alone(types, graph, link))
            {
                follows.unite(node as usize, link.to as usize);
                if let Some(column) = columns.get(link.to) {
                    bits::set(follows.row_mut(node as usize), column);
                }
            }
        }
        let numbered = [Scope::Root, Scope::Finally]
            .into_iter()
            .chain(scopes.bodies().map(|(container, _)| Scope::Body(container)));
        let numbered: BTreeMap<Scope, usize> = numbered.zip(0..).collect();
        let starts = Bits::new(count, columns.len());
        let begins = Bits::new(numbered.len(), columns.len());
        let mut sure = Self { graph, columns, starts, begins, scopes: numbered, follows, gated };
        let roots_of = |wanted: Scope| {
            let all = (0..).zip(&document.nodes).map(|(node, _)| node);
            all.filter(move |node| scopes.of(*node) == wanted && graph.ins(*node).len() == 0)
                .collect::<Vec<u32>>()
        };
        for scope in [Scope::Root, Scope::Finally] {
            sure.begin(scope, None, &roots_of(scope), &stops);
        }
        let mut scratch = [Vec::new(), Vec::new()];
        for &node in order {
            sure.start(node, scopes, &mut scratch);
            if !scopes.body(node).is_empty() {
                let roots: Vec<u32> = scopes
                    .body(node)
                    .iter()
                    .copied()
                    .filter(|node| graph.ins(*node).len() == 0)
                    .collect();
                sure.begin(Scope::Body(node), Some(node), &roots, &stops);
            }
        }
        sure
    }

    /// Whether `wanted`, which was asked about, surely succeeds once `node` starts.
    pub(crate) fn at_start(&self, node: u32, wanted: u32) -> bool {
        self.columns.get(wanted).is_some_and(|column| self.starts.has(node as usize, column))
    }

    /// Whether `wanted`, which was asked about, surely succeeds once this scope begins.
    pub(crate) fn at_begin(&self, scope: Scope, wanted: u32) -> bool {
        match (self.scopes.get(&scope), self.columns.get(wanted)) {
            (Some(row), Some(column)) => self.begins.has(*row, column),
            _ => false,
        }
    }

    /// Whether `wanted`, which was asked about, surely succeeds once this edge is taken.
    pub(crate) fn by(&self, link: &Link, wanted: u32) -> bool {
        let mut row = Vec::new();
        self.along(link, &mut row);
        self.columns.get(wanted).is_some_and(|column| bits::has(&row, column))
    }

    fn begin(&mut self, scope: Scope, container: Option<u32>, roots: &[u32], stops: &[bool]) {
        let Some(&at) = self.scopes.get(&scope) else { return };
        let mut row = match container {
            Some(container) => self.starts.row(container as usize).to_vec(),
            None => vec![0; self.columns.len().div_ceil(64)],
        };
        for &root in roots.iter().filter(|root| stops[**root as usize]) {
            self.succeed(&mut row, root);
        }
        self.pass_gates(&mut row);
        self.begins.row_mut(at).copy_from_slice(&row);
    }

    /// `scratch` is overwritten; it spares an allocation per edge.
    fn start(&mut self, node: u32, scopes: &Scopes, scratch: &mut [Vec<u64>; 2]) {
        let [row, other] = scratch;
        let mut ins = self.graph.ins(node);
        match ins.next() {
            None => {
                let Some(scope) = self.scopes.get(&scopes.of(node)) else { return };
                row.clear();
                row.extend_from_slice(self.begins.row(*scope));
            }
            Some(first) => {
                self.along(first, row);
                for link in ins {
                    self.along(link, other);
                    bits::meet(row, other);
                }
            }
        }
        self.starts.row_mut(node as usize).copy_from_slice(row);
    }

    /// What is sure once an edge is taken, in place of what was in `row`.
    fn along(&self, link: &Link, row: &mut Vec<u64>) {
        row.clear();
        row.extend_from_slice(self.starts.row(link.from as usize));
        if link.after == After::Success {
            self.succeed(row, link.from);
            self.pass_gates(row);
        }
    }

    fn succeed(&self, row: &mut [u64], node: u32) {
        bits::unite(row, self.follows.row(node as usize));
        if let Some(column) = self.columns.get(node) {
            bits::set(row, column);
        }
    }

    /// In topological order, so that one pass is enough.
    fn pass_gates(&self, row: &mut [u64]) {
        for gated in &self.gated {
            let sure =
                |node: &u32| self.columns.get(*node).is_some_and(|column| bits::has(row, column));
            if gated.sources.iter().any(sure) && gated.gates.iter().all(sure) {
                self.succeed(row, gated.node);
            }
        }
    }
}

/// Whether the scope stops when this node fails; a node that is passed over never does.
pub(crate) fn stops(document: &Document<'_>, types: &[Type<'_>], graph: &Graph, node: u32) -> bool {
    types[node as usize].role == Role::Unknown
        || (document.nodes[node as usize].on_error == OnError::Fail
            && graph.outs(node).all(|link| link.after == After::Success))
}

/// Whether `wanted` surely succeeds once `node` starts, if a short look backwards shows it. False says
/// nothing.
pub(crate) fn near(graph: &Graph, scopes: &Scopes, node: u32, wanted: u32) -> bool {
    let mut node = node;
    for _ in 0..NEAR {
        let mut ins = graph.ins(node);
        match (ins.next(), ins.next(), scopes.of(node)) {
            (Some(link), None, _) if link.from == wanted && link.after == After::Success => {
                return true;
            }
            (Some(link), None, _) => node = link.from,
            (None, _, Scope::Body(container)) => node = container,
            _ => return false,
        }
    }
    false
}

fn firm(link: &Link) -> bool {
    link.unconditional && link.after != After::Failure
}

fn gates<'t>(types: &'t [Type<'_>], graph: &'t Graph, node: u32) -> impl Iterator<Item = u32> + 't {
    let gates = graph.ins(node).filter(|link| {
        link.after == After::Success && types[link.from as usize].role == Role::Approval
    });
    gates.map(|link| link.from)
}

/// Whether the success of its source alone makes the target of an edge start.
fn alone(types: &[Type<'_>], graph: &Graph, link: &Link) -> bool {
    firm(link) && gates(types, graph, link.to).all(|gate| gate == link.from)
}

/// A node that has gates, and firm in-edges of which none is enough alone.
fn gated_node(types: &[Type<'_>], graph: &Graph, node: u32) -> Option<Gated> {
    let gates: Vec<u32> = gates(types, graph, node).collect();
    if gates.is_empty() || graph.ins(node).any(|link| alone(types, graph, link)) {
        return None;
    }
    let sources: Vec<u32> =
        graph.ins(node).filter(|link| firm(link)).map(|link| link.from).collect();
    (!sources.is_empty()).then_some(Gated { node, sources, gates })
}
