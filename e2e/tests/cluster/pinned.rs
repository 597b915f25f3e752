//! Cores of its own: what the kubelet keeps, what the pod sees, what the workflow and the metric say is one and the same.

use std::fs;

use serde_json::{Value, json};

use crate::inside::Inside;
use crate::place::{Forward, Space, condition, done, kubectl, until};

/// The node's own name for itself.
const NODE: &str = "aob-node";

/// The label of machines that are prepared, as long as this lives.
struct Prepared;

impl Prepared {
    fn node() -> Self {
        done(kubectl(&["label", "node", NODE, "aob.dev/tuned=true", "--overwrite"]));
        Self
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        drop(kubectl(&["label", "node", NODE, "aob.dev/tuned-"]).output());
    }
}

fn pinned(space: &Space, reason: &str) -> String {
    let mut message = String::new();
    until(&format!("the workflow says {reason}"), || {
        let said = condition(&space.get("workflow/own"), "RunnersPinned");
        message = said["message"].as_str().unwrap_or_default().to_owned();
        said["reason"] == reason
    });
    message
}

#[test]
fn a_pod_that_requires_a_core_has_it_for_itself_or_does_nothing() {
    let space = Space::new("pinned");
    let runner = json!({"cpu": 1, "memory": "64Mi", "pinning": "Require"});
    let workflow = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "own"},
        "spec": {"runner": runner, "nodes": [{"id": "a", "type": "transform", "config": {"value": 7}}]},
    });
    let run = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Run", "metadata": {"name": "own-1"},
        "spec": {"workflowRef": {"name": "own"}},
    });
    space.apply(&workflow.to_string());
    space.apply(&run.to_string());
    // No machine is prepared: nothing runs, and it is said why.
    let why = pinned(&space, "NoMachine");
    assert!(why.contains("node"), "{why}");
    assert_eq!(space.get("run/own-1")["status"]["progress"], "0/1");

    let _prepared = Prepared::node();
    let run = space.complete("own-1");
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
    let told = pinned(&space, "OwnCores");
    let core = told.split("may use ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(core.parse::<u32>().is_ok(), "one core: {told}");

    // The kubelet has given it to this pod and keeps it from all others.
    let select = ["get", "pods", "-o", "json", "-l", "app.kubernetes.io/component=runner-pod"];
    let pods: Value = serde_json::from_str(&done(space.kubectl(&select))).unwrap();
    let pod = &pods["items"][0];
    let file = Inside::here().path("kubelet/cpu_manager_state");
    let kept: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(kept["policyName"], "static");
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    assert_eq!(kept["entries"][uid]["runner"], core, "{kept}");
    assert_ne!(kept["defaultCpuSet"], core, "{kept}");

    // And the pod measures the same.
    let name = format!("pod/{}", pod["metadata"]["name"].as_str().unwrap());
    let forward = Forward::to_target(&space.name, &name, 9464);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let text = runtime.block_on(async {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/metrics", forward.url);
        http.get(url).send().await.unwrap().text().await.unwrap()
    });
    for line in ["aob_runner_cores{which=\"own\"} 1", "aob_runner_cores{which=\"allowed\"} 1"] {
        assert!(text.lines().any(|one| one == line), "{line} is missing: {text}");
    }
    println!("pinned: {told}; the kubelet keeps {}", kept["entries"][uid]);
}
