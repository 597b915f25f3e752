//! Registered types whose nodes are agents: their answers bring patches, and count as an agent's do.

use std::sync::Arc;

use aob_e2e::answer::TENANT;
use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_engine::state::{Asks, CancelMode, RunOutcome};
use aob_engine::tier::Tier;
use aob_runner::remote::{Completion, Error, Handed, Remote, Taken};
use aob_runner::runs::{self, Runs, Settings, TierLimits};
use aob_store::embedded::Embedded;
use serde_json::{Value, json};

use super::{Place, ask, done, node_type};
use crate::documents::workflow;
use crate::local::{PATIENCE, ended, publish, start};

super::on_both! { brings_a_patch is_held_to_its_policy waits_for_a_word is_forged }

const TYPE: &str = "acme.think";

fn agent_type() -> Value {
    let mut document = node_type(TYPE, "Idempotent", json!({"worker": {}}));
    document["spec"]["agent"] = json!(true);
    document
}

/// One that may add so and so, and what comes after it.
fn thinks(policy: &Value) -> Value {
    let nodes = [
        json!({"id": "think", "type": TYPE, "config": {"n": 1, "patch": policy}}),
        json!({"id": "next", "type": "noop"}),
    ];
    workflow("thinks", &nodes, &[json!({"from": "think", "to": "next"})])
}

fn adds(node: Value) -> Value {
    json!({"reason": "it is needed", "operations": [{"op": "add", "path": "/nodes/-", "value": node}]})
}

fn with(task: &Handed, patch: &Value) -> Completion {
    Completion { patch: Some(patch.clone()), ..done(task, json!({"x": 1})) }
}

#[track_caller]
fn code(answered: Result<(Taken, Vec<Handed>), Error>) -> String {
    match answered {
        Err(Error::Patch(found)) => found[0].code.clone(),
        other => panic!("{other:?}"),
    }
}

async fn begun(place: &Place, policy: &Value) -> (Arc<str>, Handed) {
    place.runs[0].put_type(&agent_type(), None).await.unwrap();
    let digest = publish(&place.runs[0], &thinks(policy)).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    (run, place.claim(0, TYPE, 1).await.remove(0))
}

/// Patch and answer are one commit; asked again they are the same.
async fn brings_a_patch(place: Place) {
    let (run, task) = begun(&place, &json!({"allow": ["transform"]})).await;
    let state = place.runs[0].view(&run).await.unwrap().state;
    assert_eq!(
        (state.head.agents, state.head.agent_starts, state.head.tier()),
        (1, 1, Tier::Standard)
    );
    let answer =
        with(&task, &adds(json!({"id": "check", "type": "transform", "config": {"value": 7}})));
    for (door, taken) in [(0, Taken::Recorded), (1, Taken::Same), (0, Taken::Same)] {
        assert_eq!(place.doors[door].complete(TENANT, &answer).await.unwrap().0, taken);
    }
    let state = ended(&place.runs[0], &run).await;
    assert_eq!((state.head.outcome, state.head.revision), (Some(RunOutcome::Succeeded), 1));
    assert_eq!(state.head.placed.get("think"), Some(&1));
    let output = place.runs[1].output(&run, Some("check")).await.unwrap();
    assert_eq!(output.as_deref(), Some(&json!(7)));
    assert!(place.runs[1].verify(&run).await.unwrap().is_ok());
    place.service.stop().await;
}

/// What its policy does not allow, and one agent too many, are refused by the gateway; the task is still the worker's.
async fn is_held_to_its_policy(place: Place) {
    let (run, task) = begun(&place, &json!({"allow": ["transform", TYPE], "maxNodes": 20})).await;
    let exec = adds(json!({"id": "x", "type": "exec", "config": {"command": ["id"]}}));
    assert_eq!(code(place.doors[1].complete(TENANT, &with(&task, &exec)).await), "AOB9022");
    let node = |n| json!({"op": "add", "path": "/nodes/-", "value": {"id": format!("a{n}"), "type": TYPE, "config": {}}});
    let many = json!({"operations": (0..5).map(node).collect::<Vec<_>>()});
    match place.doors[0].complete(TENANT, &with(&task, &many)).await {
        Err(Error::Patch(found)) => assert!(found[0].message.contains("would be 6"), "{found:?}"),
        other => panic!("{other:?}"),
    }
    let gone = json!({"operations": [{"op": "remove", "path": "/nodes/next"}]});
    assert_eq!(code(place.doors[0].complete(TENANT, &with(&task, &gone)).await), "AOB9023");
    let state = place.runs[0].view(&run).await.unwrap().state;
    assert_eq!((state.head.revision, state.head.refusals), (0, 3), "and each is in the history");
    let plain = place.doors[1].complete(TENANT, &done(&task, json!(2))).await.unwrap().0;
    assert_eq!(plain, Taken::Recorded);
    assert_eq!(ended(&place.runs[0], &run).await.head.outcome, Some(RunOutcome::Succeeded));
    place.service.stop().await;
}

/// Nobody knows what the program has read: what has powers waits for a person, with the answer.
async fn waits_for_a_word(place: Place) {
    let (run, task) = begun(&place, &json!({"allow": ["http"]})).await;
    let fetch =
        adds(json!({"id": "more", "type": "http", "config": {"url": "https://example.com/"}}));
    let taken = place.doors[0].complete(TENANT, &with(&task, &fetch)).await.unwrap().0;
    assert_eq!(taken, Taken::Recorded);
    let state = place.runs[0].view(&run).await.unwrap().state;
    assert_eq!(state.head.revision, 0);
    let asks = state.scopes[""].live.values().find_map(|live| Some(live.ticket.as_ref()?.asks));
    assert_eq!(asks, Some(Asks::Patch));
    let shown = place.runs[1].ticket(&run, "think").await.unwrap().expect("a view");
    assert!(shown.details.unwrap_or_default().contains("adds nodes: more"));
    place.runs[0].cancel(&run, CancelMode::Now, "user:ann", None).await.unwrap();
    ended(&place.runs[0], &run).await;
    place.service.stop().await;
}

/// A type that is no agent hands a patch in, under the config of one: the field says nothing there.
async fn is_forged(place: Place) {
    let mut plain = node_type(TYPE, "Idempotent", json!({"worker": {}}));
    plain["spec"]["config"] = json!({"type": "object"});
    place.runs[0].put_type(&plain, None).await.unwrap();
    let digest = publish(&place.runs[0], &thinks(&json!({"allow": ["transform"]}))).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    let task = place.claim(0, TYPE, 1).await.remove(0);
    let check = adds(json!({"id": "check", "type": "transform", "config": {"value": 7}}));
    assert_eq!(code(place.doors[0].complete(TENANT, &with(&task, &check)).await), "AOB9023");
    // That it is made one later changes nothing about what this run was told.
    place.runs[0].put_type(&agent_type(), None).await.unwrap();
    assert_eq!(code(place.doors[1].complete(TENANT, &with(&task, &check)).await), "AOB9023");
    let state = place.runs[0].view(&run).await.unwrap().state;
    assert_eq!((state.head.revision, state.head.agents), (0, 0));
    let plain = place.doors[0].complete(TENANT, &done(&task, json!(2))).await.unwrap().0;
    assert_eq!(plain, Taken::Recorded);
    assert_eq!(ended(&place.runs[0], &run).await.head.outcome, Some(RunOutcome::Succeeded));
    place.service.stop().await;
}

/// A patch that makes the run a heavy one is counted as a heavy start, or waits for its turn with the task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_patch_counts_in_the_dearer_tier() {
    let tiers = Some(TierLimits::parse(&["standard=20", "heavy=1"]).unwrap());
    let settings = Settings { tiers, ..Settings::default() };
    let store = Arc::new(Embedded::volatile());
    let runs = Runs::with(store, Registry::builtin(), Ceiling::default(), settings);
    let door = Remote::new(runs.clone(), PATIENCE);
    runs.put_type(&agent_type(), None).await.unwrap();
    let digest = publish(&runs, &thinks(&json!({"allow": [TYPE], "ungated": [TYPE]}))).await;
    let node = |id| json!({"op": "add", "path": "/nodes/-", "value": {"id": id, "type": TYPE, "config": {}}});
    let two = json!({"operations": [node("a"), node("b")]});
    for first in [true, false] {
        let run = start(&runs, &digest, json!({})).await;
        // Those that the first one's patch added are handed out as well.
        let task = loop {
            let all = door.claim(TENANT, &ask(TYPE, 9, PATIENCE)).await.unwrap();
            assert!(!all.is_empty(), "no task of {run}");
            if let Some(task) = all.into_iter().find(|task| *task.run == *run) {
                break task;
            }
        };
        let answered = door.complete(TENANT, &with(&task, &two)).await;
        let state = runs.view(&run).await.unwrap().state;
        if first {
            assert_eq!(answered.unwrap().0, Taken::Recorded);
            assert_eq!((state.head.agents, state.head.tier()), (3, Tier::Heavy));
        } else {
            assert!(
                matches!(answered, Err(Error::Runs(runs::Error::Throttled(_)))),
                "{answered:?}"
            );
            assert_eq!((state.head.revision, state.head.tier()), (0, Tier::Standard));
            let plain = door.complete(TENANT, &done(&task, json!(2))).await.unwrap().0;
            assert_eq!(plain, Taken::Recorded, "the task was still the worker's");
        }
    }
}
