//! What the agents of a child run use counts in the run above it.

use std::sync::Arc;
use std::time::Duration;

use aob_engine::state::{Asks, RunOutcome, State};
use aob_engine::step::{Decision, Input, Reply, Verdict};
use aob_runner::runs::{Settings, Tagged};
use aob_store::Store;
use aob_store::embedded::Embedded;
use aob_store::redis::{Options, RedisStore};
use aob_store::testing::{RedisServer, ServerOptions};
use serde_json::{Value, json};

use super::scripted::{Bench, Scripted, call, text};

fn named(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": name}, "spec": spec})
}

/// One agent that asks once.
fn child() -> Value {
    named(
        "child",
        json!({"nodes": [{"id": "think", "type": "agent", "config": {"model": "a/b", "prompt": "p"}}]}),
    )
}

/// Two child runs, one after the other, and one of them within another: three questions in all.
fn above(usd: &str) -> Value {
    named(
        "above",
        json!({
            "limits": {"spend": {"usd": usd}},
            "nodes": [
                {"id": "first", "type": "workflow", "config": {"name": "child"}},
                {"id": "second", "type": "workflow", "config": {"name": "middle"}}
            ],
            "edges": [{"from": "first", "to": "second"}]
        }),
    )
}

fn middle() -> Value {
    named(
        "middle",
        json!({
            "nodes": [
                {"id": "own", "type": "agent", "config": {"model": "a/b", "prompt": "p"}},
                {"id": "inner", "type": "workflow", "config": {"name": "child"}}
            ],
            "edges": [{"from": "own", "to": "inner"}]
        }),
    )
}

async fn bench() -> Bench {
    let mind = Scripted::priced(100, 100, |_, _| text("done"));
    let bench = Bench::new(&mind);
    for document in [child(), middle()] {
        let tagged = Some(Tagged { tag: "main", by: "user:ada" });
        bench.runs.publish("default", &document, tagged).await.expect("kept");
    }
    bench
}

#[tokio::test]
async fn a_childs_spending_is_in_the_books_of_the_run_above() {
    let bench = bench().await;
    let (_, state) = bench.run(&above("0.01")).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head.failure);
    let of = |node: &str| state.head.spent.get(node).map(|spent| (spent.usd, spent.calls));
    assert_eq!((of("first"), of("second")), (Some((100, 1)), Some((200, 2))));
    bench.stop().await;
}

/// What an earlier child has used is missing to a later one: its budget is what is left, and waits when that is little.
#[tokio::test]
async fn what_one_child_has_used_another_has_not() {
    let bench = bench().await;
    let run = bench.start(&above("0.00025")).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    let ticket = loop {
        if let Some(ticket) = bench.runs.tickets("default", 10).await.expect("a list").pop() {
            break ticket;
        }
        assert!(tokio::time::Instant::now() < until, "nothing waits");
        tokio::task::yield_now().await;
    };
    assert_eq!(ticket.asks, Asks::Budget);
    // 250 in all: 100 went to the first, 100 to the agent of the second, 50 are left for its own child.
    let innermost = bench.runs.view(&ticket.run).await.expect("a run").state;
    assert_eq!(innermost.head.allowed.spend, Some(50));
    let state = bench.runs.view(&run).await.expect("a run").state;
    assert_eq!(state.head.spent["first"].usd, 100);
    assert!(!state.is_ended());
    bench.stop().await;
}

/// Two child runs side by side that want 300 each, of a run that has 400.
fn side_by_side() -> Value {
    let kid = |id: &str| json!({"id": id, "type": "workflow", "onError": "continue", "config": {"name": "greedy"}});
    named(
        "above",
        json!({"limits": {"spend": {"usd": "0.0004"}}, "nodes": [kid("one"), kid("other")]}),
    )
}

/// The child runs, once both wait for money.
async fn waiting(bench: &Bench) -> Vec<Arc<State>> {
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let open = bench.runs.tickets("default", 10).await.expect("a list");
        if open.len() == 2 {
            let mut states = Vec::new();
            for ticket in open {
                assert_eq!(ticket.asks, Asks::Budget);
                states.push(bench.runs.view(&ticket.run).await.expect("a run").state);
            }
            return states;
        }
        assert!(tokio::time::Instant::now() < until, "{} wait", open.len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Each has its half, whatever the other does: together they are never charged for more than the run above has. One
/// that is stopped gives back nothing that was paid; the process that moves them goes in between.
async fn halves(store: Arc<dyn Store>) {
    let mind = Scripted::priced(100, 100, |ask, n| match ask.turns.len() {
        1..=4 => call("outputs", json!({"node": format!("a{n}")})),
        _ => text("done"),
    });
    let bench = Bench::on(store.clone(), mind.clone(), Settings::default());
    let greedy = json!({"nodes": [{"id": "think", "type": "agent", "config": {"model": "a/b", "prompt": "p", "tools": ["outputs"]}}]});
    let tagged = Some(Tagged { tag: "main", by: "user:ada" });
    bench.runs.publish("default", &named("greedy", greedy), tagged).await.expect("kept");
    let run = bench.start(&side_by_side()).await;
    let asked = || mind.asked.lock().unwrap().len();
    for child in waiting(&bench).await {
        assert_eq!((child.head.allowed.spend, child.head.spent["think"].usd), (Some(200), 200));
    }
    assert_eq!(asked(), 4, "two questions each");
    bench.stop().await;

    // Another process finds them as they are; a person stops them.
    let bench = Bench::on(store, mind.clone(), Settings::default());
    let states = waiting(&bench).await;
    let decide = |instance: &str| {
        Input::Decision(Decision {
            instance: instance.to_owned(),
            ticket: None,
            answer: Reply::Reject,
            by: "user:bob".to_owned(),
            groups: Vec::new(),
            reason: None,
        })
    };
    for child in states {
        let verdicts = bench.runs.apply(&child.head.run, vec![decide("think")]).await.unwrap();
        assert_eq!(verdicts, [Verdict::Applied]);
    }
    let state = bench.end(&run).await;
    let spent = |node: &str| state.head.spent[node].usd;
    assert_eq!((spent("one"), spent("other"), asked()), (200, 200, 4));
    bench.stop().await;
}

#[tokio::test]
async fn child_runs_side_by_side_have_a_part_each_on_the_embedded_store() {
    halves(Arc::new(Embedded::volatile())).await;
}

#[tokio::test]
async fn child_runs_side_by_side_have_a_part_each_on_redis() {
    let server = RedisServer::start(ServerOptions::default()).expect("a server");
    let options = Options { shards: Some(2), ..Options::default() };
    halves(Arc::new(RedisStore::open_with(&server.url(), options).await.expect("a store"))).await;
}
