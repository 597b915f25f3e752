//! The mission's fourth scenario: three agents, two more, and one too many.

use std::sync::atomic::{AtomicUsize, Ordering};

use aob_engine::event::Change;
use aob_engine::patch::Answer as PatchAnswer;
use aob_engine::state::RunOutcome;
use aob_engine::step::{Answer, Input};
use aob_runner::runs::{PatchAsk, What};
use serde_json::{Value, json};

use super::scripted::{Bench, Scripted, call, text, workflow};

fn agent(id: &str) -> Value {
    json!({"id": id, "type": "agent", "config": {
        "model": "a/b", "prompt": id, "patch": {"allow": ["agent", "transform"], "maxNodes": 4}}})
}

/// One after the other, so that what each finds is known.
fn three() -> Value {
    workflow(json!({
        "nodes": [agent("one"), agent("two"), agent("three")],
        "edges": [{"from": "one", "to": "two"}, {"from": "two", "to": "three"}]
    }))
}

fn adds(source: &str, ids: &[&str]) -> Value {
    let edits = ids.iter().flat_map(|id| {
        [
            json!({"do": "add_node", "id": id, "type": "agent", "config": {"model": "a/b", "prompt": "small"}}),
            json!({"do": "connect", "from": source, "to": id}),
        ]
    });
    json!({"reason": "more hands", "edits": edits.collect::<Vec<_>>()})
}

#[tokio::test]
async fn two_more_are_taken_and_a_sixth_is_not() {
    let tries = AtomicUsize::new(0);
    let mind = Scripted::new(move |ask, _| {
        let first = ask.turns.len() == 1;
        let aob_provider::Turn::User(prompt) = &ask.turns[0] else { return text("?") };
        match (prompt.as_str(), first) {
            ("one", true) => call("patch", adds("one", &["four", "five"])),
            ("two", true) => call("patch", adds("two", &["six"])),
            // It is told why, and does with less.
            ("two", false) if tries.fetch_add(1, Ordering::Relaxed) == 0 => call(
                "patch",
                json!({"reason": "alone then", "edits": [
                    {"do": "add_node", "id": "sum", "type": "transform", "config": {"value": 1}},
                    {"do": "connect", "from": "two", "to": "sum"}]}),
            ),
            _ => text("done"),
        }
    });
    let bench = Bench::new(&mind);
    let (run, state) = bench.run(&three()).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head);
    assert_eq!((state.head.agents, state.head.revision), (5, 2));
    assert_eq!(bench.output(&run, Some("sum")).await, json!(1));
    let refused = mind.told().into_iter().find(|told| told.contains("refused")).expect("a refusal");
    assert!(refused.contains("with this patch it would be 6"), "{refused}");
    assert!(refused.contains("expected: Do the work without another agent"), "{refused}");
    bench.stop().await;
}

fn request(id: &str) -> Value {
    json!({"operations": [{"op": "add", "path": "/nodes/-", "value": {
        "id": id, "type": "agent", "config": {"model": "a/b", "prompt": "p"}}}]})
}

/// Sent past the runner, in the name of a live attempt: the receiver counts for itself.
#[tokio::test]
async fn a_forged_patch_that_passes_the_runner_is_refused_by_its_receiver() {
    let mind = Scripted::new(|_, _| text("done"));
    let bench = Bench::new(&mind);
    // Nobody serves it here: the test itself is the worker.
    let mut document = three();
    document["spec"]["limits"] = json!({"agents": 3});
    document["spec"]["nodes"][0]["timeout"] = json!("1m");
    let (run, state) = bench.run(&document).await;
    assert!(state.is_ended());
    let ask = |id: &str| PatchAsk {
        id: format!("patch_{id}").into(),
        what: What::Request(request(id)),
        by: "agent:one".into(),
        groups: Vec::new(),
        approves: Vec::new(),
        dry_run: true,
    };
    let then = [Input::Settled {
        instance: "one".into(),
        fence: aob_engine::state::Fence(0, 1),
        result: Answer::Output(std::sync::Arc::new(json!({}))),
    }];
    let patched = bench.runs.patch_with(&run, &ask("four"), &then).await.unwrap();
    let PatchAnswer::Refused(found) = patched.record.answer else { panic!("it is taken") };
    assert_eq!(found[0].code, "AOB9023", "{found:?}");
    assert!(found[0].message.contains("would have had 4 agents"), "{found:?}");
    bench.stop().await;
}

/// Dispatches are counted where tasks are given out, whoever let an agent in: the run goes on without it.
#[tokio::test]
async fn a_start_too_many_is_passed_over() {
    let mind = Scripted::new(|_, _| text("done"));
    let bench = Bench::new(&mind);
    let mut document = three();
    document["spec"]["limits"] = json!({"agentStarts": 2});
    let (run, state) = bench.run(&document).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded));
    let passed = bench.changes(&run).await.into_iter().find_map(|(_, change)| match change {
        Change::Settled { at, cause: aob_engine::event::Cause::AgentLimit, .. } => Some(at),
        _ => None,
    });
    assert_eq!(passed.as_deref(), Some("three"));
    assert_eq!(mind.asked.lock().unwrap().len(), 2);
    bench.stop().await;
}
