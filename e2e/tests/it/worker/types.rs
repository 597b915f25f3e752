//! Registered types: what is compiled from then on knows them, and what runs keeps what it was told.

use std::time::Duration;

use aob_e2e::answer::TENANT;
use aob_engine::state::{NodeState, RunOutcome};
use aob_runner::remote::Taken;
use aob_runner::runs::{Error, PatchAsk, What};
use serde_json::{Value, json};

use super::{Place, done, node_type};
use crate::documents::{in_a_row, workflow};
use crate::local::{ended, publish, start};

super::on_both! {
    known_from_then_on a_run_keeps_what_it_was_told taken_up_by_a_patch for_some_tenants changed_on_a_version
}

fn nodes() -> [Value; 2] {
    [
        json!({"id": "gate", "type": "approval", "config": {"title": "Go on?"}}),
        json!({"id": "work", "type": "acme.work", "config": {"n": 1}}),
    ]
}

fn document() -> Value {
    workflow("flow", &nodes(), &in_a_row(&nodes()))
}

/// Lets a run pass its gate.
async fn approve(place: &Place, run: &str) {
    let decision = aob_engine::step::Decision {
        instance: "gate".into(),
        ticket: None,
        answer: aob_engine::step::Reply::Approve(None),
        by: "user:bob".into(),
        groups: Vec::new(),
        reason: None,
    };
    let input = aob_engine::step::Input::Decision(decision);
    let verdicts = place.runs[0].apply(run, vec![input]).await.unwrap();
    assert_eq!(verdicts, [aob_engine::step::Verdict::Applied]);
}

async fn state_of(place: &Place, run: &str, node: &str) -> NodeState {
    let view = place.runs[1].view(run).await.unwrap();
    let slot = view.ir.slot(view.ir.find(node).unwrap());
    view.state.scopes[""].nodes[slot]
}

/// A run that began before its node's type was registered passes the node over; one that begins after runs it, on the
/// same version of the workflow, in whichever process.
async fn known_from_then_on(place: Place) {
    let digest = publish(&place.runs[0], &document()).await;
    let before = start(&place.runs[1], &digest, json!({})).await;
    place.register("acme.work", "Idempotent").await;
    let after = start(&place.runs[1], &digest, json!({})).await;
    approve(&place, &before).await;
    approve(&place, &after).await;
    let state = ended(&place.runs[0], &before).await;
    assert_eq!((state.head.outcome, &state.head.types), (Some(RunOutcome::Succeeded), &None));
    assert_eq!(place.runs[0].output(&before, Some("work")).await.unwrap(), None, "passed over");
    let task = place.claim(0, "acme.work", 1).await.remove(0);
    assert_eq!(*task.run, *after);
    let taken = place.doors[1].complete(TENANT, &done(&task, json!(1))).await.unwrap().0;
    assert_eq!(taken, Taken::Recorded);
    assert!(ended(&place.runs[1], &after).await.head.types.is_some());
    for run in [before, after] {
        assert!(place.runs[1].verify(&run).await.unwrap().is_ok());
    }
    place.service.stop().await;
}

/// A type that is narrowed or removed changes nothing about a run that knows it.
async fn a_run_keeps_what_it_was_told(place: Place) {
    place.register("acme.work", "Idempotent").await;
    let digest = publish(&place.runs[0], &document()).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    let mut narrow = node_type("acme.work", "Once", json!({"worker": {}}));
    narrow["spec"]["config"]["required"] = json!(["text"]);
    place.runs[1].put_type(&narrow, None).await.unwrap();
    let refused = place.runs[1].publish(TENANT, &document(), None).await;
    let Err(Error::Invalid(issues)) = refused else { panic!("{refused:?}") };
    assert_eq!(issues[0].entry.name, "BAD_CONFIG");
    place.runs[1].drop_type("acme.work", None).await.unwrap();
    // Another process, which has compiled nothing yet, decides.
    let decider = crate::local::runs(place.runs[1].store().clone());
    let state = decider.view(&run).await.unwrap();
    assert!(state.ir.types.is_some());
    approve(&place, &run).await;
    let task = place.claim(1, "acme.work", 1).await.remove(0);
    assert!(!task.once, "as it was when the run began");
    place.doors[0].complete(TENANT, &done(&task, json!(1))).await.unwrap();
    assert_eq!(ended(&place.runs[0], &run).await.head.outcome, Some(RunOutcome::Succeeded));
    place.service.stop().await;
}

/// A patch makes a new revision: that knows what is registered now, and keeps what the one before it was told.
async fn taken_up_by_a_patch(place: Place) {
    place.register("acme.work", "Idempotent").await;
    let digest = publish(&place.runs[0], &document()).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    place.runs[0].drop_type("acme.work", None).await.unwrap();
    place.register("acme.more", "Idempotent").await;
    let request = json!({"operations": [
        {"op": "add", "path": "/nodes/-", "value": {"id": "more", "type": "acme.more"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "work", "to": "more"}},
    ]});
    let ask = PatchAsk {
        id: "patch_1".into(),
        what: What::Request(request),
        by: "user:ann".into(),
        groups: vec![],
        approves: vec![],
        dry_run: false,
    };
    let patched = place.runs[1].patch(&run, &ask).await.unwrap();
    assert!(patched.record.accepted().is_some(), "{:?}", patched.record);
    approve(&place, &run).await;
    for name in ["acme.work", "acme.more"] {
        let task = place.claim(0, name, 1).await.remove(0);
        place.doors[1].complete(TENANT, &done(&task, json!(name))).await.unwrap();
    }
    assert_eq!(ended(&place.runs[1], &run).await.head.outcome, Some(RunOutcome::Succeeded));
    let output = place.runs[0].output(&run, Some("more")).await.unwrap();
    assert_eq!(output.as_deref(), Some(&json!("acme.more")));
    assert!(place.runs[1].verify(&run).await.unwrap().is_ok());
    place.service.stop().await;
}

/// A type may be for some tenants only.
async fn for_some_tenants(place: Place) {
    let mut document = node_type("acme.work", "Idempotent", json!({"worker": {}}));
    document["spec"]["namespaces"] =
        json!({"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}});
    place.runs[0].put_type(&document, None).await.unwrap();
    let names = async |tenant| -> Vec<String> {
        let types = place.runs[1].types(tenant).await.unwrap();
        types.into_iter().map(|view| view.kept.name.clone()).collect()
    };
    assert_eq!(names(Some("elsewhere")).await, ["acme.work"]);
    assert_eq!(names(None).await, ["acme.work"]);
    assert!(names(Some(TENANT)).await.is_empty());
    let nodes = [json!({"id": "work", "type": "acme.work", "config": {"n": "no number"}})];
    let digest = publish(&place.runs[0], &workflow("flow", &nodes, &[])).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    ended(&place.runs[0], &run).await;
    assert_eq!(state_of(&place, &run, "work").await, NodeState::Passed);
    let judged = place.runs[0].publish("elsewhere", &workflow("flow", &nodes, &[]), None).await;
    assert!(matches!(judged, Err(Error::Invalid(_))), "{judged:?}");
    place.service.stop().await;
}

/// Two who change a type at once: one of them reads it again.
async fn changed_on_a_version(place: Place) {
    let mut document = node_type("acme.work", "Pure", json!({"worker": {}}));
    let first = place.runs[0].put_type(&document, Some(0)).await.unwrap();
    document["spec"]["description"] = json!("another");
    let second = place.runs[1].put_type(&document, Some(first.version)).await.unwrap();
    document["spec"]["description"] = json!("a third");
    let moved = place.runs[0].put_type(&document, Some(first.version)).await;
    assert!(matches!(moved, Err(Error::TypeMoved(_))), "{moved:?}");
    assert!(place.runs[0].put_type(&document, None).await.is_ok());
    let moved = place.runs[0].drop_type("acme.work", Some(second.version)).await;
    assert!(matches!(moved, Err(Error::TypeMoved(_))), "{moved:?}");
    place.runs[1].drop_type("acme.work", None).await.unwrap();
    let gone = place.runs[0].type_named("acme.work").await;
    assert!(matches!(gone, Err(Error::NoType(_))), "{gone:?}");
    let gone = place.runs[0].drop_type("acme.work", None).await;
    assert!(matches!(gone, Err(Error::NoType(_))), "{gone:?}");
    let bad = place.runs[0].put_type(&json!({"kind": "NodeType"}), None).await;
    assert!(matches!(bad, Err(Error::BadType(_))), "{bad:?}");
    tokio::time::timeout(Duration::from_secs(30), place.service.stop()).await.unwrap();
}
