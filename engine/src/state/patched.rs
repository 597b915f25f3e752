//! The marking of the root, carried from one revision to the next.

use std::sync::Arc;

use super::{
    Corrupt, EdgeState, Head, IrSet, Marking, NodeState, State, allowance, split_instance,
};
use crate::event::Patched;
use crate::guarded;
use crate::ir::{Ir, Kind, ROOT};
use crate::mutant::{self, Mutant};

/// Carries what is known by id and by edge identity; what is new is idle and unsettled.
pub(super) fn apply(
    state: &mut State,
    patched: &Patched,
    by: &str,
    irs: &IrSet,
) -> Result<(), Corrupt> {
    let old = irs.get(state.head.revision)?.clone();
    let new = irs.get(patched.revision)?.clone();
    let before = state.scopes.remove("").ok_or_else(|| Corrupt("a run has a root".to_owned()))?;
    let mut after = Marking::new(&new, ROOT, patched.revision);
    after.failed.clone_from(&before.failed);
    let mut carry = Carry { state, old: &old, new: &new, patched };
    carry.nodes(&before, &mut after);
    carry.edges(&before, &mut after)?;
    let (was, is) = (before.nodes.len() as u64, after.nodes.len() as u64);
    state.head.instances = (state.head.instances + is).saturating_sub(was);
    let agents = |ir: &Ir| -> Vec<Arc<str>> {
        ir.nodes.iter().filter(|node| node.is_agent()).map(|node| node.id.clone()).collect()
    };
    state.head.agents_gone.extend(agents(&old));
    for id in agents(&new) {
        state.head.agents_gone.remove(&id);
    }
    let gone = u32::try_from(state.head.agents_gone.len()).unwrap_or(u32::MAX);
    state.head.agents = new.agents.saturating_add(gone);
    if by.starts_with("user:") {
        note_patcher(&mut state.head, &before, &old, &new, by);
    }
    if let Some(agent) = by.strip_prefix("agent:") {
        let placed = state.head.placed.entry(split_instance(agent).1.into()).or_default();
        *placed = placed.saturating_add(allowance::taken(&old, &new));
    }
    let digest = std::mem::replace(&mut state.head.digest, patched.digest.as_str().into());
    state.head.base.get_or_insert_with(|| digest.clone());
    state.head.pinned.insert(state.head.revision, digest);
    state.head.revision = patched.revision;
    state.head.patches += 1;
    state.scopes.insert("".into(), after);
    let live: Vec<u32> = state.scopes.values().map(|marking| marking.revision).collect();
    state.head.pinned.retain(|revision, _| live.contains(revision));
    Ok(())
}

/// Notes who changed what approvals guard that nobody has passed.
fn note_patcher(head: &mut Head, before: &Marking, old: &Ir, new: &Ir, by: &str) {
    for gate in guarded::touched(old, new) {
        let state = old.find(&gate).and_then(|ix| before.nodes.get(old.slot(ix)));
        if state.is_some_and(|state| !state.is_settled()) {
            head.patchers.entry(gate).or_default().insert(by.into());
        }
    }
}

struct Carry<'a> {
    state: &'a mut State,
    old: &'a Arc<Ir>,
    new: &'a Arc<Ir>,
    patched: &'a Patched,
}

impl Carry<'_> {
    fn nodes(&mut self, before: &Marking, after: &mut Marking) {
        let start = self.old.body(ROOT).nodes.start;
        for (slot, &was) in before.nodes.iter().enumerate() {
            let node = self.old.node(start + slot as u32);
            let live = before.live.get(&(slot as u32));
            let to = self.new.find(&node.id).filter(|&ix| self.new.node(ix).body == ROOT);
            let recalled = self.patched.recalled.iter().any(|name| **name == *node.id);
            let published = was == NodeState::Active && matches!(node.kind, Kind::Task { .. });
            if published && (recalled || to.is_none()) && !mutant::is(Mutant::RecallForgetsToken) {
                self.state.head.tokens = self.state.head.tokens.saturating_sub(1);
            }
            let Some(to) = to.map(|ix| self.new.slot(ix)) else {
                self.free(live);
                continue;
            };
            // What was tried before keeps its count of failures and stays enabled.
            let tried = live.is_some_and(|live| live.was_tried())
                && !mutant::is(Mutant::RecallForgetsFailures);
            match (recalled, live) {
                (true, Some(live)) if tried => {
                    let mut live = live.clone();
                    live.due = None;
                    live.ticket = None;
                    after.nodes[to] = NodeState::Ready;
                    after.live.insert(to as u32, live);
                }
                (true, live) => self.free(live),
                (false, live) => {
                    after.nodes[to] = was;
                    if let Some(live) = live {
                        after.live.insert(to as u32, live.clone());
                    }
                }
            }
        }
        after.unsettled = after.nodes.iter().filter(|state| !state.is_settled()).count() as u32;
    }

    fn edges(&mut self, before: &Marking, after: &mut Marking) -> Result<(), Corrupt> {
        for ix in self.new.body(ROOT).edges.clone() {
            let edge = self.new.edge(ix);
            let name = self.new.edge_name(ix);
            if self.patched.reset.contains(&name) && !mutant::is(Mutant::ResetForgotten) {
                continue;
            }
            let ends = (
                self.old.find(&self.new.node(edge.from).id),
                self.old.find(&self.new.node(edge.to).id),
            );
            let (Some(from), Some(to)) = ends else { continue };
            if let Some(known) = self.old.find_edge(from, to, edge.after) {
                let slot = self.old.edge_slot(known);
                let state = before.edges.get(slot).copied().unwrap_or(EdgeState::Unsettled);
                after.edges[self.new.edge_slot(ix)] = state;
            }
        }
        Ok(())
    }

    fn free(&mut self, live: Option<&super::Live>) {
        if let Some(live) = live {
            self.state.free.insert(live.cell);
        }
    }
}
