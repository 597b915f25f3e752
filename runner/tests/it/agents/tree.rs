//! Agents that bring child runs in, whose agents bring child runs in: all of them together are no more than the run at
//! the top may have.

use std::sync::Arc;

use aob_engine::event::{Cause, Change};
use aob_engine::state::{RunOutcome, State, Taken};
use aob_provider::Turn;
use aob_runner::runs::{Settings, Tagged};
use aob_store::Store;
use aob_store::embedded::Embedded;
use aob_store::redis::{Options, RedisStore};
use aob_store::testing::{RedisServer, ServerOptions};
use serde_json::{Value, json};

use super::scripted::{Bench, Scripted, call, text};

/// Patches child runs of `name` in beside one another.
fn brings(name: &str, ids: &[&str]) -> Value {
    let edits = ids.iter().flat_map(|id| {
        [
            json!({"do": "add_node", "id": id, "type": "workflow", "config": {"name": name}}),
            json!({"do": "connect", "from": "boss", "to": id}),
        ]
    });
    json!({"reason": "more hands", "edits": edits.collect::<Vec<_>>()})
}

fn agent(id: &str) -> Value {
    json!({"id": id, "type": "agent", "config": {"model": "a/b", "prompt": id}})
}

fn boss() -> Value {
    let policy = json!({"allow": ["workflow"], "ungated": ["workflow"], "maxNodes": 9});
    json!({"id": "boss", "type": "agent", "config": {"model": "a/b", "prompt": "boss", "patch": policy}})
}

fn named(name: &str, nodes: Value) -> Value {
    json!({"apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": name}, "spec": {"nodes": nodes}})
}

async fn publish(bench: &Bench, documents: &[Value]) {
    let tagged = Some(Tagged { tag: "main", by: "user:ada" });
    for document in documents {
        bench.runs.publish("default", document, tagged).await.expect("kept");
    }
}

/// The model, whose bosses bring in child runs of `name` once, and a bench of these workflows.
async fn bench(
    store: Arc<dyn Store>,
    name: &'static str,
    ids: &'static [&'static str],
    documents: &[Value],
) -> (Arc<Scripted>, Bench) {
    let mind = Scripted::new(move |ask, _| match &ask.turns[..] {
        [Turn::User(prompt)] if prompt == "boss" => call("patch", brings(name, ids)),
        _ => text("done"),
    });
    let bench = Bench::on(store, mind.clone(), Settings::default());
    publish(&bench, documents).await;
    (mind, bench)
}

/// How often an agent was asked for the first time.
fn began(mind: &Scripted) -> usize {
    mind.asked.lock().unwrap().iter().filter(|ask| ask.turns.len() == 1).count()
}

fn is_within(state: &State) {
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head.failure);
    assert_eq!(state.agents_taken(), Taken { had: 5, held: 0 });
    assert_eq!(state.starts_taken(), Taken { had: 5, held: 0 });
}

/// Three workflows deep, each with an agent: the second that is brought in finds one left, the third none.
#[tokio::test]
async fn child_runs_that_an_agent_brings_in_have_what_is_left() {
    let below = |name: &str| json!({"id": "below", "type": "workflow", "config": {"name": name}});
    let documents = [
        named("leaf", json!([agent("three")])),
        named("middle", json!([agent("two"), below("leaf")])),
        named("upper", json!([agent("one"), below("middle")])),
    ];
    let store = Arc::new(Embedded::volatile());
    let (mind, bench) = bench(store, "upper", &["a", "b", "c"], &documents).await;
    let (run, state) = bench.run(&named("above", json!([boss()]))).await;
    is_within(&state);
    assert_eq!(began(&mind), 5, "{:?}", mind.told());
    let mut children = Vec::new();
    let mut passed = Vec::new();
    for (_, change) in bench.changes(&run).await {
        match change {
            Change::Child { at, run, .. } => children.push((at, run)),
            Change::Settled { at, cause: Cause::AgentLimit, .. } => passed.push(at),
            _ => {}
        }
    }
    assert_eq!(passed, ["c"]);
    let [(_, first), (_, second)] = &children[..] else { panic!("{children:?}") };
    for (run, agents) in [(first, 3), (second, 1)] {
        let state = bench.runs.view(run).await.expect("a run").state;
        assert_eq!((state.head.allowed.agents, state.agents_taken().had), (Some(agents), agents));
    }
    bench.stop().await;
}

/// A workflow whose agent brings in that very workflow twice, as deep as they nest.
async fn bounded(store: Arc<dyn Store>) {
    let documents = [named("spawn", json!([boss()]))];
    let (mind, bench) = bench(store, "spawn", &["left", "right"], &documents).await;
    let (_, state) = bench.run(&documents[0]).await;
    is_within(&state);
    assert_eq!(began(&mind), 5, "{:?}", mind.told());
    bench.stop().await;
}

#[tokio::test]
async fn agents_that_bring_in_their_own_kind_end_at_the_limit_on_the_embedded_store() {
    bounded(Arc::new(Embedded::volatile())).await;
}

#[tokio::test]
async fn agents_that_bring_in_their_own_kind_end_at_the_limit_on_redis() {
    let server = RedisServer::start(ServerOptions::default()).expect("a server");
    let options = Options { shards: Some(2), ..Options::default() };
    bounded(Arc::new(RedisStore::open_with(&server.url(), options).await.expect("a store"))).await;
}
