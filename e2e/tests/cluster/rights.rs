//! Who may do what over the gateway is what the cluster says: real tokens, real roles.

use serde_json::{Value, json};

use crate::place::{Forward, SYSTEM, Space, done, fed, kubectl, until};

/// The gateway, asked as somebody.
pub(crate) struct Gateway {
    forward: Forward,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Gateway {
    pub(crate) fn new() -> Self {
        let forward = Forward::to(SYSTEM, "aob-gateway", 80);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { forward, http, runtime: tokio::runtime::Runtime::new().unwrap() }
    }

    /// Where it is reached.
    pub(crate) fn url(&self) -> &str {
        &self.forward.url
    }

    pub(crate) fn ask(&self, token: Option<&str>, path: &str, body: Option<Value>) -> (u16, Value) {
        self.try_ask(token, path, body).unwrap()
    }

    /// The same, where it may be away.
    pub(crate) fn try_ask(
        &self,
        token: Option<&str>,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<(u16, Value)> {
        let url = format!("{}/api/v1{path}", self.forward.url);
        let mut request = match body {
            Some(body) => self.http.post(url).json(&body),
            None => self.http.get(url),
        };
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        self.runtime.block_on(async {
            let answer = request.send().await?;
            Ok((answer.status().as_u16(), answer.json().await.unwrap_or_default()))
        })
    }
}

fn workflow(name: &str) -> Value {
    json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": name},
        "spec": {"nodes": [{"id": "gate", "type": "approval", "config": {"title": "Go on?"}}]},
    })
}

pub(crate) fn bind(space: &Space, role: &str, account: &str) {
    let subject = format!("--serviceaccount={}:{account}", space.name);
    let name = format!("{role}-{account}");
    done(space.kubectl(&["create", "rolebinding", &name, "--clusterrole", role, &subject]));
}

#[test]
fn the_cluster_says_who_asks_and_what_they_may_do() {
    let gateway = Gateway::new();
    let (home, away) = (Space::new("home"), Space::new("away"));
    for account in ["ada", "bert", "cleo"] {
        done(home.kubectl(&["create", "serviceaccount", account]));
    }
    bind(&home, "aob-author", "ada");
    bind(&home, "aob-approver", "bert");
    let [ada, bert, cleo] = ["ada", "bert", "cleo"].map(|account| home.token(account, "aob"));

    let (status, told) = gateway.ask(None, "/runs", None);
    assert_eq!((status, &told["code"]), (401, &json!("AOB6007")));
    // A token for the API server is none for the gateway: whoever it is shown to could use it there.
    let other = home.token("ada", "https://kubernetes.default.svc.cluster.local");
    assert_eq!(gateway.ask(Some(&other), "/runs", None).0, 401);
    assert_eq!(gateway.ask(Some("eyJhbGciOiJSUzI1NiJ9.e30.x"), "/runs", None).0, 401);

    // Ada writes and starts, in her namespace.
    let start = json!({"inline": workflow("gated")});
    let mut answer = (0, Value::Null);
    // A binding takes a moment to be known to the API server, and a refusal is believed for ten seconds.
    until("ada may start", || {
        answer = gateway.ask(Some(&ada), "/runs", Some(start.clone()));
        answer.0 != 403
    });
    assert_eq!(answer.0, 200, "{}", answer.1);
    let run = answer.1["run"].as_str().unwrap().to_owned();
    let elsewhere = format!("/runs?tenant={}", away.name);
    let (status, told) = gateway.ask(Some(&ada), &elsewhere, Some(start.clone()));
    assert_eq!((status, &told["code"]), (403, &json!("AOB6008")), "{told}");
    // Cleo has no role; nor does a token of another namespace see the run.
    assert_eq!(gateway.ask(Some(&cleo), "/runs", None).0, 403);

    // The question is Bert's to answer, not Ada's.
    let mut ticket = String::new();
    until("the question is open", || {
        let (_, rows) = gateway.ask(Some(&ada), "/tickets", None);
        let found = rows.as_array().into_iter().flatten().find(|row| row["run"] == json!(run));
        ticket = found.and_then(|row| row["ticket"].as_str()).unwrap_or_default().to_owned();
        !ticket.is_empty()
    });
    let decide = json!({"decision": "approve", "reason": "seen"});
    let path = format!("/tickets/{ticket}");
    let (status, told) = gateway.ask(Some(&ada), &path, Some(decide.clone()));
    assert_eq!((status, &told["code"]), (403, &json!("AOB6008")), "{told}");
    let (status, told) = gateway.ask(Some(&bert), &path, Some(decide));
    assert_eq!(status, 200, "{told}");
    until("the run has succeeded", || {
        gateway.ask(Some(&ada), &format!("/runs/{run}"), None).1["status"] == json!("succeeded")
    });
}

#[test]
fn a_right_to_one_gate_is_not_one_to_another() {
    let space = Space::new("gates");
    let verb = ["create", "role", "publisher", "--verb=approve", "--resource=gates.aob.dev"];
    let mut arguments = verb.to_vec();
    arguments.push("--resource-name=invoices.publish");
    let made = space.kubectl(&arguments).output().unwrap();
    // kubectl asks the API server whether the resource is there, and gates are nowhere: the role is written by hand.
    if !made.status.success() {
        space.apply(
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: publisher}, rules: [{apiGroups: [aob.dev], resources: [gates], verbs: [approve], resourceNames: [invoices.publish]}]}",
        );
    }
    done(space.kubectl(&["create", "serviceaccount", "dora"]));
    let subject = format!("--serviceaccount={}:dora", space.name);
    done(space.kubectl(&["create", "rolebinding", "publisher", "--role=publisher", &subject]));
    // `kubectl auth can-i` knows no resource that is nowhere served: it is asked as the gateway asks.
    let may = |gate: &str| {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": format!("system:serviceaccount:{}:dora", space.name), "resourceAttributes": {
                "namespace": space.name, "group": "aob.dev", "resource": "gates", "verb": "approve", "name": gate,
            }},
        });
        let output = fed(kubectl(&["create", "-f", "-", "-o", "json"]), &review.to_string());
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["status"]["allowed"] == json!(true)
    };
    until("the role is known", || may("invoices.publish"));
    assert!(!may("invoices.pay"));
    // Everything of the role view, and approving is not among it.
    let output = kubectl(&["get", "clusterrole", "aob-approver", "-o", "json"]).output().unwrap();
    let role: Value = serde_json::from_slice(&output.stdout).unwrap();
    let labels = role["metadata"]["labels"].as_object().unwrap();
    assert!(labels.keys().all(|label| !label.contains("aggregate-to")), "{labels:?}");
}
