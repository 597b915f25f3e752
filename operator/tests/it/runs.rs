//! Runs and their patches, from `kubectl apply` to the end.

use serde_json::{Value, json};

use crate::world::{Space, condition, world};

/// Two steps, with one between that takes a while.
fn workflow(name: &str, pause: &str) -> String {
    format!(
        "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {{name: {name}}}
spec:
  input: {{type: object, properties: {{since: {{type: string}}}}}}
  nodes:
    - {{id: fetch, type: transform, config: {{value: {{rows: 3}}}}}}
    - {{id: pause, type: delay, config: {{for: {pause}}}}}
    - {{id: save, type: transform, config: {{value: \"${{ nodes.fetch.output.rows }}\"}}}}
  edges:
    - {{from: fetch, to: pause}}
    - {{from: pause, to: save}}
"
    )
}

fn run(name: &str, workflow: &str, more: &str) -> String {
    format!(
        "
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {{name: {name}}}
spec:
  workflowRef: {{name: {workflow}}}
{more}
"
    )
}

fn patch(name: &str, run: &str, operations: &str) -> String {
    format!(
        "
apiVersion: aob.dev/v1alpha1
kind: RunPatch
metadata: {{name: {name}}}
spec:
  runRef: {{name: {run}}}
  reason: a test
  operations: {operations}
"
    )
}

const CHECK: &str = "
    - {op: add, path: /nodes/-, value: {id: check, type: noop}}
    - {op: add, path: /edges/-, value: {from: pause, to: check}}
    - {op: add, path: /edges/-, value: {from: check, to: save}}";

fn is_live(value: &Value) -> bool {
    value["status"]["phase"] == "Running"
}

fn gone(space: &Space<'_>, what: &str) {
    space.until(what, "it is gone", Value::is_null);
}

#[test]
fn a_run_is_asked_for_before_its_workflow_and_reaches_its_end() {
    let space = world().namespace("first");
    space.apply(&run("one", "invoices", "  input: {since: \"2026-11-01\"}"));
    let (reason, _) = space.condition("run/one", "Admitted", "False");
    assert_eq!(reason, "WorkflowNotFound");
    space.apply(&workflow("invoices", "10ms"));
    space.kubectl(&["wait", "--for=condition=Complete", "--timeout=60s", "run/one"]).unwrap();
    let (reason, _) = space.condition("run/one", "Succeeded", "True");
    assert_eq!(reason, "Succeeded");
    let object = space.get("run/one");
    let status = &object["status"];
    assert_eq!((&status["phase"], &status["progress"]), (&"Succeeded".into(), &"3/3".into()));
    assert!(status["id"].as_str().unwrap().starts_with("run_"));
    let columns = space.kubectl(&["get", "arun"]).unwrap();
    let head: Vec<&str> = columns.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["NAME", "WORKFLOW", "PHASE", "PROGRESS", "REV", "TIER", "WAITING", "AGE"]);
    let done = space.until("run/one", "the finalizer is gone", |value| {
        value["metadata"].get("finalizers").is_none()
    });
    // Another look changes nothing.
    space.kubectl(&["annotate", "run/one", "looked=once"]).unwrap();
    let looked = space.get("run/one");
    assert_eq!(looked["status"], done["status"]);
    let events = space.events("one");
    for reason in ["Started", "Succeeded"] {
        assert!(events.iter().any(|one| one == reason), "{reason}: {events:?}");
    }
}

#[test]
fn what_a_run_began_with_stays() {
    let space = world().namespace("fixed");
    space.apply(&workflow("invoices", "10ms"));
    space.apply(&run("one", "invoices", ""));
    for (other, wanted) in [
        (run("one", "other", ""), "must stay the same"),
        (run("one", "invoices", "  input: {a: 1}"), "must keep what the run began with"),
        (run("one", "invoices", "  cancel: Sometimes"), "Unsupported value"),
    ] {
        let error = space.try_apply(&other).unwrap_err();
        assert!(error.contains(wanted), "{error}");
    }
    space.kubectl(&["wait", "--for=condition=Complete", "--timeout=60s", "run/one"]).unwrap();
}

#[test]
fn an_input_that_does_not_fit_is_refused_for_good() {
    let space = world().namespace("refused");
    space.apply(&workflow("invoices", "10ms"));
    space.condition("workflow/invoices", "Ready", "True");
    space.apply(&run("one", "invoices", "  input: {since: 7}"));
    space.kubectl(&["wait", "--for=condition=Complete", "--timeout=60s", "run/one"]).unwrap();
    let object = space.get("run/one");
    assert_eq!(condition(&object, "Admitted").unwrap()["reason"], "Refused");
    let message = condition(&object, "Succeeded").unwrap()["message"].as_str().unwrap();
    assert!(message.contains("since"), "{message}");
}

#[test]
fn a_run_is_suspended_resumed_and_cancelled() {
    let space = world().namespace("steered");
    space.apply(&workflow("slow", "1h"));
    space.apply(&run("one", "slow", "  suspend: true"));
    let (reason, _) = space.condition("run/one", "Admitted", "Unknown");
    assert_eq!(reason, "Suspended");
    space.apply(&run("one", "slow", "  suspend: false"));
    space.until("run/one", "it goes on", is_live);
    space.apply(&run("one", "slow", "  suspend: true"));
    space.until("run/one", "it is suspended", |value| value["status"]["phase"] == "Suspended");
    space.apply(&run("one", "slow", "  cancel: Graceful"));
    let (reason, _) = space.condition("run/one", "Complete", "True");
    assert_eq!(reason, "Cancelled");
    let error = space.try_apply(&run("one", "slow", "  cancel: None")).unwrap_err();
    assert!(error.contains("must not take back a cancel"), "{error}");
}

#[test]
fn an_object_goes_after_its_time_and_a_deleted_run_is_cancelled() {
    let space = world().namespace("gone");
    space.apply(&(workflow("quick", "10ms") + "---" + &workflow("slow", "1h")));
    space.apply(&run("short", "quick", "  ttlAfterFinished: 1s"));
    gone(&space, "run/short");
    space.apply(&run("long", "slow", ""));
    let live = space.until("run/long", "it goes on", is_live);
    let id = live["status"]["id"].as_str().unwrap().to_owned();
    space.kubectl(&["delete", "run/long", "--timeout=40s"]).unwrap();
    // The same name is another object, and another run.
    space.apply(&run("long", "slow", ""));
    let again = space.until("run/long", "it goes on", is_live);
    assert_ne!(again["status"]["id"], id.as_str());
    space.kubectl(&["delete", "run/long", "--timeout=40s"]).unwrap();
}

#[test]
fn a_patch_is_applied_refused_with_its_place_and_undone_by_deletion() {
    let space = world().namespace("patched");
    space.apply(&workflow("slow", "1h"));
    space.apply(&patch("early", "one", CHECK));
    let (reason, _) = space.condition("runpatch/early", "Applied", "Unknown");
    assert_eq!(reason, "RunNotFound");
    space.apply(&run("one", "slow", ""));
    space.condition("runpatch/early", "Applied", "True");
    let applied = space.get("runpatch/early");
    assert_eq!(
        (&applied["status"]["phase"], &applied["status"]["revision"]),
        (&"Applied".into(), &1.into())
    );
    let patched = space.until("run/one", "revision 1", |value| value["status"]["revision"] == 1);
    assert_eq!(patched["status"]["progress"], "1/4");
    space.apply(&patch("bad", "one", "[{op: remove, path: /nodes/nowhere}]"));
    let (reason, message) = space.condition("runpatch/bad", "Applied", "False");
    assert_eq!(reason, "Refused");
    assert!(message.contains("AOB") && message.contains("/operations/0/path"), "{message}");
    let bad = space.get("runpatch/bad");
    assert_eq!(bad["status"]["findings"][0]["pointer"], "/operations/0/path");
    let columns = space.kubectl(&["get", "apatch"]).unwrap();
    let head: Vec<&str> = columns.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["NAME", "RUN", "PHASE", "REV", "ACTOR", "REASON", "AGE"]);
    // What a schema cannot see is left to the webhook; another path it can.
    let longer =
        patch("early", "one", &format!("{CHECK}\n    - {{op: remove, path: /nodes/check}}"));
    let error = space.try_apply(&longer).unwrap_err();
    assert!(error.contains("must keep its operations"), "{error}");
    space.kubectl(&["delete", "runpatch/early", "--timeout=40s"]).unwrap();
    let undone = space.until("run/one", "revision 2", |value| value["status"]["revision"] == 2);
    assert_eq!(undone["status"]["progress"], "1/3");
    space.kubectl(&["delete", "run/one", "--timeout=40s"]).unwrap();
    space.kubectl(&["delete", "runpatch/bad", "--timeout=10s"]).unwrap();
}

#[test]
fn a_patch_that_cannot_be_taken_out_again_says_so_before_it_goes() {
    let space = world().namespace("stays");
    space.apply(&workflow("slow", "1h"));
    space.apply(&run("one", "slow", ""));
    // It begins at once, and what has begun is not taken out.
    let begins = "[{op: add, path: /nodes/-, value: {id: now, type: noop}}]";
    space.apply(&patch("now", "one", begins));
    space.condition("runpatch/now", "Applied", "True");
    space.until("run/one", "it has begun", |value| value["status"]["progress"] == "2/4");
    // Somebody else's finalizer keeps what it says last.
    let change = |operation: Value| {
        let patch = json!([operation]).to_string();
        space.kubectl(&["patch", "runpatch/now", "--type=json", "-p", &patch]).unwrap();
    };
    change(json!({"op": "add", "path": "/metadata/finalizers/-", "value": "example.org/keep"}));
    space.kubectl(&["delete", "runpatch/now", "--wait=false"]).unwrap();
    let last = space.until("runpatch/now", "ours is gone", |value| {
        value["metadata"]["finalizers"] == json!(["example.org/keep"])
    });
    let said = condition(&last, "Applied").unwrap();
    assert_eq!((&said["status"], &said["reason"]), (&"True".into(), &"UndoRefused".into()));
    let message = said["message"].as_str().unwrap();
    assert!(message.starts_with("it stays in force: AOB"), "{message}");
    assert_eq!(last["status"]["phase"], "Applied");
    let events = space.events("now");
    assert_eq!(events.iter().filter(|one| *one == "UndoRefused").count(), 1, "{events:?}");
    change(json!({"op": "remove", "path": "/metadata/finalizers"}));
    gone(&space, "runpatch/now");
    space.kubectl(&["delete", "run/one", "--timeout=40s"]).unwrap();
}

#[test]
fn patches_of_a_run_that_has_not_begun_follow_it_oldest_first() {
    let space = world().namespace("queued");
    space.apply(&workflow("slow", "1h"));
    space.apply(&run("one", "slow", "  suspend: true"));
    space.condition("run/one", "Admitted", "Unknown");
    space.apply(&patch("first", "one", CHECK));
    let (reason, _) = space.condition("runpatch/first", "Applied", "Unknown");
    assert_eq!(reason, "RunNotStarted");
    // Times of creation have seconds; those of the same second follow their names.
    space.apply(&patch("second", "one", "[{op: remove, path: /nodes/check}, {op: remove, path: \"/edges/pause->check\"}, {op: remove, path: \"/edges/check->save\"}]"));
    space.apply(&run("one", "slow", "  suspend: false"));
    space.condition("runpatch/second", "Applied", "True");
    let revision =
        |name: &str| space.get(&format!("runpatch/{name}"))["status"]["revision"].clone();
    assert_eq!((revision("first"), revision("second")), (1.into(), 2.into()));
    space.kubectl(&["delete", "run/one", "--timeout=40s"]).unwrap();
}

#[test]
fn a_tenant_that_has_started_as_many_as_it_may_is_told_when_one_more_is_taken() {
    let space = world().namespace("limited");
    let agents: String = (0..3)
        .map(|n| format!("    - {{id: a{n}, type: agent, config: {{model: m, prompt: hello}}}}\n"))
        .collect();
    space.apply(&format!(
        "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {{name: heavy}}
spec:
  nodes:
{agents}"
    ));
    space.condition("workflow/heavy", "Ready", "True");
    for n in 0..6 {
        space.apply(&run(&format!("r{n}"), "heavy", ""));
    }
    let refused = space.until("runs", "one of six is put off", |all| {
        let items = all["items"].as_array().cloned().unwrap_or_default();
        let reasons = items.iter().filter_map(|one| condition(one, "Admitted"));
        reasons.filter(|one| one["status"] == "True").count() == 5
            && items.iter().filter_map(|one| condition(one, "Admitted")).count() == 6
    });
    let items = refused["items"].as_array().unwrap();
    let put_off = items
        .iter()
        .filter_map(|one| condition(one, "Admitted"))
        .find(|one| one["status"] == "False")
        .unwrap();
    assert_eq!(put_off["reason"], "TierLimit");
    let message = put_off["message"].as_str().unwrap();
    assert!(
        message.contains("may start 5 runs of tier Heavy in 60 s")
            && message.contains("one more is taken at 20"),
        "{message}"
    );
    space.kubectl(&["delete", "runs", "--all", "--timeout=60s"]).unwrap();
}

#[test]
fn an_object_that_cannot_be_read_is_left_alone_and_others_are_not() {
    let space = world().namespace("odd");
    space.apply(
        &patch("odd", "one", CHECK).replace("  reason: a test", "  baseRevision: 3000000000"),
    );
    space.apply(&workflow("quick", "10ms"));
    space.apply(&run("one", "quick", ""));
    space.kubectl(&["wait", "--for=condition=Complete", "--timeout=60s", "run/one"]).unwrap();
    space.until("runpatch/odd", "it has no status", |odd| {
        odd["kind"] == "RunPatch" && odd.get("status").is_none()
    });
    space.until("events.events.k8s.io", "it is told of", |events| {
        events["items"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["reason"] == "Unreadable"))
    });
}
