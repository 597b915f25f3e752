//! `job` nodes become Jobs. Nothing runs them here: what a kubelet and a controller would say is said by the test.

use serde_json::{Value, json};

use crate::world::world;

fn workflow(image: &str) -> String {
    format!("
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {{name: jobs}}
spec:
  output: \"${{ nodes.count.output }}\"
  nodes:
    - {{id: count, type: job, config: {{image: \"{image}\", args: [\"--month\", \"11\"], resources: {{memory: 64Mi}}}}}}
---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {{name: one}}
spec: {{workflowRef: {{name: jobs}}}}
")
}

#[test]
fn a_job_is_made_once_for_an_attempt_and_its_end_is_the_answer() {
    let space = world().namespace("jobs");
    space.apply(&workflow("acme/count:1"));
    let all = space.until("jobs", "one job", |jobs| {
        jobs["items"].as_array().is_some_and(|all| all.len() == 1)
    });
    let job = &all["items"][0];
    let name = job["metadata"]["name"].as_str().unwrap();
    assert_eq!(job["metadata"]["ownerReferences"][0]["name"], "one");
    assert_eq!(job["spec"]["template"]["spec"]["containers"][0]["args"], json!(["--month", "11"]));
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "count-pod", "labels": {"job-name": name}},
        "spec": job["spec"]["template"]["spec"],
    });
    space.apply(&pod.to_string());
    let state =
        json!({"terminated": {"exitCode": 0, "reason": "Completed", "message": "{\"rows\": 3}"}});
    let pod_status = json!({"status": {"phase": "Succeeded", "containerStatuses": [{
        "name": "main", "image": "acme/count:1", "imageID": "", "ready": false, "restartCount": 0, "state": state,
    }]}});
    let patch = |what: &str, status: &Value| {
        let text = status.to_string();
        space
            .kubectl(&["patch", what, "--subresource=status", "--type=merge", "-p", &text])
            .unwrap();
    };
    patch("pod/count-pod", &pod_status);
    patch(
        &format!("job/{name}"),
        &json!({"status": {
            "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:01Z", "succeeded": 1,
            "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "SuccessCriteriaMet", "status": "True", "lastTransitionTime": "2026-01-01T00:00:01Z"},
                {"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:00:01Z"},
            ],
        }}),
    );
    let (reason, _) = space.condition("run/one", "Succeeded", "True");
    assert_eq!(reason, "Succeeded");
}

#[test]
fn a_job_that_the_api_server_refuses_fails_with_its_words() {
    let space = world().namespace("jobless");
    let quota = "
apiVersion: v1
kind: ResourceQuota
metadata: {name: none}
spec: {hard: {count/jobs.batch: \"0\"}}
";
    space.apply(quota);
    // Nobody counts here; what is hard is known without a status too once it is said.
    space.kubectl(&["patch", "resourcequota/none", "--subresource=status", "--type=merge",
        "-p", "{\"status\":{\"hard\":{\"count/jobs.batch\":\"0\"},\"used\":{\"count/jobs.batch\":\"0\"}}}"]).unwrap();
    space.apply(&workflow("acme/count:1"));
    let (reason, message) = space.condition("run/one", "Succeeded", "False");
    assert_eq!(reason, "Failed");
    assert!(message.contains("exceeded quota"), "{message}");
}
