//! What agents spend: reserved, booked, and asked for when it is used up.

use aob_engine::event::Change;
use aob_engine::state::{Amount, Asks, Cap, RunOutcome};
use aob_engine::step::{Decision, Input, Reply, Verdict};
use serde_json::{Value, json};

use super::scripted::{Bench, Scripted, call, text, workflow};

/// An agent that reads outputs again and again, then answers; and an exit handler.
fn document(budget: Value) -> Value {
    workflow(json!({
        "nodes": [
            {"id": "a", "type": "transform", "config": {"value": 1}},
            {"id": "think", "type": "agent", "config": {"model": "a/b", "prompt": "p", "tools": ["outputs"], "budget": budget}},
            {"id": "tell", "type": "transform", "within": "finally", "config": {"value": "${ run.outcome }"}}
        ],
        "edges": [{"from": "a", "to": "think"}]
    }))
}

fn reads() -> std::sync::Arc<Scripted> {
    Scripted::priced(100, 100, |_, n| match n {
        0..=3 => call("outputs", json!({"node": format!("a{n}")})),
        _ => text("done"),
    })
}

async fn decide(bench: &Bench, run: &str, answer: Reply) -> Verdict {
    let decision = Decision {
        instance: "think".into(),
        ticket: None,
        answer,
        by: "user:bob".into(),
        groups: Vec::new(),
        reason: Some("enough".into()),
    };
    bench.runs.apply(run, vec![Input::Decision(decision)]).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_budget_that_is_used_up_waits_and_goes_on_when_it_is_raised() {
    let mind = reads();
    let bench = Bench::new(&mind);
    let run = bench.start(&document(json!({"usd": "0.00025"}))).await;
    let state = bench.waiting(&run).await;
    let live = state.scopes[""].live.values().next().cloned().expect("it waits");
    assert_eq!(live.ticket.map(|ticket| ticket.asks), Some(Asks::Budget));
    let why = live.error.expect("why").message;
    assert!(why.contains("the budget of think: of 0.00025 USD 0.0002"), "{why}");
    assert_eq!(mind.asked.lock().unwrap().len(), 2, "the third question was not asked");
    let raise = Input::Cap {
        agent: "think".into(),
        cap: Cap { usd: Some(10_000), ..Cap::default() },
        by: "user:bob".into(),
        reason: None,
    };
    assert_eq!(bench.runs.apply(&run, vec![raise]).await.unwrap(), [Verdict::Applied]);
    let state = bench.end(&run).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head);
    // What was said before is not paid for again: five questions in all, not seven.
    assert_eq!(mind.asked.lock().unwrap().len(), 5);
    let spent = state.head.spent["think"];
    assert_eq!((spent.usd, spent.calls), (500, 9), "five questions and four calls of a tool");
    bench.stop().await;
}

#[tokio::test]
async fn a_run_that_is_stopped_still_says_goodbye() {
    let mind = reads();
    let bench = Bench::new(&mind);
    let run = bench.start(&document(json!({"calls": 3}))).await;
    bench.waiting(&run).await;
    assert!(matches!(decide(&bench, &run, Reply::Approve(None)).await, Verdict::Refused(..)));
    assert_eq!(decide(&bench, &run, Reply::Reject).await, Verdict::Applied);
    let state = bench.end(&run).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Failed));
    assert_eq!(bench.output(&run, Some("finally/tell")).await, json!("failed"));
    bench.stop().await;
}

/// Counters belong to the run: another attempt does not begin at zero.
#[tokio::test]
async fn retries_do_not_reset_what_was_spent() {
    let mind = Scripted::priced(100, 100, |_, _| {
        let mut cut = text("half");
        cut.stop = aob_provider::Stop::Refused;
        cut
    });
    let bench = Bench::new(&mind);
    let mut document = document(json!({"usd": "0.01"}));
    document["spec"]["limits"] = json!({"spend": {"usd": "0.0003"}});
    document["spec"]["nodes"][1]["onError"] = json!("pause");
    let run = bench.start(&document).await;
    for tries in 1..=3 {
        let state = bench.waiting(&run).await;
        assert_eq!(state.head.spent["think"].usd, tries * 100);
        assert_eq!(decide(&bench, &run, Reply::Retry).await, Verdict::Applied);
    }
    let state = bench.waiting(&run).await;
    let live = state.scopes[""].live.values().next().cloned().expect("it waits");
    assert_eq!(live.ticket.map(|ticket| ticket.asks), Some(Asks::Budget));
    assert!(live.error.expect("why").message.starts_with("the budget of the run"));
    let changes = bench.changes(&run).await;
    let sum = |wanted: fn(&Change) -> Option<&Amount>| {
        changes
            .iter()
            .filter_map(|(_, change)| wanted(change))
            .fold(Amount::default(), |sum, one| sum.plus(*one))
    };
    let reserved = sum(|change| match change {
        Change::Reserved { amount, .. } => Some(amount),
        _ => None,
    });
    let booked = sum(|change| match change {
        Change::Booked { amount, .. } => Some(amount),
        _ => None,
    });
    assert_eq!((reserved.usd, booked.usd), (300, 300));
    assert_eq!(decide(&bench, &run, Reply::Reject).await, Verdict::Applied);
    bench.end(&run).await;
    bench.stop().await;
}

/// A patch that was found good before the budget was used up goes with the answer that comes after.
#[tokio::test]
async fn a_patch_outlives_the_wait_for_a_budget() {
    let mind = Scripted::priced(100, 100, |_, n| match n {
        0 => call(
            "patch",
            json!({"reason": "r", "edits": [
            {"do": "add_node", "id": "more", "type": "transform", "config": {"value": 7}},
            {"do": "connect", "from": "think", "to": "more"}]}),
        ),
        _ => text("done"),
    });
    let bench = Bench::new(&mind);
    let mut document = document(json!({"usd": "0.00015"}));
    document["spec"]["nodes"][1]["config"]["patch"] = json!({"allow": ["transform"]});
    let run = bench.start(&document).await;
    assert_eq!(bench.waiting(&run).await.head.revision, 0);
    let cap = Cap { usd: Some(10_000), ..Cap::default() };
    let raise = Input::Cap { agent: "think".into(), cap, by: "user:bob".into(), reason: None };
    bench.runs.apply(&run, vec![raise]).await.unwrap();
    let state = bench.end(&run).await;
    assert_eq!((state.head.outcome, state.head.revision), (Some(RunOutcome::Succeeded), 1));
    assert_eq!(bench.output(&run, Some("more")).await, json!(7));
    assert_eq!(mind.asked.lock().unwrap().len(), 2);
    bench.stop().await;
}
