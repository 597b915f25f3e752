//! What a tenant's agents cost in a day: no run of it spends more, and all go on when there is more.

use std::sync::Arc;

use aob_engine::state::{Asks, Cap, Live, RunOutcome, State};
use aob_engine::step::{Decision, Input, Reply, Verdict};
use aob_provider::{Answer, Ask, Estimate, ModelError, ModelName};
use aob_runner::node::{Cancel, Mind};
use aob_runner::runs::{AgentLimits, Settings, StartOptions, TenantLimits};
use aob_store::{Reserve, Spend, Spent};
use async_trait::async_trait;
use serde_json::{Value, json};

use super::scripted::{Bench, Scripted, call, text, workflow};

const DAY: u64 = 86_400_000;

/// An agent that asks five times.
fn document() -> Value {
    workflow(json!({"nodes": [
        {"id": "think", "type": "agent", "config": {"model": "a/b", "prompt": "p", "tools": ["outputs"]}}
    ]}))
}

/// As often as it is asked in a conversation it reads an output, then answers.
fn reads(most: u64, cost: u64) -> Arc<Scripted> {
    Scripted::priced(most, cost, |ask, _| match ask.turns.len() {
        turns @ 0..8 => call("outputs", json!({"node": format!("a{turns}")})),
        _ => text("done"),
    })
}

fn spend_a_day(usd: u64) -> TenantLimits {
    TenantLimits { usd_per_day: Some(usd), ..TenantLimits::default() }
}

fn live(state: &Arc<State>) -> Live {
    state.scopes[""].live.values().next().cloned().expect("an attempt")
}

/// All that is used and reserved of a tenant's day.
async fn taken(bench: &Bench, tenant: &str) -> u64 {
    let spend = Spend {
        tenant: tenant.into(),
        id: "nobody".into(),
        call: 0,
        used: None,
        reserve: Some(Reserve { amount: 1, cap: 0 }),
        now: None,
    };
    match bench.runs.store().spend(&spend).await.expect("an answer") {
        Spent::Short { taken, .. } => taken,
        Spent::Taken => panic!("more than nothing was taken"),
    }
}

async fn start(bench: &Bench, tenant: &str) -> Arc<str> {
    let digest = bench.runs.publish(tenant, &document(), None).await.expect("kept").digest;
    let options = StartOptions::new(tenant, digest, json!({}), "user:ada");
    bench.runs.start(&options).await.expect("it starts").run
}

#[tokio::test]
async fn what_one_run_has_spent_another_has_not() {
    let mind = reads(100, 90);
    let bench = Bench::new(&mind);
    bench.runs.put_limits("default", &spend_a_day(250)).await.expect("written");
    let first = start(&bench, "default").await;
    let state = bench.waiting(&first).await;
    let waits = live(&state);
    assert_eq!(waits.ticket.as_ref().map(|ticket| ticket.asks), Some(Asks::Budget));
    let why = waits.error.expect("why").message;
    assert!(why.contains("tenant default may spend 0.00025 USD on 20"), "{why}");
    assert!(why.contains("0.00018 are used or reserved, a question may cost 0.0001"), "{why}");
    let due = waits.due.expect("it asks again by itself");
    assert!(due.is_multiple_of(DAY) && why.contains("T00:00:00"), "{due}: {why}");
    // Another run finds the day as that one left it.
    let second = start(&bench, "default").await;
    let waits = live(&bench.waiting(&second).await);
    assert_eq!(waits.due, Some(due));
    assert_eq!(mind.asked.lock().unwrap().len(), 2, "two questions of the first run");
    assert_eq!(taken(&bench, "default").await, 180);
    // Another tenant has its own.
    let other = start(&bench, "other").await;
    assert_eq!(bench.end(&other).await.head.outcome, Some(RunOutcome::Succeeded));
    // What is raised in the run is not the tenant's, and changes nothing.
    let raise = Input::Cap {
        agent: String::new(),
        cap: Cap { usd: Some(1_000_000), ..Cap::default() },
        by: "user:bob".into(),
        reason: None,
    };
    assert_eq!(bench.runs.apply(&first, vec![raise]).await.unwrap(), [Verdict::Applied]);
    assert_eq!(live(&bench.waiting(&first).await).due, Some(due));
    // A person may have it ask again: it waits on, for it is still the same day.
    let retry = Decision {
        instance: "think".into(),
        ticket: None,
        answer: Reply::Retry,
        by: "user:bob".into(),
        groups: Vec::new(),
        reason: None,
    };
    let retried = bench.runs.apply(&first, vec![Input::Decision(retry)]).await.unwrap();
    assert_eq!(retried, [Verdict::Applied]);
    let seq = state.head.seq;
    let state = bench.waiting(&first).await;
    assert!(state.head.seq > seq && live(&state).due.is_some());
    // With more for the day both go on where they were.
    bench.runs.put_limits("default", &spend_a_day(10_000)).await.expect("written");
    for run in [first, second] {
        let state = bench.end(&run).await;
        assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head);
        assert_eq!(state.head.spent["think"].usd, 450, "five questions");
    }
    assert_eq!(mind.asked.lock().unwrap().len(), 15, "five questions in each of three runs");
    assert_eq!(taken(&bench, "default").await, 900, "what was used, no more and no less");
    bench.stop().await;
}

/// However many ask at once, the day pays for as many questions as fit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_runs_at_once_spend_no_more_than_the_day_has() {
    let mind = reads(100, 100);
    let agents = AgentLimits::parse(&["usd-per-day=0.0017"]).expect("limits");
    let bench = Bench::limited(mind.clone(), Settings { agents, ..Settings::default() });
    let mut runs = Vec::new();
    for _ in 0..12 {
        runs.push(start(&bench, "default").await);
    }
    for run in &runs {
        let begun = tokio::time::Instant::now();
        while !matches!(
            bench.runs.view(run).await.expect("a run").state.status(),
            "waiting" | "succeeded"
        ) {
            assert!(begun.elapsed().as_secs() < 20, "{run} neither waits nor ends");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    assert_eq!(mind.asked.lock().unwrap().len(), 17);
    assert_eq!(taken(&bench, "default").await, 1_700);
    bench.runs.put_limits("default", &spend_a_day(1_000_000)).await.expect("written");
    for run in &runs {
        let state = bench.end(run).await;
        assert_eq!(state.head.spent["think"].usd, 500, "{:?}", state.head);
    }
    assert_eq!(mind.asked.lock().unwrap().len(), 60);
    assert_eq!(taken(&bench, "default").await, 6_000);
    bench.stop().await;
}

/// What the run refuses is not kept from others.
#[tokio::test]
async fn what_a_run_may_not_spend_is_given_back_to_the_day() {
    let mind = reads(100, 100);
    let bench = Bench::new(&mind);
    bench.runs.put_limits("default", &spend_a_day(1_000)).await.expect("written");
    let mut document = document();
    document["spec"]["limits"] = json!({"spend": {"usd": "0.00025"}});
    let run = bench.start(&document).await;
    let waits = live(&bench.waiting(&run).await);
    assert!(waits.due.is_none() && waits.wants.is_some(), "it waits for its own run's budget");
    assert_eq!(taken(&bench, "default").await, 200, "two questions");
    bench.stop().await;
}

/// Nobody knows what its questions cost.
struct Unpriced(Arc<Scripted>);

#[async_trait]
impl Mind for Unpriced {
    fn knows(&self, name: &ModelName) -> bool {
        self.0.knows(name)
    }

    fn estimate(&self, ask: &Ask) -> Result<Estimate, ModelError> {
        self.0.estimate(ask).map(|known| Estimate { most_cost: None, ..known })
    }

    async fn ask(&self, ask: &Ask, cancel: &Cancel) -> Result<Answer, ModelError> {
        self.0.ask(ask, cancel).await
    }
}

#[tokio::test]
async fn a_model_without_a_price_is_not_asked_where_a_day_has_a_limit() {
    let mind = reads(100, 100);
    let bench = Bench::with(Arc::new(Unpriced(mind.clone())));
    bench.runs.put_limits("default", &spend_a_day(1_000)).await.expect("written");
    let (_, state) = bench.run(&document()).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Failed));
    let why = state.head.failure.clone().expect("why");
    assert!(why.message.contains("price"), "{why:?}");
    assert!(mind.asked.lock().unwrap().is_empty());
    bench.stop().await;
}
