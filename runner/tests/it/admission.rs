//! Starts by tier: what counts as what, and what does not count.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aob_engine::check::Ceiling;
use aob_engine::event::Change;
use aob_engine::registry::Registry;
use aob_engine::state::RunOutcome;
use aob_engine::tier::Tier;
use aob_runner::runs::{
    Error, PatchAsk, ReplayAsk, Runs, Settings, StartOptions, Tagged, TenantLimits, Throttled,
    TierLimits, What,
};
use aob_store::embedded::Embedded;
use serde_json::{Value, json};

use crate::local::serve;

/// Runs whose tenants may start so many of each tier within the window.
fn runs(simple: u32, standard: u32, heavy: u32, window: Duration) -> Arc<Runs> {
    let list =
        [format!("simple={simple}"), format!("standard={standard}"), format!("heavy={heavy}")];
    let tiers = TierLimits::parse(&list).expect("limits").over(window);
    let settings = Settings { tiers: Some(tiers), notices: None, ..Settings::default() };
    let store = Arc::new(Embedded::volatile());
    Runs::with(store, Registry::builtin(), Ceiling::default(), settings)
}

const MINUTE: Duration = Duration::from_secs(60);

fn workflow(name: &str, nodes: &[Value]) -> Value {
    json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": name},
        "spec": {"nodes": nodes}
    })
}

fn agent(id: &str) -> Value {
    json!({"id": id, "type": "agent", "config": {"model": "openai/gpt-5.6", "prompt": "Think."}})
}

/// A workflow with so many agents.
async fn published(runs: &Runs, agents: usize) -> String {
    let mut nodes: Vec<Value> = (0..agents).map(|n| agent(&format!("agent{n}"))).collect();
    nodes.push(json!({"id": "ask", "type": "approval", "config": {"title": "Go on?"}}));
    let document = workflow(&format!("agents{agents}"), &nodes);
    runs.publish("default", &document, Some(Tagged { tag: "main", by: "user:ada" }))
        .await
        .expect("kept")
        .digest
}

fn options(digest: &str) -> StartOptions {
    StartOptions::new("default", digest, json!({}), "user:ada")
}

#[track_caller]
fn throttled<T: std::fmt::Debug>(
    result: Result<T, Error>,
    tier: impl Into<Option<Tier>>,
) -> Throttled {
    match result {
        Err(Error::Throttled(throttled)) => {
            assert_eq!(throttled.tier, tier.into());
            assert!(throttled.retry_after <= throttled.window, "{throttled}");
            throttled
        }
        other => panic!("{other:?}"),
    }
}

/// A patch that adds an agent.
fn addition(id: &str, agent_id: &str) -> PatchAsk {
    let operations = json!([{"op": "add", "path": "/nodes/-", "value": agent(agent_id)}]);
    PatchAsk {
        id: id.into(),
        what: What::Request(json!({"operations": operations})),
        by: "user:ada".into(),
        groups: Vec::new(),
        approves: Vec::new(),
        dry_run: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_count_by_the_agents_of_their_graph() {
    let runs = runs(3, 2, 1, MINUTE);
    for (agents, tier, limit) in [
        (0, Tier::Simple, 3),
        (1, Tier::Standard, 2),
        (2, Tier::Standard, 0),
        (3, Tier::Heavy, 1),
        (5, Tier::Heavy, 0),
    ] {
        let digest = published(&runs, agents).await;
        for _ in 0..limit {
            let run = runs.start(&options(&digest)).await.expect("it starts").run;
            assert_eq!(runs.view(&run).await.unwrap().state.head.tier(), tier);
        }
        throttled(runs.start(&options(&digest)).await, tier);
        let other = StartOptions { tenant: format!("other{agents}").into(), ..options(&digest) };
        runs.start(&other).await.expect("another tenant has its own");
    }
    let (rows, _) = runs.store().runs("default", None, 100).await.unwrap();
    let mut listed: Vec<Tier> = rows.iter().map(|row| row.tier).collect();
    listed.sort_unstable();
    assert_eq!(
        listed,
        [Tier::Simple, Tier::Simple, Tier::Simple, Tier::Standard, Tier::Standard, Tier::Heavy]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_start_does_not_count_and_a_key_counts_once() {
    let runs = runs(2, 2, 2, MINUTE);
    let mut document = workflow("strict", &[json!({"id": "a", "type": "noop"})]);
    document["spec"]["input"] = json!({"type": "object", "required": ["n"]});
    let digest = runs.publish("default", &document, None).await.expect("kept").digest;
    for _ in 0..5 {
        let refused = runs.start(&options(&digest)).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    let keyed = |key: &str| StartOptions {
        input: Arc::new(json!({"n": 1})),
        key: Some(key.to_owned()),
        ..options(&digest)
    };
    let rivals = (0..16).map(|_| {
        let (runs, options) = (runs.clone(), keyed("one key, with spaces\n"));
        tokio::spawn(async move { runs.start(&options).await.expect("it starts").run })
    });
    let mut names = std::collections::BTreeSet::new();
    for rival in rivals.collect::<Vec<_>>() {
        names.insert(rival.await.unwrap());
    }
    assert_eq!(names.len(), 1, "one key, one run");
    runs.start(&keyed("two")).await.expect("the second");
    throttled(runs.start(&keyed("three")).await, Tier::Simple);
    assert!(runs.start(&keyed("two")).await.expect("it is there").existing);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_when_it_was_said_to() {
    let runs = runs(5, 5, 5, Duration::from_secs(2));
    let digest = published(&runs, 0).await;
    for _ in 0..5 {
        runs.start(&options(&digest)).await.expect("within the limit");
    }
    let throttled = throttled(runs.start(&options(&digest)).await, Tier::Simple);
    let told = Instant::now();
    assert!(throttled.retry_after > Duration::from_millis(500), "{throttled}");
    tokio::time::sleep(throttled.retry_after.saturating_sub(Duration::from_millis(50))).await;
    if told.elapsed() + Duration::from_millis(10) < throttled.retry_after {
        self::throttled(runs.start(&options(&digest)).await, Tier::Simple);
    }
    tokio::time::sleep(
        (throttled.retry_after + Duration::from_millis(1)).saturating_sub(told.elapsed()),
    )
    .await;
    runs.start(&options(&digest)).await.expect("now it is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_third_agent_makes_a_run_heavy() {
    let runs = runs(10, 10, 2, MINUTE);
    let (two, three) = (published(&runs, 2).await, published(&runs, 3).await);
    let run = runs.start(&options(&two)).await.expect("it starts").run;
    runs.start(&options(&three)).await.expect("a heavy one");
    let tier = async || runs.view(&run).await.unwrap().state.head.tier();
    assert_eq!(tier().await, Tier::Standard);
    let dry = PatchAsk { dry_run: true, ..addition("patch_0", "agent2") };
    assert!(runs.patch(&run, &dry).await.expect("judged").record.accepted().is_some());
    assert_eq!(tier().await, Tier::Standard, "a dry run counts nothing");
    // An id that is there already is refused, and counts nothing.
    let refused = runs.patch(&run, &addition("patch_1", "agent0")).await.expect("judged");
    assert!(refused.record.accepted().is_none());
    for _ in 0..3 {
        let patched = runs.patch(&run, &addition("patch_2", "agent2")).await.expect("accepted");
        assert!(patched.record.accepted().is_some(), "asked again it is answered as before");
    }
    assert_eq!(tier().await, Tier::Heavy);
    throttled(runs.start(&options(&three)).await, Tier::Heavy);
    let patched = runs.patch(&run, &addition("patch_3", "agent3")).await.expect("accepted");
    assert!(patched.record.accepted().is_some(), "a heavy run gets no heavier");
    // And the next run that would be heavy stays what it is.
    let next = runs.start(&options(&two)).await.expect("a standard one").run;
    let refused = throttled(runs.patch(&next, &addition("patch_4", "agent2")).await, Tier::Heavy);
    assert_eq!(refused.limit, 2);
    let head = runs.view(&next).await.unwrap().state.head.clone();
    assert_eq!((head.revision, head.tier()), (0, Tier::Standard));
    assert!(runs.verify(&run).await.unwrap().is_ok());
}

/// Taking the agent out again makes no run cheaper: it had it.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_stays_as_dear_as_it_was() {
    let runs = runs(10, 10, 10, MINUTE);
    let digest = published(&runs, 2).await;
    let run = runs.start(&options(&digest)).await.expect("it starts").run;
    runs.patch(&run, &addition("patch_1", "agent2")).await.expect("accepted");
    let undo = PatchAsk {
        what: What::Undo { patch: "patch_1".into(), reason: None },
        ..addition("patch_2", "")
    };
    assert!(runs.patch(&run, &undo).await.expect("judged").record.accepted().is_some());
    let head = runs.view(&run).await.unwrap().state.head.clone();
    assert_eq!((head.revision, head.agents, head.tier()), (2, 3, Tier::Heavy));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_counts_as_what_it_starts() {
    let runs = runs(10, 1, 10, MINUTE);
    let digest = published(&runs, 1).await;
    let run = runs.start(&options(&digest)).await.expect("it starts").run;
    let ask = ReplayAsk {
        run: run.to_string(),
        from: vec!["agent0".into()],
        input: None,
        digest: None,
        by: "user:ada".into(),
        key: None,
        keep: 0,
    };
    throttled(runs.replay(&ask).await, Tier::Standard);
}

/// Child runs wait for their turn: none fails, and no more begin than may.
#[tokio::test(flavor = "multi_thread")]
async fn child_runs_wait_for_their_turn() {
    const WINDOW: Duration = Duration::from_secs(1);
    let runs = runs(3, 3, 3, WINDOW);
    let service = serve(&runs);
    let child = workflow("child", &[json!({"id": "a", "type": "noop"})]);
    runs.publish("default", &child, Some(Tagged { tag: "main", by: "user:ada" }))
        .await
        .expect("kept");
    let parent = workflow(
        "parent",
        &[
            json!({"id": "each", "type": "foreach", "config": {"items": [1, 2, 3, 4, 5, 6]}}),
            json!({"id": "call", "within": "each", "type": "workflow", "config": {"name": "child"}}),
        ],
    );
    let digest = runs.publish("default", &parent, None).await.expect("kept").digest;
    let began = Instant::now();
    let run = runs.start(&options(&digest)).await.expect("it starts").run;
    let state = runs.wait(&run, Duration::from_secs(60)).await.expect("a state");
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head.failure);
    // Seven starts, three in each window.
    assert!(began.elapsed() >= WINDOW * 2, "{:?}", began.elapsed());
    let history = runs.history(&run).await.unwrap();
    let changes = history.iter().flat_map(|(event, _)| &event.changes);
    let waits = changes.filter(
        |change| matches!(change, Change::Backoff { error, .. } if error.code == "tier_limit"),
    );
    let waits = waits.count();
    println!("{waits} times a child run was put off, {:?} in all", began.elapsed());
    assert!(waits >= 4, "four did not fit at first");
    let (rows, _) = runs.store().runs("default", None, 100).await.unwrap();
    let mut starts: Vec<u64> = rows.iter().map(|row| row.started).collect();
    starts.sort_unstable();
    assert_eq!(starts.len(), 7);
    assert!(runs.verify(&run).await.unwrap().is_ok());
    service.stop().await;
}

/// All starts of a tenant are counted together too; what its tier refuses does not count there.
#[tokio::test]
async fn starts_of_all_tiers_together() {
    let store = Arc::new(Embedded::volatile());
    let with = |limits: &[&str]| {
        let tiers = Some(TierLimits::parse(limits).expect("limits"));
        let settings = Settings { tiers, ..Settings::default() };
        Runs::with(store.clone(), Registry::builtin(), Ceiling::default(), settings)
    };
    let runs = with(&["simple=10", "heavy=1", "all=3"]);
    let simple = published(&runs, 0).await;
    let heavy = published(&runs, 3).await;
    runs.start(&options(&heavy)).await.expect("the first");
    throttled(runs.start(&options(&heavy)).await, Tier::Heavy);
    runs.start(&options(&simple)).await.expect("the second");
    runs.start(&options(&simple)).await.expect("the third: what was refused does not count");
    let throttled_all = throttled(runs.start(&options(&simple)).await, None);
    assert!(throttled_all.to_string().starts_with("default may start 3 runs in 60 s and has"));
    // What is kept of the tenant comes before what a process is told, for a process that looks now.
    let limits = TenantLimits { runs_per_minute: Some(4), agents: Some(2), ..Default::default() };
    runs.put_limits("default", &limits).await.expect("written");
    let runs = with(&["all=3"]);
    let started = runs.start(&options(&simple)).await.expect("the fourth");
    let state = runs.store().load(&started.run).await.expect("read").expect("a run");
    assert_eq!(state.head.allowed.agents, Some(2));
    assert_eq!(throttled(runs.start(&options(&simple)).await, None).limit, 4);
    runs.put_limits("default", &TenantLimits::default()).await.expect("written");
    assert_eq!(runs.store().limits("default").await.expect("read"), None);
    assert_eq!(throttled(with(&["all=3"]).start(&options(&simple)).await, None).limit, 3);
}
