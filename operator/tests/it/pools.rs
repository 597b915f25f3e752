//! Pools as objects. Nothing runs pods here: what a kubelet would say of one is said by the test.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::plane::Plane;
use crate::world::{PATIENCE, condition, operator, store};

const SETTINGS: &str = r#"{
    "image": "aob-runner:1", "gateway": "http://aob-gateway.aob-system", "gatewayNamespace": "aob-system",
    "audience": "aob", "max": 2, "idle": "1s", "slots": 1, "networkPolicy": true, "defaults": {"cpu": 1, "memory": "64Mi"}
}"#;

struct Space<'a> {
    plane: &'a Plane,
    name: &'a str,
}

impl Space<'_> {
    fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let all: Vec<&str> =
            ["-n", self.name].into_iter().chain(arguments.iter().copied()).collect();
        self.plane.kubectl(&all)
    }

    fn apply(&self, object: &Value) {
        let mut object = object.clone();
        object["metadata"]["namespace"] = self.name.into();
        self.plane.apply(&object.to_string());
    }

    fn get(&self, what: &str) -> Value {
        let found = self.kubectl(&["get", what, "-o", "json"]).unwrap_or_default();
        serde_json::from_str(&found).unwrap_or_default()
    }

    fn until(&self, what: &str, about: &str, is: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let value = self.get(what);
            if is(&value) {
                return value;
            }
            let log = self.plane.folder.join("pools-1.log");
            let said = || std::fs::read_to_string(log).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "{what}: {about}\n{value}\n{}", said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the workflow says so of its pods; the message.
    fn pinned(&self, workflow: &str, reason: &str) -> String {
        let what = format!("workflow/{workflow}");
        let is = |value: &Value| {
            condition(value, "RunnersPinned").is_some_and(|one| one["reason"] == reason)
        };
        let value = self.until(&what, reason, is);
        condition(&value, "RunnersPinned").unwrap()["message"].as_str().unwrap().to_owned()
    }
}

fn workflow(name: &str, runner: Value) -> Value {
    json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": name},
        "spec": {
            "runner": runner,
            "nodes": [{"id": "a", "type": "http", "config": {
                "url": "https://example.com", "headers": {"authorization": "Bearer ${ secrets.erp.token }"},
            }}],
        },
    })
}

/// A pod of a Deployment, whose container that looks at its cores has left this.
fn pod(deployment: &Value, own: bool) -> (Value, Value) {
    let template = &deployment["spec"]["template"];
    let mut spec = template["spec"].clone();
    // The plane has no service accounts in its admission, and no machine.
    spec["serviceAccountName"] = Value::Null;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "one", "labels": template["metadata"]["labels"]},
        "spec": spec,
    });
    let report =
        json!({"asked": 1, "allowed": if own { "1" } else { "0-1" }, "online": "0-1", "own": own});
    let status = json!({"status": {
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}],
        "initContainerStatuses": [{
            "name": "cores", "image": "aob-runner:1", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"terminated": {"exitCode": 0, "message": report.to_string()}},
        }],
    }});
    (pod, status)
}

#[test]
fn a_pool_follows_its_workflow_and_the_work_there_is() {
    let plane = Plane::start();
    let (redis, _store) = store(&plane.folder);
    let flags = ["--tenant-pools", SETTINGS];
    let first = operator(&plane, &redis, "pools-0", &flags);
    plane.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: finance}\n");
    let space = Space { plane: &plane, name: "finance" };
    let runner = json!({"cpu": 1, "memory": "64Mi", "pinning": "Prefer"});
    let name = format!("deployment/aob-runner-{}", aob_engine::pool::name(Some(&runner)));
    space.apply(&workflow("invoices", runner));
    let made = space.until(&name, "it is made", |made| made["spec"]["replicas"] == 0);
    assert_eq!(made["spec"]["template"]["spec"]["containers"][0]["image"], "aob-runner:1");
    let volumes = made["spec"]["template"]["spec"]["volumes"].to_string();
    assert!(!volumes.contains("erp"), "a Secret that is not there is not mounted: {volumes}");
    space.pinned("invoices", "NoPods");
    let there = |found: &Value| !found.is_null();
    for rest in ["networkpolicy/aob-runner", &name.replace("deployment", "pdb")] {
        space.until(rest, "it is made", there);
    }
    let account = space.until("serviceaccount/aob-runner", "it is made", there);
    assert_eq!(account["automountServiceAccountToken"], false);

    // An operator that takes over changes nothing about what is as it should be.
    drop(first);
    let _second = operator(&plane, &redis, "pools-1", &flags);
    space.apply(&json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Run", "metadata": {"name": "one"},
        "spec": {"workflowRef": {"name": "invoices"}},
    }));
    let grown = space.until(&name, "there is work", |made| made["spec"]["replicas"] == 1);
    let generation = |made: &Value| made["metadata"]["generation"].as_u64().unwrap();
    assert_eq!(generation(&grown), generation(&made) + 1, "only the number of pods has changed");

    // What pods say of their cores is what the workflow says.
    let (one, shared) = pod(&grown, false);
    space.apply(&one);
    let say = |status: &Value| {
        let text = status.to_string();
        let patch = ["patch", "pod/one", "--subresource=status", "--type=merge", "-p", &text];
        space.kubectl(&patch).unwrap();
    };
    space.pinned("invoices", "Starting");
    say(&shared);
    let told = space.pinned("invoices", "SharedCores");
    assert!(told.contains("1 asked for; may use 0-1 of 0-1"), "{told}");
    let told = |events: &Value| events.to_string().contains("NotPinned");
    space.until("events.events.k8s.io", "an event", told);
    say(&pod(&grown, true).1);
    space.pinned("invoices", "OwnCores");

    // Labelled for workflows, the Secret is mounted.
    space.apply(&json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "erp", "labels": {"aob.dev/usable": "true"}}, "stringData": {"token": "x"},
    }));
    let runner = json!({"cpu": 1, "memory": "128Mi"});
    space.apply(&workflow("others", runner.clone()));
    let other = format!("deployment/aob-runner-{}", aob_engine::pool::name(Some(&runner)));
    let made = space.until(&other, "it is made", |made| made["spec"]["replicas"] == 0);
    let volumes = made["spec"]["template"]["spec"]["volumes"].to_string();
    assert!(volumes.contains("\"secretName\":\"erp\""), "{volumes}");

    // What the API server does not take is said in its words.
    space.apply(&workflow("odd", json!({"nodeSelector": {"disk": "very fast"}})));
    let told = space.pinned("odd", "PodsRefused");
    assert!(told.contains("very fast"), "{told}");

    // Without work there are no pods, without workflows no pool.
    space.kubectl(&["delete", "run/one"]).unwrap();
    space.until(&name, "the pods end", |made| made["spec"]["replicas"] == 0);
    space.kubectl(&["delete", "workflow/invoices", "workflow/others", "workflow/odd"]).unwrap();
    space.until("deployments,pdb", "nothing is left", |all| {
        all["items"].as_array().is_some_and(Vec::is_empty)
    });
}
