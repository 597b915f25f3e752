use std::sync::Arc;

use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_store::embedded::Embedded;

use super::*;

fn runs() -> Arc<Runs> {
    Runs::new(Arc::new(Embedded::volatile()), Registry::builtin(), Ceiling::default())
}

fn asked(kind: &str, object: Value, before: Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "one", "kind": {"kind": kind}, "namespace": "finance",
            "userInfo": {"username": "ada", "groups": ["finance"]},
            "object": object, "oldObject": before,
        },
    })
}

fn workflow(node_type: &str, to: &str) -> Value {
    json!({"metadata": {"name": "invoices"}, "spec": {
        "nodes": [{"id": "a", "type": "noop"}, {"id": "b", "type": node_type}],
        "edges": [{"from": "a", "to": to}],
    }})
}

#[tokio::test]
async fn a_workflow_is_judged_stamped_and_warned_of() {
    let runs = runs();
    let good = review(&asked("Workflow", workflow("noop", "b"), Value::Null), &runs).await.unwrap();
    assert_eq!(good["response"]["allowed"], true);
    assert!(good["response"].get("warnings").is_none());
    let patch = BASE64.decode(good["response"]["patch"].as_str().unwrap().as_bytes()).unwrap();
    assert!(String::from_utf8(patch).unwrap().contains("aob.dev~1created-by"));
    let typo = review(&asked("Workflow", workflow("nop", "b"), Value::Null), &runs).await.unwrap();
    assert_eq!(typo["response"]["allowed"], true);
    let warning = typo["response"]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("did you mean"), "{warning}");
    let bad = review(&asked("Workflow", workflow("noop", "c"), Value::Null), &runs).await.unwrap();
    assert_eq!(bad["response"]["allowed"], false);
    let message = bad["response"]["status"]["message"].as_str().unwrap();
    assert!(message.contains("/spec/edges/0/to"), "{message}");
}

#[tokio::test]
async fn what_a_schema_cannot_see_stays_the_same() {
    let runs = runs();
    let run = |input: u32| json!({"spec": {"workflowRef": {"name": "a"}, "input": {"n": input}}});
    let same = review(&asked("Run", run(1), run(1)), &runs).await.unwrap();
    assert_eq!(same["response"]["allowed"], true);
    let other = review(&asked("Run", run(2), run(1)), &runs).await.unwrap();
    assert_eq!(other["response"]["allowed"], false);
    let mut deleted = run(2);
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let late = review(&asked("Run", deleted, run(1)), &runs).await.unwrap();
    assert_eq!(late["response"]["allowed"], true, "a finalizer can always go");
    let patch =
        json!({"spec": {"runRef": {"name": "a"}, "operations": [{"op": "move", "path": "/x"}]}});
    let bad = review(&asked("RunPatch", patch, Value::Null), &runs).await.unwrap();
    assert_eq!(bad["response"]["allowed"], false);
}

#[tokio::test]
async fn what_is_no_review_is_not_answered() {
    for odd in [
        json!({}),
        json!([]),
        json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}),
    ] {
        assert_eq!(review(&odd, &runs()).await, None);
    }
}

#[tokio::test]
async fn a_run_is_made_with_its_finalizer_and_an_old_one_is_not_given_it_again() {
    let runs = runs();
    let added = async |kind: &str, about: Value, before: Value| {
        let object = json!({"metadata": about, "spec": {"workflowRef": {"name": "a"}}});
        let said = review(&asked(kind, object, before), &runs).await.unwrap();
        let patch = said["response"]["patch"].as_str().unwrap_or_default();
        let patch = BASE64.decode(patch.as_bytes()).unwrap();
        let operations: Vec<Value> = serde_json::from_slice(&patch).unwrap_or_default();
        let of = |one: &&Value| one["path"].as_str().unwrap().starts_with("/metadata/finalizers");
        operations.iter().find(of).cloned()
    };
    let own = label::RUN_CLEANUP;
    let first = added("Run", json!({}), Value::Null).await.unwrap();
    assert_eq!((&first["path"], &first["value"]), (&json!("/metadata/finalizers"), &json!([own])));
    let beside = added("Run", json!({"finalizers": ["other"]}), Value::Null).await.unwrap();
    assert_eq!(
        (&beside["path"], &beside["value"]),
        (&json!("/metadata/finalizers/-"), &json!(own))
    );
    assert_eq!(added("Run", json!({"finalizers": [own]}), Value::Null).await, None);
    // One that is over has let go of it.
    let over = json!({"metadata": {}, "spec": {"workflowRef": {"name": "a"}}});
    assert_eq!(added("Run", json!({}), over).await, None);
    assert_eq!(added("NodeType", json!({}), Value::Null).await, None);
}
