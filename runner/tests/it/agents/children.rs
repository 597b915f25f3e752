//! What the agents of a child run use counts in the run above it.

use std::time::Duration;

use aob_engine::state::{Asks, RunOutcome};
use aob_runner::runs::Tagged;
use serde_json::{Value, json};

use super::scripted::{Bench, Scripted, text};

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
