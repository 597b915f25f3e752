//! What can be asked of each kind, on AOB as the chart installs it: steered, limited, unknown, registered, taken away.

use serde_json::{Value, json};

use crate::place::{SYSTEM, Space, condition, done, kubectl, pods, until};

const STEERED: &str = "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: steered}
spec:
  nodes:
    - {id: wait, type: delay, config: {for: 1h}}
    - id: tidy
      within: finally
      type: transform
      config: {value: {outcome: \"${ run.outcome }\"}}
---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {name: steered-1}
spec: {workflowRef: {name: steered}}
";

fn quick(run: &str, more: &str) -> String {
    format!(
        "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {{name: quick}}
spec: {{nodes: [{{id: one, type: noop}}]}}
---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {{name: {run}}}
spec: {{workflowRef: {{name: quick}}{more}}}
"
    )
}

fn patched(space: &Space, what: &str, spec: &Value) {
    let text = json!({ "spec": spec }).to_string();
    done(space.kubectl(&["patch", what, "--type=merge", "-p", &text]));
}

/// What the pods of a part of AOB say of themselves, by way of the API server.
fn metrics(part: &str, port: u16) -> String {
    let one = |pod: String| {
        let path = format!("/api/v1/namespaces/{SYSTEM}/pods/{pod}:{port}/proxy/metrics");
        done(kubectl(&["get", "--raw", &path]))
    };
    pods(SYSTEM, part).into_iter().map(one).collect()
}

/// A counter, all its labels together.
fn counted(text: &str, name: &str, label: &str) -> f64 {
    let of = |line: &&str| line.starts_with(name) && line.contains(label);
    let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
    text.lines().filter(of).filter_map(value).sum()
}

#[test]
fn a_run_is_suspended_resumed_and_cancelled_with_its_exit_handler() {
    let space = Space::new("steered");
    space.apply(STEERED);
    let phase = |wanted: &str| {
        until(&format!("it is {wanted}"), || {
            space.get("run/steered-1")["status"]["phase"] == wanted
        });
    };
    phase("Running");
    patched(&space, "run/steered-1", &json!({"suspend": true}));
    phase("Suspended");
    patched(&space, "run/steered-1", &json!({"suspend": false}));
    phase("Running");
    patched(&space, "run/steered-1", &json!({"cancel": "Graceful"}));
    let run = space.complete("steered-1");
    assert_eq!(condition(&run, "Complete")["reason"], "Cancelled", "{}", run["status"]);
    // The exit handler's scope and node have run, the node that waited has not.
    let progress = run["status"]["progress"].as_str().unwrap();
    assert!(progress.split_once('/').is_some_and(|(done, all)| done == all), "{progress}");
    let events = space.events("steered-1");
    for reason in ["Started", "Suspended", "Resumed", "Cancelled"] {
        assert!(events.iter().any(|one| one == reason), "{reason}: {events:?}");
    }
}

#[test]
fn an_object_goes_after_its_time_and_its_run_stays() {
    let space = Space::new("time");
    space.apply(&quick("short", ", ttlAfterFinished: 1s"));
    until("it is gone", || space.get("run/short") == Value::Null);
    space.apply(&quick("long", ""));
    space.complete("long");
}

#[test]
fn a_tenant_starts_as_many_as_its_tier_says() {
    let space = Space::new("limit");
    // Heavy by its agents, none of which ever begins: pods for them are another test's matter.
    let agent = |number| json!({"id": format!("a{number}"), "type": "agent", "config": {"model": "m", "prompt": "hello"}});
    let after = |number| json!({"from": "wait", "to": format!("a{number}")});
    let wait = json!({"id": "wait", "type": "delay", "config": {"for": "1h"}});
    let nodes: Vec<Value> = std::iter::once(wait).chain((0..3).map(agent)).collect();
    let heavy = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "heavy"},
        "spec": {"nodes": nodes, "edges": (0..3).map(after).collect::<Vec<_>>()},
    });
    space.apply(&heavy.to_string());
    space.reason("workflow/heavy", "Ready", "Published");
    let run = |number| {
        format!(
            "---\napiVersion: aob.dev/v1alpha1\nkind: Run\nmetadata: {{name: h{number}}}\nspec: {{workflowRef: {{name: heavy}}}}\n"
        )
    };
    space.apply(&(0..6).map(run).collect::<String>());
    let mut reasons = Vec::new();
    until("one of six is put off", || {
        let all = space.get("runs");
        let items = all["items"].as_array().cloned().unwrap_or_default();
        reasons = items.iter().map(|one| condition(one, "Admitted")).collect();
        let of = |reason: &str| reasons.iter().filter(|one| one["reason"] == reason).count();
        of("TierHeavy") == 5 && of("TierLimit") == 1
    });
    let refused = reasons.iter().find(|one| one["reason"] == "TierLimit").unwrap();
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("may start 5 runs of tier Heavy in 60 s"), "{message}");
    // Another tenant is not its neighbour's matter.
    let other = Space::new("beside");
    other.apply(&heavy.to_string());
    other.apply(&run(0));
    other.reason("run/h0", "Admitted", "TierHeavy");
}

#[test]
fn annotations_of_a_namespace_limit_its_tenant() {
    let space = Space::new("annotated");
    let annotated = |annotation: &str| {
        done(kubectl(&["annotate", "--overwrite", "namespace", &space.name, annotation]));
    };
    annotated("limits.aob.dev/runs-per-minute=1");
    // The operator hears of it from its watch: some may begin before.
    let mut admitted = Value::Null;
    for number in 0..50 {
        let name = format!("q{number}");
        space.apply(&quick(&name, ""));
        until(&format!("{name} is taken on or put off"), || {
            admitted = condition(&space.get(&format!("run/{name}")), "Admitted");
            admitted["reason"].is_string()
        });
        if admitted["reason"] == "TierLimit" {
            break;
        }
    }
    let message = admitted["message"].as_str().unwrap();
    assert!(message.contains("may start 1 runs in 60 s"), "{message}");
    annotated("limits.aob.dev/runs-per-minute-");
}

#[test]
fn a_type_that_nobody_knows_is_told_of_everywhere_and_one_that_comes_later_is_known() {
    let space = Space::new("unknown");
    let kind = format!("acme.t{}", std::process::id());
    // Whoever decides passes it over: whoever starts the run, or a runner.
    let passed = || {
        let all = metrics("operator", 9090) + &metrics("runner", 9464);
        counted(&all, "aob_nodes_passed_total", "unknown_type")
    };
    let before = passed();
    let document = quick("odd-1", "").replace("noop", &kind);
    space.apply(&document);
    let workflow = space.reason("workflow/quick", "NodeTypesResolved", "UnknownTypes");
    let message = condition(&workflow, "NodeTypesResolved")["message"].to_string();
    assert!(message.contains(&kind), "{message}");
    until("it is told of", || space.events("quick").iter().any(|one| one == "UnknownTypes"));
    let run = space.complete("odd-1");
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
    until("it is counted", || passed() > before);

    // Known from now on; taken away, it is unknown again.
    let registered = format!(
        "{{apiVersion: aob.dev/v1alpha1, kind: NodeType, metadata: {{name: {kind}}}, spec: {{effect: Pure, run: {{worker: {{}}}}}}}}"
    );
    space.apply(&registered);
    let object = format!("nodetype/{kind}");
    space.reason(&object, "Ready", "Registered");
    space.reason("workflow/quick", "NodeTypesResolved", "AllKnown");
    done(kubectl(&["delete", &object, "--timeout=60s"]));
    space.apply(&document.replace("id: one", "id: two"));
    space.reason("workflow/quick", "NodeTypesResolved", "UnknownTypes");
}

#[test]
fn a_cancelled_run_takes_its_job_away_and_a_job_that_ends_leaves_its_log() {
    let space = Space::new("jobs");
    let job = |name: &str, script: &str| {
        json!({
            "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": name},
            "spec": {"output": "${ nodes.work.output }", "nodes": [{
                "id": "work", "type": "job",
                "config": {"image": "aob.local/shell:0.1.0", "command": ["/bin/sh", "-c", script]},
            }]},
        })
    };
    let run = |name: &str| {
        format!(
            "{{apiVersion: aob.dev/v1alpha1, kind: Run, metadata: {{name: {name}-1}}, spec: {{workflowRef: {{name: {name}}}}}}}"
        )
    };
    space.apply(&job("endless", "sleep 3600").to_string());
    space.apply(&run("endless"));
    let count = || space.get("jobs")["items"].as_array().map_or(0, Vec::len);
    until("its Job is there", || count() == 1);
    patched(&space, "run/endless-1", &json!({"cancel": "Now"}));
    let ended = space.complete("endless-1");
    assert_eq!(condition(&ended, "Complete")["reason"], "Cancelled", "{}", ended["status"]);
    until("its Job is gone", || count() == 0);

    space.apply(&job("told", "echo counted; echo '{\"rows\": 3}' > /aob/output.json").to_string());
    space.apply(&run("told"));
    let ended = space.complete("told-1");
    assert_eq!(ended["status"]["phase"], "Succeeded", "{}", ended["status"]);
    // It belongs to its Run, and goes with it.
    let owner = &space.get("jobs")["items"][0]["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["kind"], &owner["name"]), (&json!("Run"), &json!("told-1")));
    done(space.kubectl(&["delete", "run/told-1", "--timeout=60s"]));
    until("it went with its run", || count() == 0);
}

#[test]
fn a_run_that_is_deleted_is_cancelled_and_a_patch_that_is_deleted_is_undone() {
    let space = Space::new("deleted");
    // What has not begun can be taken out again.
    space.apply(STEERED);
    space.apply(
        "
apiVersion: aob.dev/v1alpha1
kind: RunPatch
metadata: {name: more}
spec:
  runRef: {name: steered-1}
  reason: a test
  operations:
    - {op: add, path: /nodes/-, value: {id: more, type: noop}}
    - {op: add, path: /edges/-, value: {from: wait, to: more}}
",
    );
    space.reason("runpatch/more", "Applied", "Applied");
    done(space.kubectl(&["delete", "runpatch/more", "--timeout=60s"]));
    until("it is undone", || space.get("run/steered-1")["status"]["revision"] == 2);
    done(space.kubectl(&["delete", "run/steered-1", "--timeout=60s"]));
}

#[test]
fn a_graph_of_a_thousand_nodes_is_an_object_as_any_other() {
    let space = Space::new("thousand");
    let node = |number: usize| json!({"id": format!("n{number}"), "type": "noop"});
    // Ten in a row, a hundred beside each other.
    let edge =
        |number: usize| json!({"from": format!("n{}", number - 100), "to": format!("n{number}")});
    let workflow = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "thousand"},
        "spec": {
            "nodes": (0..1000).map(node).collect::<Vec<_>>(),
            "edges": (100..1000).map(edge).collect::<Vec<_>>(),
        },
    });
    space.apply(&workflow.to_string());
    space.apply("{apiVersion: aob.dev/v1alpha1, kind: Run, metadata: {name: thousand-1}, spec: {workflowRef: {name: thousand}}}");
    let run = space.complete("thousand-1");
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
    assert_eq!(run["status"]["progress"], "1000/1000");
    for what in ["workflow/thousand", "run/thousand-1"] {
        let size = space.get(what)["status"].to_string().len();
        assert!(size < 64 * 1024, "{what}: {size} bytes");
    }
}

#[test]
fn an_object_that_cannot_be_read_is_told_of_and_no_matter_of_others() {
    let space = Space::new("odd");
    // The schema takes it, the type does not.
    space.apply(
        "
apiVersion: aob.dev/v1alpha1
kind: RunPatch
metadata: {name: odd}
spec:
  runRef: {name: plain}
  baseRevision: 3000000000
  operations: [{op: add, path: /nodes/-, value: {id: more, type: noop}}]
",
    );
    space.apply(&quick("plain", ""));
    let run = space.complete("plain");
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
    until("it is told of", || space.events("odd").iter().any(|one| one == "Unreadable"));
    assert_eq!(space.get("runpatch/odd").get("status"), None);
}

#[test]
fn a_certificate_of_the_webhook_that_ends_soon_is_followed_by_another() {
    let secret = "secret/aob-webhook-certificate";
    let shown = || {
        let jsonpath = "jsonpath={.data.tls\\.crt}";
        done(kubectl(&["-n", SYSTEM, "get", secret, "-o", jsonpath]))
    };
    let before = shown();
    let soon = "aob.dev/not-after=2026-01-01T00:00:00Z";
    done(kubectl(&["-n", SYSTEM, "annotate", "--overwrite", secret, soon]));
    until("another one is made", || shown() != before);
    // Whichever is shown, the API server believes it.
    let space = Space::new("hook");
    space.apply(&quick("believed", ""));
    space.complete("believed");
}
