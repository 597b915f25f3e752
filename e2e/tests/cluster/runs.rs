//! Workflow, Run and RunPatch as objects, on AOB as the chart installs it.

use serde_json::Value;

use crate::place::{SYSTEM, Space, done, kubectl, root, until};

#[test]
fn what_the_chart_installs_runs_under_the_restricted_profile() {
    let label = ["get", "namespace", SYSTEM, "-o", "jsonpath={.metadata.labels}"];
    let labels: Value = serde_json::from_str(&done(kubectl(&label))).unwrap();
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    let pods = kubectl(&["-n", SYSTEM, "get", "pods", "-o", "json"]);
    let pods: Value = serde_json::from_str(&done(pods)).unwrap();
    let pods = pods["items"].as_array().unwrap();
    for part in ["gateway", "runner", "redis"] {
        let of = |pod: &&Value| pod["metadata"]["labels"]["app.kubernetes.io/component"] == part;
        let found: Vec<&Value> = pods.iter().filter(of).collect();
        assert!(!found.is_empty(), "no pod of {part}");
        for pod in found {
            let ready = pod["status"]["containerStatuses"][0]["ready"] == true;
            let image = pod["spec"]["containers"][0]["image"].as_str().unwrap();
            assert!(ready, "{part} is not ready");
            assert!(image.contains("@sha256:"), "{image} may change");
            let account = &pod["spec"]["automountServiceAccountToken"];
            assert_eq!(account, false, "{part}");
        }
    }
    drop((root(), Space::new("none")));
    until("nothing", || true);
}
