//! Runner pods of tenants: made for the work there is, in the namespace it is of, with nothing but a token for the gateway.

use std::process::Command;

use serde_json::{Value, json};

use crate::inside::{Inside, built, post};
use crate::place::{Forward, SYSTEM, Space, done, fed, kubectl, program, root, text, until};

/// The gateway as pods of other namespaces know it.
const GATEWAY: &str = "http://aob-gateway.aob-system.svc/api/v1/";

/// A step that only whoever has the secret `erp` can do: the gateway asks who is there.
fn secretive(name: &str) -> Value {
    json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": name},
        "spec": {
            "output": "${ nodes.ask.output.body.api }",
            "nodes": [{"id": "ask", "type": "http", "config": {
                "url": GATEWAY, "headers": {"authorization": "Bearer ${ secrets.erp.token }"},
            }}],
        },
    })
}

fn run_of(name: &str, workflow: &str) -> String {
    json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Run", "metadata": {"name": name},
        "spec": {"workflowRef": {"name": workflow}},
    })
    .to_string()
}

/// A Secret with a token that the gateway knows, for nodes to read.
fn keep_secret(space: &Space) {
    done(space.kubectl(&["create", "serviceaccount", "erp"]));
    let token = space.token("erp", "aob");
    space.apply(
        &json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "erp", "labels": {"aob.dev/usable": "true"}},
            "stringData": {"token": token},
        })
        .to_string(),
    );
}

/// The runner pods of a namespace that have begun, and not been told to end.
fn pods(space: &Space) -> Vec<Value> {
    let select = ["get", "pods", "-o", "json", "-l", "app.kubernetes.io/component=runner-pod"];
    let all: Value = serde_json::from_str(&done(space.kubectl(&select))).unwrap();
    let list = all["items"].as_array().cloned().unwrap_or_default();
    list.into_iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).collect()
}

/// The token of a pod, as it is on the machine.
fn token_of(pod: &Value) -> String {
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let inside = Inside::here();
    let path = format!("kubelet/pods/{uid}/volumes/kubernetes.io~projected/token/token");
    done(inside.command(&["cat", inside.path(&path).to_str().unwrap()])).trim().to_owned()
}

#[test]
fn what_reads_secrets_runs_in_its_own_namespace() {
    let space = Space::new("tenant");
    keep_secret(&space);
    space.apply(&secretive("secretive").to_string());
    space.apply(&run_of("secretive-1", "secretive"));
    let run = space.complete("secretive-1");
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);

    let runners = aob_engine::pool::name(None);
    let made = space.get(&format!("deployment/aob-runner-{runners}"));
    assert_eq!(made["metadata"]["labels"]["aob.dev/pool"], json!(runners));
    let pod = pods(&space).pop().expect("the pod that did it");
    let spec = &pod["spec"];
    assert_eq!(pod["status"]["qosClass"], "Guaranteed");
    assert_eq!(spec["automountServiceAccountToken"], false);
    let shown = pod.to_string();
    assert!(!shown.contains("AOB_REDIS") && !shown.contains("redis://"), "{shown}");
    let account = spec["serviceAccountName"].as_str().unwrap();
    let subject = format!("system:serviceaccount:{}:{account}", space.name);
    for (verb, what) in [("get", "secrets"), ("list", "pods"), ("get", "runs.aob.dev")] {
        let may = space.kubectl(&["auth", "can-i", verb, what, "--as", &subject]).output().unwrap();
        assert!(!may.status.success(), "{verb} {what}");
    }

    // With its own token: its namespace's work, and nothing else.
    let token = token_of(&pod);
    let forward = Forward::to(SYSTEM, "aob-gateway", 80);
    let other = Space::new("else");
    let claim =
        |types: &[&str]| json!({"types": types, "runners": runners, "max": 1, "wait": "0s"});
    let ask =
        |path: &str, body: &Value| post(&format!("{}/api/v1{path}", forward.url), &token, body);
    let (status, told) = ask("/work/claim", &claim(&["http"]));
    assert_eq!((status, &told["tasks"]), (200, &json!([])), "{told}");
    let elsewhere = format!("/work/claim?tenant={}", other.name);
    let (status, told) = ask(&elsewhere, &claim(&["http"]));
    assert_eq!((status, &told["code"]), (403, &json!("AOB6008")), "{told}");
    let inline = json!({"inline": secretive("own")});
    assert_eq!(ask("/runs", &inline).0, 403, "it works, and starts nothing");
    // The API server does not know it: it is for another audience.
    let server = Command::new(program("kubernetes/kubectl"))
        .args(["--kubeconfig", "/dev/null", "--token", &token, "--server"])
        .arg(Inside::here().server())
        .args(["--insecure-skip-tls-verify", "get", "--raw", "/api"])
        .output()
        .unwrap();
    let said = text(&server);
    assert!(!server.status.success() && said.contains("nauthorized"), "{said}");

    // When there is nothing to do any more the pods end, and the pool stays for the workflow.
    until("the pods end", || pods(&space).is_empty());
    let made = space.get(&format!("deployment/aob-runner-{runners}"));
    assert_eq!(made["spec"]["replicas"], 0, "{made}");
    done(space.kubectl(&["delete", "workflow/secretive"]));
    until("the pool ends with its workflow", || {
        space.get(&format!("deployment/aob-runner-{runners}")) == Value::Null
    });
}

#[test]
fn a_secret_that_is_not_labelled_for_workflows_is_not_read() {
    let space = Space::new("unlabelled");
    keep_secret(&space);
    done(space.kubectl(&["label", "secret", "erp", "aob.dev/usable-"]));
    space.apply(&secretive("prying").to_string());
    space.apply(&run_of("prying-1", "prying"));
    let run = space.complete("prying-1");
    assert_eq!(run["status"]["phase"], "Failed", "{}", run["status"]);
    let said = run["status"]["message"].as_str().unwrap();
    assert!(said.starts_with("secret_missing"), "{said}");
    until("the workflow is told", || {
        let events = space.get("events.events.k8s.io");
        let all = events["items"].as_array().cloned().unwrap_or_default();
        all.iter().any(|event| event["reason"] == "SecretNotUsable")
    });
}

#[test]
fn an_agent_asks_its_run_over_the_gateway() {
    let space = Space::new("agent");
    space.apply(
        &json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aob-models"},
            "stringData": {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": "http://127.0.0.1:8089/v1"},
        })
        .to_string(),
    );
    // A first run has a pod begin; what stands in for a model is beside the runner in it, as keys go no further without TLS.
    keep_secret(&space);
    space.apply(&secretive("first").to_string());
    space.apply(&run_of("first-1", "first"));
    space.complete("first-1");
    let script = root().join("examples/models/agent-validates.toml");
    let (model, script) = (built("aob-scripted-model"), script.display().to_string());
    let pod = pods(&space).pop().expect("the pod that did it");
    let _model = Inside::here().spawn_in(&pod, &[&model.display().to_string(), &script]);
    let file = root().join("examples/agent-validates.yaml");
    space.apply(&std::fs::read_to_string(file).unwrap());
    space.apply(&run_of("validates-1", "agent-validates"));
    let run = space.complete("validates-1");
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
    assert_eq!(run["status"]["revision"], 1, "the agent's patch: {}", run["status"]);
    let usd: f64 = run["status"]["usage"]["usd"].as_str().unwrap().parse().unwrap();
    assert!(usd > 0.0, "{}", run["status"]);
}

#[test]
fn a_registered_type_is_a_job_that_is_told_its_config() {
    let space = Space::new("typed");
    let name = format!("test.{}", space.name);
    let script = "case \"$AOB_INPUT\" in *DE02*) printf 7 > /aob/output.json;; *) exit 3;; esac";
    let kind = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "NodeType", "metadata": {"name": name},
        "spec": {
            "config": {"type": "object", "required": ["iban"], "properties": {"iban": {"type": "string"}}},
            "effect": "Idempotent",
            "run": {"job": {"image": "aob.local/shell:0.1.0", "command": ["/bin/sh", "-c", script]}},
        },
    });
    let applied = fed(kubectl(&["apply", "-f", "-"]), &kind.to_string());
    assert!(applied.status.success(), "{}", text(&applied));
    let spec = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "typed"},
        "spec": {
            "output": "${ nodes.enrich.output }",
            "nodes": [{"id": "enrich", "type": name, "config": {"iban": "DE02"}}],
        },
    });
    until("the type is registered", || {
        let kind = space.get(&format!("nodetype/{name}"));
        kind["status"]["conditions"][0]["status"] == "True"
    });
    space.apply(&spec.to_string());
    space.apply(&run_of("typed-1", "typed"));
    let run = space.complete("typed-1");
    drop(kubectl(&["delete", "nodetype", &name, "--wait=false"]).output());
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
    assert_eq!(run["status"]["progress"], "1/1", "{}", run["status"]);
}
