//! A node is prepared by the chart of node tuning, watched, and given back as it was found; pods that require cores of
//! their own come to it alone, and what the kubelet keeps, what the pod sees and what the workflow says is one and the same.

use std::fs;

use serde_json::{Value, json};

use crate::inside::Inside;
use crate::place::{Forward, Space, condition, done, until};
use crate::sysctls;
use crate::tuning::{FILE, NODE, STATE, Tuning, found, node, set};

/// What the profile of the runner's plane wants.
const WANTED: &str = "8192";

#[test]
fn a_node_is_prepared_for_pods_that_require_cores_and_given_back_as_it_was_found() {
    let before = found();
    assert_ne!(before, WANTED, "this machine is tuned already: nothing would be seen");
    let space = Space::new("pinned");
    space.apply(&asked("own", "64Mi"));
    // No machine is prepared: nothing runs, and it is said why.
    let why = pinned(&space, "own", "NoMachine");
    assert!(why.contains("affinity"), "{why}");
    assert_eq!(space.get("run/own-1")["status"]["progress"], "0/1");

    let tuning = Tuning::install();
    applied(&tuning);
    let run = space.complete("own-1");
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
    owns_its_core(&space);

    drifts(&space, &tuning);
    tuning.is_replaced();
    assert_eq!(found(), WANTED, "an agent that ends for the next one puts something back");
    tuning.loses_its_set();
    until("the node is as it was found", || found() == before && label().is_null());
    tuning.is_replaced();
    until("the node is prepared again", || found() == WANTED && label() == "true");

    tuning.uninstall();
    assert_eq!(found(), before, "not as it was found");
    let node = node();
    for (name, value) in node["metadata"]["labels"].as_object().unwrap() {
        assert!(!name.contains("tun"), "{name}={value} is left");
    }
    for (name, value) in node["metadata"]["annotations"].as_object().unwrap() {
        assert!(!name.starts_with("aob.dev/"), "{name}={value} is left");
    }
    assert_eq!(condition(&node, "AobTuned")["reason"], "Reverted");
    let left = done(Inside::here().command(&["find", "/etc/sysctl.d", STATE, "-type", "f"]));
    assert_eq!(left.trim(), format!("{STATE}/lock"));
}

/// A workflow that requires a core, and a run of it.
fn asked(name: &str, memory: &str) -> String {
    let runner = json!({"cpu": 1, "memory": memory, "pinning": "Require"});
    let workflow = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": name},
        "spec": {"runner": runner, "nodes": [{"id": "a", "type": "transform", "config": {"value": 7}}]},
    });
    let run = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Run", "metadata": {"name": format!("{name}-1")},
        "spec": {"workflowRef": {"name": name}},
    });
    format!("{workflow}\n---\n{run}")
}

fn pinned(space: &Space, workflow: &str, reason: &str) -> String {
    let mut message = String::new();
    until(&format!("the workflow says {reason}"), || {
        let said = condition(&space.get(&format!("workflow/{workflow}")), "RunnersPinned");
        message = said["message"].as_str().unwrap_or_default().to_owned();
        said["reason"] == reason
    });
    message
}

fn label() -> Value {
    node()["metadata"]["labels"]["aob.dev/tuned"].clone()
}

/// The kernel, the file for the next boot and the Node object say that the profiles are applied, and which.
fn applied(tuning: &Tuning) {
    until("the node is prepared", || label() == "true");
    assert_eq!(found(), WANTED);
    let node = node();
    assert_eq!(condition(&node, "AobTuned")["status"], "True");
    let told = &node["metadata"]["annotations"];
    assert_eq!(told["aob.dev/tuning"], "Tuned");
    assert_eq!(told["aob.dev/tuning-profiles"], json!(tuning.digest()));
    let file = done(Inside::here().command(&["cat", FILE]));
    assert!(file.contains(&format!("fs.inotify.max_user_instances = {WANTED}\n")), "{file}");
    tuning.measures("aob_node_tuning{state=\"tuned\"} 1");
    tuning.agent_has_no_rights_to_spare();
}

/// Somebody changes a value: it is said and not fought over, and the node takes no such pods until it is right again.
fn drifts(space: &Space, tuning: &Tuning) {
    set("512");
    until("the drift is seen", || label().is_null());
    let node = node();
    let said = condition(&node, "AobTuned");
    assert_eq!((&said["status"], &said["reason"]), (&json!("False"), &json!("Degraded")));
    tuning.measures("aob_node_drift{of=\"us\"} 1");
    let why = "fs.inotify.max_user_instances is 512, should be 8192";
    assert_eq!(said["message"], why);
    assert_eq!(node["metadata"]["annotations"]["aob.dev/tuning-why"], why);
    space.apply(&asked("later", "72Mi"));
    let why = pinned(space, "later", "NoMachine");
    assert!(why.contains("affinity"), "{why}");
    assert_eq!(found(), "512");
    done(space.kubectl(&["delete", "run/later-1", "workflow/later"]));
    set(WANTED);
    until("the node is right again", || label() == "true");
}

/// The pod has a core and the settings of its plane for itself, and everybody says the same of it.
fn owns_its_core(space: &Space) {
    let told = pinned(space, "own", "OwnCores");
    let core = told.split("may use ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(core.parse::<u32>().is_ok(), "one core: {told}");

    // The kubelet has given it to this pod and keeps it from all others.
    let select = ["get", "pods", "-o", "json", "-l", "app.kubernetes.io/component=runner-pod"];
    let pods: Value = serde_json::from_str(&done(space.kubectl(&select))).unwrap();
    let pod = &pods["items"][0];
    assert_eq!(pod["spec"]["nodeName"], NODE);
    sysctls::has(pod, "net.ipv4.ip_local_port_range");
    let inside = Inside::here();
    let file = inside.path("kubelet/cpu_manager_state");
    let kept: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(kept["policyName"], "static");
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    assert_eq!(kept["entries"][uid]["runner"], core, "{kept}");
    assert_ne!(kept["defaultCpuSet"], core, "{kept}");

    // And the pod measures the same.
    let name = format!("pod/{}", pod["metadata"]["name"].as_str().unwrap());
    let text = Forward::to_target(&space.name, &name, 9464).get("/metrics");
    for line in ["aob_runner_cores{which=\"own\"} 1", "aob_runner_cores{which=\"allowed\"} 1"] {
        assert!(text.lines().any(|one| one == line), "{line} is missing: {text}");
    }
    println!("pinned: {told}; the kubelet keeps {}", kept["entries"][uid]);
}
