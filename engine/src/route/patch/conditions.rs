//! What must have happened before a node starts: compared, so that an agent starts nothing earlier than it would have.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::bits::{Bits, has, meet, set, unite};
use crate::ir::{After, BodyIx, Edge, EdgeIx, Ir, NodeIx};

/// That a node succeeded, as a text that means the same in every revision.
pub(super) fn succeeded(id: &str) -> String {
    format!("{id} succeeded")
}

/// Every fact that an edge of a graph can stand for, in the order of their texts.
#[derive(Debug)]
pub(super) struct Facts(BTreeMap<String, usize>);

impl Facts {
    pub(super) fn of(ir: &Ir) -> Self {
        let texts = (0..ir.edges.len() as EdgeIx).flat_map(|ix| of_edge(ir, ix));
        let texts: BTreeSet<String> = texts.collect();
        Self(texts.into_iter().zip(0..).collect())
    }

    /// What holds whenever a node of a graph starts, a row for each: what all of its in-edges have in common, and what
    /// holds for its container. One taken edge is enough to start a node, so no more than that is certain.
    pub(super) fn at_start(&self, ir: &Ir) -> Bits {
        let mut all = Bits::new(ir.nodes.len(), self.0.len());
        for body in 0..ir.bodies.len() as BodyIx {
            let container = ir.body(body).container;
            for ix in sorted(ir, body) {
                let mut common: Option<Vec<u64>> = None;
                for edge in ir.node(ix).ins.clone() {
                    let mut along = all.row(ir.edge(edge).from as usize).to_vec();
                    for column in of_edge(ir, edge).iter().filter_map(|text| self.0.get(text)) {
                        set(&mut along, *column);
                    }
                    match &mut common {
                        None => common = Some(along),
                        Some(common) => meet(common, &along),
                    }
                }
                let outer = container.map(|container| all.row(container as usize).to_vec());
                for known in common.into_iter().chain(outer) {
                    unite(all.row_mut(ix as usize), &known);
                }
            }
        }
        all
    }

    /// Whether a fact is among those of a row.
    pub(super) fn holds(&self, row: &[u64], text: &str) -> bool {
        self.0.get(text).is_some_and(|&column| has(row, column))
    }

    /// The first fact that one row has and another has not.
    pub(super) fn lost(&self, before: &[u64], after: &[u64]) -> Option<&str> {
        let mut known = self.0.iter();
        let lost = known.find(|(_, column)| has(before, **column) && !has(after, **column));
        lost.map(|(text, _)| text.as_str())
    }
}

/// The nodes of a body, each after its sources: a body is acyclic.
fn sorted(ir: &Ir, body: BodyIx) -> Vec<NodeIx> {
    let mut awaited: BTreeMap<NodeIx, usize> = BTreeMap::new();
    let mut sorted = Vec::new();
    for ix in ir.body(body).nodes.clone() {
        match ir.node(ix).ins.len() {
            0 => sorted.push(ix),
            count => drop(awaited.insert(ix, count)),
        }
    }
    let mut next = 0;
    while let Some(&ix) = sorted.get(next) {
        next += 1;
        for &edge in &ir.node(ix).outs {
            let to = ir.edge(edge).to;
            if let Some(count) = awaited.get_mut(&to) {
                *count -= 1;
                if *count == 0 {
                    sorted.push(to);
                }
            }
        }
    }
    sorted
}

/// What a taken edge says beyond what its source says.
fn of_edge(ir: &Ir, ix: EdgeIx) -> Vec<String> {
    let edge = ir.edge(ix);
    let id = &ir.node(edge.from).id;
    let happened = match edge.after {
        After::Success => Some(succeeded(id)),
        After::Failure => Some(format!("{id} failed")),
        After::Always => None,
    };
    happened.into_iter().chain(condition(ir, edge)).collect()
}

/// The condition of an edge; of an `otherwise` the conditions that must not hold.
pub(super) fn condition(ir: &Ir, edge: &Edge) -> Option<String> {
    let id = &ir.node(edge.from).id;
    if let Some(when) = &edge.when {
        return Some(format!("`{}` held after {id} {}", when.source(), settled(edge.after)));
    }
    let siblings = ir.node(edge.from).outs.iter().map(|&ix| ir.edge(ix));
    let group = siblings.filter(|sibling| sibling.after == edge.after);
    let whens: BTreeSet<&str> =
        group.filter_map(|sibling| sibling.when.as_ref().map(|when| when.source())).collect();
    edge.otherwise.then(|| format!("none of {whens:?} held after {id} {}", settled(edge.after)))
}

fn settled(after: After) -> &'static str {
    match after {
        After::Success => "succeeded",
        After::Failure => "failed",
        After::Always => "settled",
    }
}

/// Every node from which another can be reached along edges of a kind, itself left out.
pub(super) fn ancestors(
    ir: &Ir,
    of: impl IntoIterator<Item = NodeIx>,
    along: impl Fn(&Edge) -> bool,
) -> BTreeSet<NodeIx> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<NodeIx> = of.into_iter().collect();
    while let Some(ix) = open.pop() {
        for edge in ir.node(ix).ins.clone().map(|edge| ir.edge(edge)).filter(|edge| along(edge)) {
            if seen.insert(edge.from) {
                open.push(edge.from);
            }
        }
    }
    seen
}
