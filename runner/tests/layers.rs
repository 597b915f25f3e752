//! The mission's fourth scenario against each layer alone, the others switched off: three agents, two more, and one too
//! many, put in every way that a model or a forger may write it.
//! `cargo test --workspace --features aob-runner/layers --test layers`

#![expect(clippy::panic, clippy::print_stdout, reason = "a test says what it expects, and panics")]

#[path = "it/agents/scripted.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "shared with the other tests of agents"
)]
mod scripted;

use std::sync::{Mutex, PoisonError};

use aob_engine::event::{Cause, Change};
use aob_engine::layer::{Judge, leave_on};
use aob_engine::state::RunOutcome;
use aob_provider::Turn;
use serde_json::{Value, json};

use scripted::{Bench, Scripted, call, text, workflow};

/// The switches are the process's: one test at a time.
static ONE: Mutex<()> = Mutex::new(());

fn agent(id: &str) -> Value {
    json!({"id": id, "type": "agent", "config": {
        "model": "a/b", "prompt": id, "patch": {"allow": ["agent", "transform"], "maxNodes": 4}}})
}

fn document() -> Value {
    workflow(json!({
        "nodes": [agent("one"), agent("two"), agent("three"),
            {"id": "last", "type": "transform", "config": {"value": 1}}],
        "edges": [{"from": "one", "to": "two"}, {"from": "two", "to": "three"}, {"from": "three", "to": "last"}]
    }))
}

fn small(id: &str) -> Value {
    json!({"id": id, "type": "agent", "config": {"model": "a/b", "prompt": id}})
}

fn two_more() -> Value {
    let edits = ["four", "five"].into_iter().flat_map(|id| {
        [
            json!({"do": "add_node", "id": id, "type": "agent", "config": {"model": "a/b", "prompt": id}}),
            json!({"do": "connect", "from": "one", "to": id}),
        ]
    });
    json!({"reason": "more hands", "edits": edits.collect::<Vec<_>>()})
}

/// Ways to write a sixth agent. Each makes a graph that is in order but for the number.
fn sixth() -> Vec<(&'static str, Value)> {
    let operations = |list: Value| json!({"reason": "one more", "operations": list});
    let edge = json!({"op": "add", "path": "/edges/-", "value": {"from": "two", "to": "six"}});
    vec![
        (
            "typed",
            json!({"reason": "one more", "edits": [
                {"do": "add_node", "id": "six", "type": "agent", "config": {"model": "a/b", "prompt": "six"}},
                {"do": "connect", "from": "two", "to": "six"}]}),
        ),
        (
            "raw",
            operations(json!([{"op": "add", "path": "/nodes/-", "value": small("six")}, edge])),
        ),
        (
            "named by its place",
            operations(json!([{"op": "add", "path": "/nodes/six", "value": small("six")}, edge])),
        ),
        (
            "made one after it was added",
            operations(json!([
                {"op": "add", "path": "/nodes/-", "value": {
                    "id": "six", "type": "transform", "config": {"model": "a/b", "prompt": "six"}}},
                {"op": "replace", "path": "/nodes/six/type", "value": "agent"},
                edge
            ])),
        ),
    ]
}

/// What came of the scenario with one way to write the sixth.
struct Seen {
    agents: u32,
    refusals: Vec<(String, String)>,
    passed: Vec<String>,
    asked: Vec<String>,
    outcome: Option<RunOutcome>,
}

async fn scenario(sixth: Value) -> Seen {
    let mind = Scripted::new(move |ask, _| {
        let Turn::User(prompt) = &ask.turns[0] else { return text("?") };
        match (prompt.as_str(), ask.turns.len()) {
            ("one", 1) => call("patch", two_more()),
            ("two", 1) => call("patch", sixth.clone()),
            _ => text("done"),
        }
    });
    let bench = Bench::new(&mind);
    let (run, state) = bench.run(&document()).await;
    let mut seen = Seen {
        agents: state.head.agents,
        refusals: Vec::new(),
        passed: Vec::new(),
        asked: Vec::new(),
        outcome: state.head.outcome,
    };
    for (_, change) in bench.changes(&run).await {
        match change {
            Change::PatchRefused { code, verdicts, .. } => {
                let last = verdicts.last().map(|said| said.layer.clone());
                seen.refusals.push((last.unwrap_or_default(), code));
            }
            Change::Settled { at, cause: Cause::AgentLimit, .. } => seen.passed.push(at),
            _ => {}
        }
    }
    for ask in mind.asked.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let Some(Turn::User(prompt)) = ask.turns.first() else { panic!("no question") };
        if !seen.asked.contains(prompt) {
            seen.asked.push(prompt.clone());
        }
    }
    bench.stop().await;
    seen
}

/// With all switched off a sixth agent works: so what refuses it below is the layer named, and nothing else.
#[tokio::test]
async fn without_any_layer_a_sixth_agent_works() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    leave_on(&[]);
    for (how, sixth) in sixth() {
        let seen = scenario(sixth).await;
        assert_eq!(seen.agents, 6, "{how}: {:?}", seen.refusals);
        assert!(seen.asked.iter().any(|prompt| prompt == "six"), "{how}: {:?}", seen.asked);
        assert_eq!(seen.outcome, Some(RunOutcome::Succeeded), "{how}");
    }
}

/// Each of the three that see a patch refuses it alone; five agents work and the run goes on.
#[tokio::test]
async fn each_layer_alone_refuses_the_sixth() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (judge, layer) in
        [(Judge::Runner, "runner"), (Judge::Receiver, "receiver"), (Judge::Commit, "commit")]
    {
        leave_on(&[judge]);
        for (how, sixth) in sixth() {
            let seen = scenario(sixth).await;
            println!("{layer} alone, {how}: {:?}", seen.refusals);
            assert_eq!(seen.agents, 5, "{layer}, {how}");
            assert!(!seen.refusals.is_empty(), "{layer}, {how}");
            assert!(seen.refusals.iter().all(|(by, _)| by == layer), "{how}: {:?}", seen.refusals);
            assert_eq!(seen.asked.len(), 5, "{layer}, {how}: {:?}", seen.asked);
            assert_eq!(seen.outcome, Some(RunOutcome::Succeeded), "{layer}, {how}");
        }
    }
}

/// Where tasks are given out: whatever let it in, it is passed over, and the run goes on.
#[tokio::test]
async fn a_sixth_that_is_in_is_given_no_task() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    leave_on(&[Judge::Dispatch]);
    for (how, sixth) in sixth() {
        let seen = scenario(sixth).await;
        assert_eq!((seen.agents, seen.refusals.len()), (6, 0), "{how}: {:?}", seen.refusals);
        assert!(seen.passed.iter().any(|at| at == "six"), "{how}: {:?}", seen.passed);
        assert!(!seen.asked.iter().any(|prompt| prompt == "six"), "{how}: {:?}", seen.asked);
        assert_eq!(seen.outcome, Some(RunOutcome::Succeeded), "{how}");
    }
}

/// The runner looks again before it asks a model: one that came in past everybody is not paid for.
#[tokio::test]
async fn a_sixth_that_is_in_asks_no_model() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    leave_on(&[]);
    let mind = Scripted::new(|ask, _| {
        let Turn::User(prompt) = &ask.turns[0] else { return text("?") };
        match (prompt.as_str(), ask.turns.len()) {
            ("one", 1) => call("patch", two_more()),
            ("two", 1) => call(
                "patch",
                json!({"reason": "one more", "edits": [
                    {"do": "add_node", "id": "six", "type": "agent", "config": {"model": "a/b", "prompt": "six"}},
                    {"do": "connect", "from": "three", "to": "six"}]}),
            ),
            // It is in and has not begun: this one layer looks from here on.
            ("three", _) => {
                leave_on(&[Judge::Runner]);
                text("done")
            }
            _ => text("done"),
        }
    });
    let bench = Bench::new(&mind);
    let (_, state) = bench.run(&document()).await;
    assert_eq!(state.head.agents, 6);
    let failure = state.head.failure.as_ref().map(|error| error.code.as_str());
    assert_eq!(failure, Some("agent_limit"));
    let asked = mind.asked.lock().unwrap_or_else(PoisonError::into_inner);
    let of_six = |ask: &&aob_provider::Ask| matches!(ask.turns.first(), Some(Turn::User(text)) if text == "six");
    assert_eq!(asked.iter().filter(of_six).count(), 0);
    drop(asked);
    bench.stop().await;
}
