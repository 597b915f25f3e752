//! Runners that reach no store: what is their tenant's is executed by them and by nobody else, whatever becomes of them.

mod place;

use std::time::Instant;

use aob_engine::read;
use aob_engine::state::RunOutcome;
use aob_runner::runs::TenantLimits;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::documents::workflow;
use crate::local::{PATIENCE, ended, publish, start};
pub(crate) use place::model;
use place::{Host, OURS, Place, SECRET, THEIRS};

/// A node that shows its secret to a server.
fn shows(url: &str) -> Value {
    json!({"id": "shows", "type": "http", "config": {
        "url": url, "headers": {"authorization": "Bearer ${ secrets.erp.token }"},
    }})
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !holds().await {
        assert!(since.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_and_models_are_used_where_the_tenant_has_them() {
    let place = Place::new().await;
    let (host, model) = (Host::start(true).await, model("agent-validates.toml").await);
    let base = model.base_url();
    let mut far = place.far_with("far", &[], &[("OPENAI_BASE_URL", &base)]);

    // The runner on the server has neither secrets nor models: whoever executes these has both.
    let own = json!({"id": "own", "type": "transform", "config": {"value": 7}});
    let digest = publish(&place.runs, &workflow("shows", &[shows(&host.url), own], &[])).await;
    let run = start(&place.runs, &digest, json!({})).await;
    let state = ended(&place.runs, &run).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{}", far.said());
    let [head] = &host.asked()[..] else { panic!("{:?}", host.asked()) };
    assert!(head.contains(&format!("Bearer {SECRET}")), "{head}");
    let lines = place.runs.store().events(&run, 0, 100).await.unwrap();
    let lines: Vec<String> =
        lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    assert!(!lines.concat().contains(SECRET) && !far.said().contains(SECRET));

    // An agent asks its run over the gateway, and its patch counts with its answer.
    let digest = publish(&place.runs, &patches()).await;
    let run = start(&place.runs, &digest, json!({})).await;
    let state = ended(&place.runs, &run).await;
    let why = far.said();
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{why}");
    assert_eq!(state.head.revision, 1, "{why}");
    let spent = state.head.spent["triage"];
    assert!(spent.calls == 2 && spent.usd > 0, "{spent}: {why}");
    until("what the agent said is kept, to its last turn", async || {
        let (lines, _) = place.runs.store().logs(&run, 0, 100).await.unwrap();
        let said = |what: &str| lines.iter().any(|line| line.text.starts_with(what));
        said("turn 1: ") && said("turn 2: ")
    })
    .await;
    far.signal(Signal::TERM);
    until("the runner ends", async || far.ended().is_some()).await;
}

/// The example with an agent that patches its run.
fn patches() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/agent-validates.yaml");
    let text = std::fs::read(file).unwrap();
    read::documents(&text, &read::Limits::default()).unwrap().remove(0).value
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_run_has_spent_of_its_tenants_day_another_waits_for() {
    let place = Place::new().await;
    let model = model("agent-validates.toml").await;
    let far = place.far_with("far", &[], &[("OPENAI_BASE_URL", &model.base_url())]);
    let per_day = |usd| TenantLimits { usd_per_day: Some(usd), ..TenantLimits::default() };
    place.runs.put_limits("default", &per_day(1_000_000_000)).await.unwrap();
    let digest = publish(&place.runs, &patches()).await;
    let first = start(&place.runs, &digest, json!({})).await;
    let state = ended(&place.runs, &first).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{}", far.said());
    let spent = state.head.spent["triage"].usd;
    let today = async || place.runs.tenant_standing("default").await.unwrap().today.unwrap().0;
    assert!(spent > 0);
    assert_eq!(today().await, spent, "the day is the run's books");
    // What is left is not enough for a question.
    place.runs.put_limits("default", &per_day(spent + 1)).await.unwrap();
    let second = start(&place.runs, &digest, json!({})).await;
    until("the second waits", async || {
        place.runs.view(&second).await.unwrap().state.status() == "waiting"
    })
    .await;
    let ticket = place.runs.ticket(&second, "triage").await.unwrap().expect("it asks");
    assert!(ticket.title.contains("tenant default may spend"), "{}", ticket.title);
    assert_eq!(ticket.due.map(|due| due % 86_400_000), Some(0), "until midnight");
    place.runs.put_limits("default", &per_day(1_000_000_000)).await.unwrap();
    let state = ended(&place.runs, &second).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{}", far.said());
    assert_eq!(today().await, spent + state.head.spent["triage"].usd);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_goes_loses_no_task() {
    let place = Place::new().await;
    let host = Host::start(false).await;
    let node = shows(&host.url);
    let digest = publish(&place.runs, &workflow("held", &[node], &[])).await;
    let run = start(&place.runs, &digest, json!({})).await;

    // The first is told to end and hands its task back at once.
    let mut first = place.far("first", &["--drain", "0"]);
    until("the first asks", async || host.asked().len() == 1).await;
    first.signal(Signal::TERM);
    until("the first ends", async || first.ended().is_some()).await;
    // The second is killed: its lease ends.
    let mut second = place.far("second", &[]);
    until("the second asks", async || host.asked().len() == 2).await;
    second.kill9();
    // The third is frozen, and believes for a while that the task is its own.
    // It has room for no other: what it would ask for in vain would be lost with it.
    let mut third = place.far("third", &["--slots", "1"]);
    until("the third asks", async || host.asked().len() == 3).await;
    third.signal(Signal::STOP);
    let mut fourth = place.far("fourth", &[]);
    until("the fourth asks", async || host.asked().len() == 4).await;
    host.open();
    let state = ended(&place.runs, &run).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{}", fourth.said());
    third.signal(Signal::CONT);
    for runner in [&mut third, &mut fourth] {
        runner.signal(Signal::TERM);
        until("the runners end", async || runner.ended().is_some()).await;
    }
    let history = place.runs.history(&run).await.unwrap();
    let settled = history
        .iter()
        .flat_map(|(event, _)| &event.changes)
        .filter(|change| matches!(change, aob_engine::event::Change::Settled { .. }));
    assert_eq!(settled.count(), 1, "{history:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenants_token_opens_nothing() {
    let place = Place::new().await;
    let host = Host::start(true).await;
    let digest = publish(&place.runs, &workflow("ours", &[shows(&host.url)], &[])).await;
    let run = start(&place.runs, &digest, json!({})).await;
    let runners = aob_engine::pool::name(None);
    let claim = json!({"types": ["http"], "runners": runners, "max": 8, "wait": "0s"});
    let (status, told) = place.work(THEIRS, "claim", claim.clone()).await;
    assert_eq!((status, &told["tasks"]), (200, &json!([])), "{told}");
    let (status, _) = place.work(THEIRS, "claim?tenant=default", claim.clone()).await;
    assert_eq!(status, 403);
    // Workers of the same tenant are given what is theirs, not what is its runners'.
    let worker = json!({"types": ["http"], "max": 8, "wait": "0s"});
    assert_eq!(place.work(OURS, "claim", worker).await.1["tasks"], json!([]));
    let odd = json!({"types": ["http"], "runners": "../other", "max": 8});
    assert_eq!(place.work(OURS, "claim", odd).await.1["code"], "AOB7005");

    let mut task = Value::Null;
    until("the task is claimed", async || {
        task = place.work(OURS, "claim", claim.clone()).await.1["tasks"][0].clone();
        task != Value::Null
    })
    .await;
    let named = |more: Value| {
        let mut body = json!({"task": task["task"], "fence": task["fence"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let scene = named(json!({"question": {"ask": "scene"}}));
    for (path, body) in [
        ("complete", named(json!({"output": 1}))),
        ("release", named(json!({}))),
        ("log", named(json!({"lines": [{"from": "aob", "text": "x"}]}))),
        ("consult", scene.clone()),
    ] {
        let (status, told) = place.work(THEIRS, path, body).await;
        assert_eq!((status, &told["code"]), (422, &json!("AOB7004")), "{path}: {told}");
    }
    let (_, told) = place.work(THEIRS, "heartbeat", json!({"tasks": [task["task"]]})).await;
    assert_eq!(told["tasks"], json!(["lost"]));
    // A task that is no agent's asks nothing of its run, and lines of a log have bounds.
    let (status, told) = place.work(OURS, "consult", scene).await;
    assert_eq!((status, &told["code"]), (422, &json!("AOB7006")), "{told}");
    let many = vec![json!({"from": "aob", "text": "x"}); 257];
    assert_eq!(place.work(OURS, "log", named(json!({"lines": many}))).await.0, 422);

    // Given back, it is another's, and the first one's answer does not count.
    let (_, told) = place.work(OURS, "release", named(json!({}))).await;
    assert_eq!(told["result"], "recorded", "{told}");
    let mut again = Value::Null;
    until("it is given out again", async || {
        again = place.work(OURS, "claim", claim.clone()).await.1["tasks"][0].clone();
        again != Value::Null
    })
    .await;
    assert_ne!(again["fence"], task["fence"]);
    let (_, told) = place.work(OURS, "complete", named(json!({"output": 1}))).await;
    assert_eq!(told["result"], "superseded", "{told}");
    let done = json!({"task": again["task"], "fence": again["fence"], "output": {"ok": true}});
    assert_eq!(place.work(OURS, "complete", done).await.1["result"], "recorded");
    let state = ended(&place.runs, &run).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded));
    assert!(host.asked().is_empty(), "nobody executed it: {}", place.near.said());
}
