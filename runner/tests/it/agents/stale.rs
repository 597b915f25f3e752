//! A graph that moves on between an agent's proposal and its answer: the patch is made on what is there by then, or the
//! model is told that it does not fit.

use std::sync::Arc;

use aob_engine::state::{RunOutcome, State};
use aob_provider::{Answer, Ask, Estimate, ModelError, ModelName};
use aob_runner::node::{Cancel, Mind};
use aob_runner::runs::{PatchAsk, What};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use super::scripted::{Bench, Scripted, call, text, workflow};

/// A model that has proposed its patch, and answers when it is let.
struct Held {
    inner: Arc<Scripted>,
    proposed: Notify,
    go: Semaphore,
}

#[async_trait]
impl Mind for Held {
    fn knows(&self, model: &ModelName) -> bool {
        self.inner.knows(model)
    }

    fn estimate(&self, ask: &Ask) -> Result<Estimate, ModelError> {
        self.inner.estimate(ask)
    }

    async fn ask(&self, ask: &Ask, cancel: &Cancel) -> Result<Answer, ModelError> {
        if ask.turns.len() == 3 {
            self.proposed.notify_one();
            drop(self.go.acquire().await);
        }
        self.inner.ask(ask, cancel).await
    }
}

/// It puts `check` between itself and what comes next.
fn held() -> Arc<Held> {
    let inner = Scripted::new(|_, n| match n {
        0 => call(
            "patch",
            json!({"reason": "nothing checks", "edits": [
                {"do": "add_node", "id": "check", "type": "transform", "config": {"value": "agent"}},
                {"do": "connect", "from": "think", "to": "check"},
                {"do": "connect", "from": "check", "to": "next"}]}),
        ),
        _ => text("done"),
    });
    Arc::new(Held { inner, proposed: Notify::new(), go: Semaphore::new(0) })
}

fn document() -> Value {
    workflow(json!({
        "nodes": [
            {"id": "think", "type": "agent", "config": {"model": "a/b", "prompt": "p", "patch": {"allow": ["transform"]}}},
            {"id": "next", "type": "transform", "config": {"value": 1}}
        ],
        "edges": [{"from": "think", "to": "next"}]
    }))
}

fn person(operations: Value) -> PatchAsk {
    PatchAsk {
        id: "patch_of_a_person".into(),
        what: What::Request(json!({"operations": operations})),
        by: "user:ada".to_owned(),
        groups: Vec::new(),
        approves: Vec::new(),
        dry_run: false,
    }
}

/// A person patches the run while the agent still thinks; how it ends, and what the model was told.
async fn moved_on(operations: Value) -> (Bench, Arc<State>, Vec<String>) {
    let mind = held();
    let bench = Bench::with(mind.clone());
    let run = bench.start(&document()).await;
    mind.proposed.notified().await;
    let patched = bench.runs.patch(&run, &person(operations)).await.expect("judged");
    assert!(patched.record.accepted().is_some(), "{:?}", patched.record);
    mind.go.add_permits(1);
    let state = bench.end(&run).await;
    (bench, state, mind.inner.told())
}

#[tokio::test]
async fn a_stale_base_that_meets_nothing_is_rebased() {
    let beside =
        json!([{"op": "add", "path": "/nodes/-", "value": {"id": "beside", "type": "noop"}}]);
    let (bench, state, told) = moved_on(beside).await;
    assert_eq!((state.head.outcome, state.head.revision), (Some(RunOutcome::Succeeded), 2));
    let view = bench.runs.view(&state.head.run).await.unwrap();
    assert!(view.ir.find("beside").is_some() && view.ir.find("check").is_some());
    assert_eq!(told.len(), 2, "the model hears nothing of it: {told:?}");
    bench.stop().await;
}

/// What its patch leads to is gone: refused in the commit, told to the model, and the run goes on without.
#[tokio::test]
async fn a_stale_base_that_meets_a_change_is_refused_and_told() {
    let (bench, state, told) = moved_on(json!([
        {"op": "remove", "path": "/edges/think->next"}, {"op": "remove", "path": "/nodes/next"}
    ]))
    .await;
    assert_eq!((state.head.outcome, state.head.revision), (Some(RunOutcome::Succeeded), 1));
    let view = bench.runs.view(&state.head.run).await.unwrap();
    assert!(view.ir.find("check").is_none());
    assert!(told.len() > 2 && told[2].contains("refused"), "{told:?}");
    bench.stop().await;
}

/// Two patches at once that both add a node of one name: one of them is taken, whichever comes first, and the other is
/// told. Nothing of the loser's is in the graph.
#[tokio::test]
async fn of_two_patches_at_once_one_is_taken() {
    for round in 0..10 {
        let mind = held();
        let bench = Bench::with(mind.clone());
        let run = bench.start(&document()).await;
        mind.proposed.notified().await;
        let ask = person(json!([{"op": "add", "path": "/nodes/-", "value": {
            "id": "check", "type": "transform", "config": {"value": "person"}}}]));
        // Either may be first: the agent's way to its commit is longer by so many turns of the executor.
        mind.go.add_permits(1);
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        let patched = bench.runs.patch(&run, &ask).await.expect("judged");
        let state = bench.end(&run).await;
        assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head.failure);
        let persons = patched.record.accepted().is_some();
        let expected = if persons { "person" } else { "agent" };
        println!("round {round}: the {expected}'s");
        assert_eq!(bench.output(&run, Some("check")).await, json!(expected));
        assert_eq!(state.head.revision, 1, "and no other");
        bench.stop().await;
    }
}
