//! R13: what a patch does in its own commit, told by instance.

use std::collections::BTreeSet;

use crate::event::{Cause, Change, Settled};
use crate::ir::Ir;
use crate::patch::Preview;
use crate::state::{IrSet, Live, State, instance_name};
use crate::step::Step;

/// What a step of [`super::apply_patch`] does to the run it was decided on. `irs` has the graph of `before` and, for
/// what a change to a begun container's body means, the one after the step; without that nothing is said of bodies.
///
/// An instance whose task is taken back and given out again is listed both under `recall` and under `start`. Names
/// are sorted.
pub fn preview(irs: &IrSet, before: &State, step: &Step) -> Preview {
    let mut preview = Preview { ends: step.state.is_ended(), ..Preview::default() };
    let mut start = BTreeSet::new();
    for change in step.event.iter().flat_map(|event| &event.changes) {
        match change {
            Change::Published { at, .. }
            | Change::Begun { at, .. }
            | Change::Child { at, .. }
            | Change::Delayed { at, .. } => drop(start.insert(at.clone())),
            // A question that stays open with a failure is no beginning.
            Change::Waiting { at, error: None, .. } => drop(start.insert(at.clone())),
            Change::Settled { at, outcome: Settled::Cancelled, cause: Cause::Cancel, .. } => {
                preview.cancel.push(at.clone());
            }
            Change::Settled { at, cause, .. } if *cause != Cause::Completion => {
                // What this very step would have given out has not begun.
                start.remove(at);
                preview.settle.push(at.clone());
            }
            _ => {}
        }
    }
    preview.start = start.into_iter().collect();
    each_live(irs, before, |name, live| {
        if step.effects.recall.contains(&live.cell) {
            preview.recall.push(name.to_owned());
        }
        if live.ticket.as_ref().is_some_and(|ticket| step.effects.close.contains(&ticket.id)) {
            preview.void.push(name.to_owned());
        }
    });
    preview.from_iteration = from_iteration(irs, before, step);
    for list in [&mut preview.recall, &mut preview.cancel, &mut preview.void, &mut preview.settle] {
        list.sort_unstable();
    }
    preview
}

/// Containers of the root that have begun, and whose body is another one now, with the first iteration that is on the
/// new one. Those within an iteration keep the body that this iteration began with; one that begins no further
/// iteration is left out.
fn from_iteration(irs: &IrSet, before: &State, step: &Step) -> Vec<(String, u32)> {
    let graphs = (irs.get(before.head.revision), irs.get(step.state.head.revision));
    let (Ok(old), Ok(new)) = graphs else { return Vec::new() };
    let body = |ir: &Ir, id: &str| {
        let body = ir.node(ir.find(id)?).kind.body()?;
        Some(ir.body(body).digest.clone())
    };
    let mut changed = Vec::new();
    each_live(irs, before, |name, live| {
        let Some(progress) = &live.container else { return };
        let ends = progress.next >= progress.total || progress.failure.is_some();
        if !name.contains('/') && !ends && body(old, name) != body(new, name) {
            changed.push((name.to_owned(), progress.next));
        }
    });
    changed.sort_unstable();
    changed
}

/// Every live instance by name.
fn each_live(irs: &IrSet, state: &State, mut tell: impl FnMut(&str, &Live)) {
    for (scope, marking) in &state.scopes {
        let Ok(ir) = irs.get(marking.revision) else { continue };
        let first = ir.body(marking.body).nodes.start;
        for (slot, live) in &marking.live {
            tell(&instance_name(scope, &ir.node(first + slot).id), live);
        }
    }
}
