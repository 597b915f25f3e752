//! Patches on the fork of a run: taken out again, in either order, in two halves.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_engine::event::Change;
use aob_engine::ir::Ir;
use aob_engine::patch::{self, Operation, Overlay, PatchLimits, materialize};
use aob_engine::route::Candidate;
use aob_engine::state::{Asks, EdgeState, NodeState};
use serde_json::Value;

use super::play::{Play, compiled, ran_on};
use super::trail;
use super::twin::view;
use crate::simulate::Simulation;

/// Canonical operations, and the graph that they lead to.
#[derive(Clone)]
pub(crate) struct Edit {
    pub(crate) operations: Vec<Operation>,
    pub(crate) document: Value,
    pub(crate) ir: Arc<Ir>,
}

impl Edit {
    pub(crate) fn of(document: &Value, operations: &[Operation]) -> Option<Self> {
        let document = materialize(document, &[operations]).ok()?;
        let ir = Arc::new(compiled(&document)?);
        Some(Self { operations: operations.to_vec(), document, ir })
    }

    /// The operations that take it out of the graph that it was made on.
    pub(crate) fn undone(&self, base: &Value) -> Option<Self> {
        let overlay = Overlay {
            id: "patch_1".to_owned(),
            operations: self.operations.clone(),
            by: "user:eve".to_owned(),
            time: 0,
            reason: None,
            undoes: None,
        };
        let operations = patch::undo(base, &[overlay], "patch_1", &self.document).ok()?;
        Self::of(&self.document, &operations)
    }
}

/// The operations that a request means on a graph; none if it cannot be read there.
pub(crate) fn asked(document: &Value, request: &Value) -> Option<Vec<Operation>> {
    let request = patch::read(request, &PatchLimits::default()).ok()?;
    patch::canonical(&request.operations, Some(document)).ok()
}

/// Said of a patch to what an earlier one of two let begin, or what had begun.
pub(crate) const INTO_BODY: &str = "into a begun body";

/// The run with these patches one after the other; the rule that refused one.
pub(crate) fn patched(play: &Play, edits: &[&Edit]) -> Result<Play, &'static str> {
    let mut fork = play.clone();
    for edit in edits {
        trail::patch(&edit.operations);
        if edits.len() > 1 && fork.is_into_begun_body(&edit.ir) {
            // L4's business: what has begun keeps its body, so it matters what came first.
            return Err(INTO_BODY);
        }
        let old = fork.run.irs.get(fork.run.state.head.revision).expect("the revision").clone();
        let nodes = old.nodes.iter().chain(&edit.ir.nodes);
        fork.patches += 1;
        let candidate = Candidate {
            id: format!("patch_{}", fork.patches),
            operations: patch::digest(&edit.operations),
            approves: nodes.map(|node| node.id.to_string()).collect(),
            ir: Arc::clone(&edit.ir),
            cancel: Vec::new(),
            by: "user:eve".to_owned(),
            reason: None,
            undoes: None,
            verdicts: Vec::new(),
        };
        let claimed = fork.claimed.clone();
        fork.run.patch(&candidate, &claimed).map_err(|issues| {
            let rule = issues[0].entry.name;
            trail::note(&format!("refused: {rule}"));
            rule
        })?;
        fork.document.clone_from(&edit.document);
    }
    Ok(fork)
}

/// Whether the last commit only began and led: what settled, paused or ended does not come back.
pub(crate) fn may_be_undone(play: &Play) -> bool {
    let (event, _) = play.run.events.last().expect("an event");
    event.changes.iter().all(|change| match change {
        Change::Waiting { asks, .. } => *asks == Asks::Gate,
        Change::Settled { .. }
        | Change::Answered { .. }
        | Change::IterationEnded { .. }
        | Change::Stopped { .. }
        | Change::Failing { .. }
        | Change::Finally { .. }
        | Change::Ended { .. } => false,
        _ => true,
    })
}

/// Two runs that are to be the same: the graph, the marking, what is out; and how they end.
pub(crate) fn alike(law: &str, one: Play, other: Play) {
    assert_eq!(one.run.state.head.digest, other.run.state.head.digest, "{law}: the digest");
    assert_eq!(one.run.state.status(), other.run.state.status(), "{law}: the status");
    same(law, "marking", &marking(&one.run), &marking(&other.run));
    let (out, others) = (tasks(&one.run), tasks(&other.run));
    for (name, task) in &out {
        if let Some(there) = others.get(name) {
            assert_eq!(task, there, "{law}: what {name} runs on");
        }
    }
    if one.run.state.head.suspended {
        // What is out in the one may be held back in the other.
        return;
    }
    assert!(out.keys().eq(others.keys()), "{law}: {:?} and {:?} are out", out, others);
    let [one, other] = [one, other].map(|mut play| {
        play.finish();
        play
    });
    assert_eq!(one.run.state.head.outcome, other.run.state.head.outcome, "{law}: the outcome");
    same(law, "end", &view(&one.run, &[]), &view(&other.run, &[]));
}

fn same(law: &str, of: &str, one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) {
    for name in one.keys().chain(other.keys()) {
        let [here, there] = [one, other].map(|view| view.get(name).map_or("nothing", |it| it));
        assert_eq!(here, there, "{law}: {of} of {name}");
    }
}

fn tasks(run: &Simulation) -> BTreeMap<String, String> {
    run.tasks.values().map(|task| (task.instance.clone(), ran_on(task))).collect()
}

/// Per instance its state, failed tries and question (ready and active are one), per edge whether it was followed.
fn marking(run: &Simulation) -> BTreeMap<String, String> {
    let mut view = BTreeMap::new();
    for (scope, marking) in &run.state.scopes {
        let ir = run.irs.get(marking.revision).expect("the revision");
        let body = ir.body(marking.body);
        for ix in body.nodes.clone() {
            let slot = ir.slot(ix);
            let state = match marking.nodes[slot] {
                NodeState::Ready | NodeState::Active => "enabled".to_owned(),
                state => format!("{state:?}"),
            };
            let live = marking.live.get(&(slot as u32));
            let tried = live.map(|live| (live.failures, live.losses, live.returns));
            let asks = live.and_then(|live| Some(live.ticket.as_ref()?.asks));
            let progress = live.and_then(|live| live.container.as_ref());
            let name = aob_engine::state::instance_name(scope, &ir.node(ix).id);
            view.insert(name, format!("{state} {tried:?} {asks:?} {progress:?}"));
        }
        for ix in body.edges.clone() {
            let state = match marking.edges[ir.edge_slot(ix)] {
                EdgeState::Taken | EdgeState::Absorbed => "followed",
                EdgeState::Dead => "dead",
                EdgeState::Unsettled => "unsettled",
            };
            view.insert(format!("{scope}/{}", ir.edge_name(ix)), state.to_owned());
        }
    }
    view
}
