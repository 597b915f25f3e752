//! R8: an approval that conditions can leave out guards only as well as what they follow from. Whoever may not decide at
//! such an approval changes nothing that decides whether it is asked: no node that its conditions read or that leads
//! to it, nor how that node is led to, nor what its failure means, all the way up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Router;
use super::compare::changed_fields;
use super::conditions::condition;
use crate::catalogue;
use crate::ir::{After, Edge, EdgeIx, Ir, Kind, NodeIx, ROOT};
use crate::issue::Issue;
use crate::mutant::{self, Mutant};
use crate::reads::nodes;
use crate::route::At;
use crate::state::NodeState;

/// Whether a gate can be left out by conditions alone. One with a plain edge into it cannot: where that edge is dead
/// something went wrong before the gate, and what the gate guards does not begin either.
pub(super) fn can_be_left_out(ir: &Ir, gate: NodeIx) -> bool {
    let ins = ir.node(gate).ins.clone();
    !ins.is_empty() && ins.into_iter().all(|edge| is_conditional(ir.edge(edge)))
}

fn is_conditional(edge: &Edge) -> bool {
    edge.when.is_some() || edge.otherwise || edge.after == After::Failure
}

/// The two graphs, and what of them was compared.
pub(super) struct Deciders<'a> {
    router: &'a Router<'a>,
    old: &'a Arc<Ir>,
    new: &'a Ir,
    cancel: &'a [String],
    /// Where a node of the old graph would be another, and what differs there; none if it stays.
    seen: BTreeMap<NodeIx, Option<(String, String)>>,
}

impl<'a> Deciders<'a> {
    pub(super) fn new(
        router: &'a Router<'a>,
        old: &'a Arc<Ir>,
        new: &'a Ir,
        cancel: &'a [String],
    ) -> Self {
        Self { router, old, new, cancel, seen: BTreeMap::new() }
    }

    /// What decides whether `gate` is asked, has not settled, and would be another.
    pub(super) fn check(&mut self, gate: NodeIx, to: NodeIx, issues: &mut Vec<Issue>) {
        let id = &self.old.node(gate).id;
        let mut refuse = |(pointer, what): (String, String)| {
            let what = format!("{what} decides whether the approval `{id}` is asked");
            issues.push(Issue::new(&catalogue::PATCH_GATE, pointer, what));
        };
        if !mutant::is(Mutant::GateWaysMayChange)
            && let Some(edge) = differs(&ways_in(self.old, gate), &ways_in(self.new, to))
        {
            refuse((format!("/edges/{edge}"), format!("edge `{edge}`")));
        }
        for ix in deciders(self.old, gate) {
            if !self.seen.contains_key(&ix) {
                let change = self.change(ix);
                self.seen.insert(ix, change);
            }
            self.seen.get(&ix).cloned().flatten().into_iter().for_each(&mut refuse);
        }
    }

    fn change(&self, ix: NodeIx) -> Option<(String, String)> {
        let (old, new) = (self.old, self.new);
        let id = &old.node(ix).id;
        if self.has_settled(ix) {
            return None;
        }
        let named = self.cancel.iter().position(|name| **name == **id);
        if let Some(at) = named.filter(|_| !mutant::is(Mutant::GateDeciderMayBeCancelled)) {
            return Some((format!("/cancel/{at}"), format!("what `{id}` does")));
        }
        let same = |to: &NodeIx| {
            let container = |ir: &Ir, ix| home(ir, ix).map(|ix| ir.node(ix).id.clone());
            let stays = container(old, ix) == container(new, *to)
                && changed_fields(old, ix, new, *to).is_empty()
                && body(old, ix) == body(new, *to);
            stays || mutant::is(Mutant::GateDeciderMayChange)
        };
        let Some(to) = new.find(id).filter(same) else {
            return Some((format!("/nodes/{id}"), format!("what `{id}` does")));
        };
        if mutant::is(Mutant::GateDeciderLedOtherwise) {
            return None;
        }
        let edge = differs(&ways_in(old, ix), &ways_in(new, to))
            .or_else(|| differs(&judged(old, ix), &judged(new, to)))?;
        Some((format!("/edges/{edge}"), format!("edge `{edge}`")))
    }

    /// Whether a node, or what it is within, is over.
    fn has_settled(&self, mut ix: NodeIx) -> bool {
        while let Some(container) = home(self.old, ix) {
            ix = container;
        }
        let at = At { scope: "".into(), ix, ir: self.old.clone() };
        self.old.node(ix).body == ROOT && NodeState::is_settled(self.router.node_state(&at))
    }
}

/// Every node that a gate's conditions follow from.
fn deciders(ir: &Ir, gate: NodeIx) -> BTreeSet<NodeIx> {
    let around: BTreeSet<NodeIx> =
        std::iter::successors(home(ir, gate), |&ix| home(ir, ix)).collect();
    let mut seen = BTreeSet::new();
    let mut open = leads(ir, gate);
    while let Some(ix) = open.pop() {
        if !seen.insert(ix) {
            continue;
        }
        open.extend(leads(ir, ix));
        let kind = &ir.node(ix).kind;
        // A foreach hands an item to each of its iterations, a loop what the round before made.
        if matches!(kind, Kind::Foreach { .. }) && around.contains(&ix) {
            for template in kind.rendered() {
                open.extend(nodes(ir, template.reads().map(|(_, read)| read)));
            }
            continue;
        }
        open.extend(nodes(ir, kind.reads()));
        if let Some(body) = kind.body() {
            open.extend(ir.body(body).nodes.clone());
        }
    }
    seen
}

/// What decides whether a node begins: what leads to it, what the conditions on the way read, and what it is within.
fn leads(ir: &Ir, ix: NodeIx) -> Vec<NodeIx> {
    let mut found: Vec<NodeIx> = home(ir, ix).into_iter().collect();
    for into in ir.node(ix).ins.clone().map(|edge| ir.edge(edge)) {
        found.push(into.from);
        let group = ir.node(into.from).outs.iter().map(|&edge| ir.edge(edge));
        let group = group.filter(|other| other.after == into.after && into.otherwise);
        let whens = group.chain([into]).filter_map(|edge| edge.when.as_ref());
        found.extend(whens.flat_map(|when| nodes(ir, when.reads())));
    }
    found
}

fn home(ir: &Ir, ix: NodeIx) -> Option<NodeIx> {
    ir.body(ir.node(ix).body).container
}

/// What repeats in a container. One around a gate is compared too, where it is a loop.
fn body(ir: &Ir, ix: NodeIx) -> Option<&str> {
    ir.node(ix).kind.body().map(|body| ir.body(body).digest.as_str())
}

type Ways = BTreeMap<String, Option<String>>;

fn ways_in(ir: &Ir, ix: NodeIx) -> Ways {
    ir.node(ix).ins.clone().map(|edge| way(ir, edge)).collect()
}

/// The out-edges that its own settling depends on: a condition can fail it, a handler keeps its failure from the run.
fn judged(ir: &Ir, ix: NodeIx) -> Ways {
    let outs = ir.node(ix).outs.iter().copied();
    let judged = |edge: &Edge| is_conditional(edge) || edge.after == After::Always;
    outs.filter(|&edge| judged(ir.edge(edge))).map(|edge| way(ir, edge)).collect()
}

fn way(ir: &Ir, ix: EdgeIx) -> (String, Option<String>) {
    let edge = ir.edge(ix);
    let condition = match mutant::is(Mutant::GateGroupMayGrow) && edge.otherwise {
        true => Some(String::new()),
        false => condition(ir, edge),
    };
    (ir.edge_name(ix), condition)
}

/// The first edge that one has and the other has not, or has with another condition.
fn differs(one: &Ways, other: &Ways) -> Option<String> {
    let all = one.keys().chain(other.keys());
    let mut all = all.filter(|name| one.get(*name) != other.get(*name));
    all.next().cloned()
}
