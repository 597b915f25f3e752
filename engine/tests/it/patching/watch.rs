//! R8: whoever patches without a word at a gate leads nothing round it. What a gate guarded in a graph, and had not
//! begun when that graph was patched, never begins unless the gate opens.

use std::collections::{BTreeMap, BTreeSet};

use aob_engine::event::{Change, Settled};
use aob_engine::ir::{After, Ir, Join, Kind, Node, NodeIx};
use aob_engine::state::{Asks, split_instance, split_scope};
use serde_json::Value;

use super::play::Play;
use crate::simulate::Simulation;

/// What guards whom, as the events of a run go by.
#[derive(Clone)]
pub(crate) struct Watch {
    seed: u64,
    document: Value,
    /// Gates by the id of a node that they guarded at any time since it came.
    due: BTreeMap<String, BTreeSet<String>>,
    begun: BTreeSet<String>,
    settled: BTreeMap<String, Settled>,
    seen: usize,
    /// Only looks on.
    pub(crate) blind: bool,
}

impl Watch {
    pub(crate) fn start(seed: u64, document: &Value, run: &Simulation) -> Self {
        let mut watch = Self {
            seed,
            document: document.clone(),
            due: BTreeMap::new(),
            begun: BTreeSet::new(),
            settled: BTreeMap::new(),
            seen: 0,
            blind: false,
        };
        watch.owe(run.irs.get(0).expect("the revision"));
        watch
    }

    /// Looks at the events that have come since.
    pub(crate) fn look(&mut self, run: &Simulation) {
        for (event, _) in &run.events[self.seen..] {
            for change in &event.changes {
                self.change(change, run);
            }
        }
        self.seen = run.events.len();
    }

    fn change(&mut self, change: &Change, run: &Simulation) {
        match change {
            Change::Settled { at, outcome, .. } => {
                self.begun.insert(at.clone());
                self.settled.insert(at.clone(), *outcome);
            }
            Change::Patched(patched) => {
                let old = run.irs.get(patched.revision - 1).expect("the old revision");
                let new = run.irs.get(patched.revision).expect("the new revision");
                for node in &old.nodes {
                    if !self.settled.contains_key(&*node.id) {
                        is_the_same(node, new);
                    }
                }
                for id in &patched.recalled {
                    self.begun.remove(id);
                }
                self.owe(old);
                self.due.retain(|id, _| new.find(id).is_some());
            }
            Change::Published { at, .. }
            | Change::Begun { at, .. }
            | Change::Delayed { at, .. }
            | Change::Child { at, .. }
            | Change::Waiting { at, asks: Asks::Gate, .. } => {
                self.check(at);
                self.begun.insert(at.clone());
            }
            _ => {}
        }
    }

    /// What has not begun is owed the gates of this graph.
    fn owe(&mut self, ir: &Ir) {
        for ix in 0..ir.nodes.len() as NodeIx {
            let id = ir.node(ix).id.to_string();
            if !self.begun.contains(&id) {
                self.due.entry(id).or_default().extend(guards(ir, ix));
            }
        }
    }

    fn check(&self, at: &str) {
        if self.blind {
            return;
        }
        let id = split_instance(at).1;
        for gate in self.due.get(id).into_iter().flatten() {
            match self.of_gate(at, gate) {
                Some(Settled::Succeeded) => {}
                // A gate that its own conditions leave out guards nothing; a patch does not leave it out.
                Some(Settled::Skipped) => {
                    assert!(!self.is_asked_unpatched(gate), "R8: {at} began, {gate} was left out");
                }
                other => panic!("R8: {at} began, its approval {gate} is {other:?}"),
            }
        }
    }

    /// How the gate of an instance settled: in its own scope or one around.
    fn of_gate(&self, at: &str, gate: &str) -> Option<Settled> {
        let mut scope = split_instance(at).0;
        loop {
            let name = aob_engine::state::instance_name(scope, gate);
            if let Some(outcome) = self.settled.get(&name) {
                return Some(*outcome);
            }
            let (container, _) = split_scope(scope)?;
            scope = split_instance(container).0;
        }
    }

    /// Whether a gate of the root is asked in the run that nobody patches.
    fn is_asked_unpatched(&self, gate: &str) -> bool {
        let Some(mut play) = Play::unpatched(self.seed, &self.document) else { return false };
        play.finish();
        let mut changes = play.run.events.iter().flat_map(|(event, _)| &event.changes);
        changes.any(
            |change| matches!(change, Change::Waiting { at, asks: Asks::Gate, .. } if at == gate),
        )
    }
}

/// A gate that has not settled asks the same, and its answer leads to the same.
fn is_the_same(node: &Node, new: &Ir) {
    let Kind::Approval { config } = &node.kind else { return };
    let id = &node.id;
    let Some(to) = new.find(id) else { panic!("R8: the approval {id} was removed") };
    let other = new.node(to);
    let Kind::Approval { config: asks } = &other.kind else { panic!("R8: {id} is none any more") };
    let asks_the_same = config.source() == asks.source() && node.timeout == other.timeout;
    assert!(asks_the_same, "R8: the approval {id} asks something else");
    let leads = (node.join, node.on_error) == (other.join, other.on_error);
    assert!(leads, "R8: the approval {id} joins or fails otherwise");
}

/// The gates that a node cannot begin without.
pub(crate) fn guards(ir: &Ir, ix: NodeIx) -> BTreeSet<String> {
    let node = ir.node(ix);
    let is_gate = |ix: NodeIx| matches!(ir.node(ix).kind, Kind::Approval { .. });
    let mut found = match ir.body(node.body).container {
        Some(container) => guards(ir, container),
        None => BTreeSet::new(),
    };
    let mut common: Option<BTreeSet<String>> = None;
    for edge in node.ins.clone() {
        let edge = ir.edge(edge);
        let mut here = guards(ir, edge.from);
        if is_gate(edge.from) && edge.after == After::Success {
            here.insert(ir.node(edge.from).id.to_string());
            if node.join == Join::All {
                found.insert(ir.node(edge.from).id.to_string());
            }
        }
        common = Some(match common {
            None => here,
            Some(common) => common.intersection(&here).cloned().collect(),
        });
    }
    found.extend(common.unwrap_or_default());
    found
}
