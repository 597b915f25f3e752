//! Workflow, Run and RunPatch as objects, on AOB as the chart installs it.

use serde_json::{Value, json};

use crate::place::{SYSTEM, Space, condition, done, fed, kubectl, root, text, until};

/// Two steps with a pause between them that is long enough to patch.
const SLOW: &str = "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: slow}
spec:
  nodes:
    - {id: fetch, type: transform, config: {value: {rows: 3}}}
    - {id: pause, type: delay, config: {for: 8s}}
    - {id: save, type: transform, config: {value: \"${ nodes.fetch.output.rows }\"}}
  edges:
    - {from: fetch, to: pause}
    - {from: pause, to: save}
---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {name: slow-1}
spec:
  workflowRef: {name: slow}
";

fn patch(name: &str, operations: &str) -> String {
    format!(
        "
apiVersion: aob.dev/v1alpha1
kind: RunPatch
metadata: {{name: {name}}}
spec:
  runRef: {{name: slow-1}}
  reason: Rows are checked before they are saved.
  operations: {operations}
"
    )
}

#[test]
fn what_the_chart_installs_runs_under_the_restricted_profile() {
    let labels = ["get", "namespace", SYSTEM, "-o", "jsonpath={.metadata.labels}"];
    let labels: Value = serde_json::from_str(&done(kubectl(&labels))).unwrap();
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    let pods = kubectl(&["-n", SYSTEM, "get", "pods", "-o", "json"]);
    let pods: Value = serde_json::from_str(&done(pods)).unwrap();
    let pods = pods["items"].as_array().unwrap();
    for part in ["gateway", "operator", "redis", "runner"] {
        let of = |pod: &&Value| pod["metadata"]["labels"]["app.kubernetes.io/component"] == part;
        let found: Vec<&Value> = pods.iter().filter(of).collect();
        assert!(!found.is_empty(), "no pod of {part}");
        for pod in found {
            let image = pod["spec"]["containers"][0]["image"].as_str().unwrap();
            assert!(image.contains("@sha256:"), "{image} may change");
            let ready = &pod["status"]["containerStatuses"][0]["ready"];
            assert_eq!(ready, true, "{part}");
            assert_eq!(pod["spec"]["automountServiceAccountToken"], false, "{part}");
            let class = &pod["status"]["qosClass"];
            assert!(part != "runner" || class == "Guaranteed", "{class}");
        }
    }
}

#[test]
fn an_applied_run_completes() {
    let space = Space::new("first");
    let file = root().join("examples/kubernetes/first.yaml");
    space.apply(&std::fs::read_to_string(file).unwrap());
    // Succeeded or not, whoever waits for it goes on.
    done(space.kubectl(&["wait", "--for=condition=Complete", "run/hello-1", "--timeout=180s"]));
    let run = space.get("run/hello-1");
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
    let listed = done(space.kubectl(&["get", "awf,arun"]));
    for column in ["READY", "VERSION", "TIER", "NODES", "WORKFLOW", "PHASE", "PROGRESS"] {
        assert!(listed.contains(column), "{column}: {listed}");
    }
    println!("{listed}");
}

#[test]
fn a_patch_is_taken_or_refused_with_its_rule_while_the_run_goes_on() {
    let space = Space::new("patched");
    space.apply(SLOW);
    let good = "
    - {op: add, path: /nodes/-, value: {id: check, type: noop}}
    - {op: add, path: /edges/-, value: {from: pause, to: check}}
    - {op: add, path: /edges/-, value: {from: check, to: save}}";
    space.apply(&patch("check-rows", good));
    let bad = "\n    - {op: add, path: /edges/-, value: {from: save, to: fetch}}";
    space.apply(&patch("round-trip", bad));
    let mut told = [Value::Null, Value::Null];
    until("both patches are answered", || {
        told = ["check-rows", "round-trip"].map(|name| space.get(&format!("runpatch/{name}")));
        told.iter()
            .all(|one| one["status"]["phase"].as_str().is_some_and(|phase| phase != "Pending"))
    });
    assert_eq!(told[0]["status"]["phase"], "Applied", "{}", told[0]["status"]);
    assert_eq!(told[1]["status"]["phase"], "Refused", "{}", told[1]["status"]);
    let applied = condition(&told[1], "Applied");
    let message = applied["message"].as_str().unwrap();
    assert!(message.contains("AOB") && message.contains('/'), "no rule and place in: {message}");
    let run = space.complete("slow-1");
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
    assert_eq!(run["status"]["progress"], "4/4", "{}", run["status"]);
    assert!(run["status"]["revision"].as_u64().unwrap() >= 1, "{}", run["status"]);
}

#[test]
fn a_graph_that_breaks_a_rule_is_not_stored() {
    let space = Space::new("refused");
    let bad = SLOW.replace("to: save", "to: nowhere");
    let output = fed(space.kubectl(&["apply", "-f", "-"]), &bad);
    let said = text(&output);
    assert!(!output.status.success() && said.contains("AOB") && said.contains("nowhere"), "{said}");
    assert_eq!(space.get("workflow/slow"), Value::Null);
}

#[test]
fn a_run_of_a_step_with_an_image_of_its_own_is_a_job() {
    let space = Space::new("job");
    let image = "aob.local/shell:0.1.0";
    let spec = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "counted"},
        "spec": {"nodes": [{
            "id": "count", "type": "job",
            "config": {"image": image, "command": ["/bin/sh", "-c", "echo counted 3"]},
        }]},
    });
    space.apply(&spec.to_string());
    space.apply("{apiVersion: aob.dev/v1alpha1, kind: Run, metadata: {name: counted-1}, spec: {workflowRef: {name: counted}}}");
    let run = space.complete("counted-1");
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
}

#[test]
fn helm_test_runs_a_workflow_over_the_gateway() {
    let output = crate::place::helm(&["test", "aob", "--namespace", SYSTEM]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}
