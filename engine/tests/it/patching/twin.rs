//! L3: the run that was started on the final graph and to which the same happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_engine::event::{Cause, Change, Settled};
use aob_engine::route::Candidate;
use aob_engine::state::{EdgeState, encode, fold};
use aob_engine::step::{Answer, Input, Reply, Verdict};
use serde_json::json;

use super::play::{Given, Play, compiled, decision, ran_on};
use crate::simulate::Simulation;

/// What is counted where a failure stands on the final graph that a person replaced.
pub(crate) const SETTLED_BY_HAND: &str = "settled by hand, nobody asked on the final graph";

/// Compares a run that has ended with its twin; false if this law says nothing about it.
pub(crate) fn compare(play: &mut Play) -> bool {
    refold(&play.run);
    if play.held_back {
        play.count("suspended while it failed");
        return false;
    }
    let ir = compiled(&play.document).expect("an accepted graph compiles");
    let mut twin = Simulation::start(ir, json!({}));
    let mut ran = BTreeMap::new();
    let (given, by_hand) = last_answers(&play.given);
    for one in &given {
        if !give(&mut twin, one, &mut ran) {
            play.count(SETTLED_BY_HAND);
            return false;
        }
    }
    let open = || {
        let tasks = twin.tasks.values().map(|task| task.instance.clone());
        let timers = twin.timers.keys().map(|timer| timer.instance.clone());
        (tasks.collect::<Vec<_>>(), timers.collect::<Vec<_>>())
    };
    assert!(
        twin.state.is_ended(),
        "L3: the run on the final graph ends too; open are the tasks, and the timers: {:?}",
        open()
    );
    let (this, other) = (view(&play.run, &by_hand), view(&twin, &by_hand));
    for (name, here) in &this {
        let there = other.get(name).map_or("nothing", String::as_str);
        assert_eq!(here, there, "L3: {name} patched, and on the final graph");
    }
    assert_eq!(this.len(), other.len(), "L3: as much in both");
    assert_eq!(play.run.state.head.outcome, twin.state.head.outcome, "L3: the outcome");
    for (name, there) in ran.iter().filter(|(name, _)| !by_hand.contains(name)) {
        let here = play.ran_on.get(name).map_or("nothing", String::as_str);
        assert_eq!(here, there, "L3: what {name} ran on, patched and on the final graph");
    }
    true
}

/// L1 over all revisions.
fn refold(run: &Simulation) {
    let mut state = None;
    for (event, line) in &run.events {
        state = Some(fold(state, event, line, &run.irs).expect("L1: the event folds"));
    }
    let state = state.expect("a start");
    assert_eq!(encode(&state), encode(&run.state), "L1: the state is the fold of all events");
}

/// An answer on which the instance paused, and that a person then replaced by another, counts as that other one; its
/// attempts and what they ran on are not compared.
fn last_answers(given: &[Given]) -> (Vec<Given>, Vec<String>) {
    let (mut kept, mut by_hand): (Vec<Given>, Vec<String>) = (Vec::new(), Vec::new());
    for one in given {
        let Given::Decided(instance, Reply::Settle(output)) = one else {
            kept.push(one.clone());
            continue;
        };
        by_hand.push(instance.clone());
        let paused = kept
            .iter()
            .rposition(|known| matches!(known, Given::Answered(name, _) if name == instance));
        match paused {
            Some(at) => {
                kept.remove(at);
                kept.push(Given::Answered(instance.clone(), Answer::Output(output.clone())));
            }
            None => kept.push(one.clone()),
        }
    }
    (kept, by_hand)
}

/// Has the same happen; false if something other than an answer failed (a body, an edge's condition, a worker too often),
/// a person settled it by hand, and the final graph asks nobody: it fails for good, or does not fail.
fn give(run: &mut Simulation, one: &Given, ran: &mut BTreeMap<String, String>) -> bool {
    let task = |run: &Simulation, name: &str| {
        let task = run.tasks.values().find(|task| task.instance == name).cloned();
        task.unwrap_or_else(|| panic!("L3: {name} is out on the final graph"))
    };
    match one {
        Given::Answered(name, answer) => {
            let task = task(run, name);
            if matches!(answer, Answer::Output(_)) {
                ran.insert(name.clone(), ran_on(&task));
            }
            assert_eq!(run.complete(&task, answer.clone()), Verdict::Applied);
        }
        Given::Lost(name) => {
            let fence = task(run, name).fence;
            let input = Input::Lost { instance: name.clone(), fence, begun: false };
            assert_eq!(run.take(&[input]), [Verdict::Applied], "L3: {name} is lost");
        }
        Given::BackoffOver(name) | Given::Delayed(name) => {
            let timer = run.timers.keys().find(|timer| timer.instance == *name).cloned();
            let timer = timer.unwrap_or_else(|| panic!("L3: {name} waits on the final graph"));
            let due = run.timers.remove(&timer).unwrap_or_default();
            run.now.time = run.now.time.max(due);
            assert_eq!(run.take(&[Input::Timer(timer)]), [Verdict::Applied]);
        }
        Given::Decided(name, reply) => {
            let verdicts = run.take(&[Input::Decision(decision(name, reply))]);
            let too_late = matches!(verdicts[..], [Verdict::Superseded | Verdict::Ended]);
            if too_late && matches!(reply, Reply::Settle(_)) {
                assert!(has_settled(run, name), "L3: {name} is settled by hand");
                return false;
            }
            assert_eq!(verdicts, [Verdict::Applied], "L3: {name} is decided");
        }
        Given::Cancelled(name) => {
            let _ = task(run, name);
            let ir = run.irs.get(run.state.head.revision).expect("the revision").clone();
            let candidate = cancelling(ir, name);
            let done = run.patch(&candidate, std::slice::from_ref(name));
            assert!(done.is_ok(), "L3: {name} is cancelled: {done:?}");
        }
    }
    true
}

/// Whether an instance has settled here, so that nobody is asked about it.
fn has_settled(run: &Simulation, name: &str) -> bool {
    let mut changes = run.events.iter().flat_map(|(event, _)| &event.changes);
    changes.any(|change| matches!(change, Change::Settled { at, .. } if at == name))
}

/// By an approver, as it was: whoever may not decide at a gate cancels nothing that decides whether it is asked.
fn cancelling(ir: Arc<aob_engine::ir::Ir>, name: &str) -> Candidate {
    let approves = ir.nodes.iter().map(|node| node.id.to_string()).collect();
    Candidate {
        id: format!("patch_{name}"),
        operations: format!("sha256:{:064x}", 0),
        ir,
        cancel: vec![name.to_owned()],
        approves,
        by: "user:eve".to_owned(),
        reason: None,
        undoes: None,
        verdicts: Vec::new(),
    }
}

/// Per instance how it settled, after how many attempts, with which output, and what a gate had asked; per edge of the
/// root whether it was followed.
pub(crate) fn view(run: &Simulation, by_hand: &[String]) -> BTreeMap<String, String> {
    let mut view = BTreeMap::new();
    for (event, _) in &run.events {
        for change in &event.changes {
            let Change::Settled { at, outcome, cause, attempt, digest, .. } = change else {
                continue;
            };
            let attempt = if by_hand.contains(at) { &0 } else { attempt };
            let asked = match (outcome, cause) {
                (Settled::Succeeded, Cause::Decision) => run.context.get(&format!("{at}#config")),
                _ => None,
            };
            let asked = asked.and_then(|asked| asked.value.clone());
            view.insert(at.clone(), format!("{outcome:?} {attempt} {digest:?} {asked:?}"));
        }
    }
    let marking = &run.state.scopes[""];
    let ir = run.irs.get(marking.revision).expect("the revision");
    for (slot, state) in marking.nodes.iter().enumerate() {
        let id = ir.node(ir.body(0).nodes.start + slot as u32).id.to_string();
        assert!(state.is_settled(), "L6: {id} has settled");
        let known = view.get(&id).map_or("", String::as_str);
        assert!(!known.is_empty(), "L1: {id} settled in an event");
    }
    for ix in ir.body(0).edges.clone() {
        let state = marking.edges[ir.edge_slot(ix)];
        let name = ir.edge_name(ix);
        assert_ne!(state, EdgeState::Unsettled, "L6: {name} has settled");
        view.insert(name, (state != EdgeState::Dead).to_string());
    }
    view
}
