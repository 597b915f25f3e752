//! People, as the cluster knows them: somebody else's name is said by impersonation, as an administrator may.

use serde_json::{Value, json};

use crate::place::{Space, done, fed, text, until};
use crate::rights::{Gateway, bind};

const ASKS: &str = r#"
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: asks}
spec:
  nodes:
    - id: publish
      type: approval
      config: {title: "Publish?", approvers: {groups: ["system:serviceaccounts"]}}
    - {id: done, type: noop}
  edges: [{from: publish, to: done}]
---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {name: asks-1}
spec: {workflowRef: {name: asks}}
"#;

#[test]
fn whoever_asked_does_not_approve_and_whoever_may_not_is_told_so() {
    let space = Space::new("people");
    for account in ["ada", "bert", "cleo", "eve"] {
        done(space.kubectl(&["create", "serviceaccount", account]));
    }
    let user = |account: &str| format!("--as=system:serviceaccount:{}:{account}", space.name);
    // Ada writes and approves, Bert approves, Cleo writes, Eve does nothing.
    for (role, account) in [
        ("aob-author", "ada"),
        ("aob-approver", "ada"),
        ("aob-viewer", "bert"),
        ("aob-approver", "bert"),
        ("aob-author", "cleo"),
    ] {
        bind(&space, role, account);
    }
    let apply = |account: &str, documents: &str| {
        let output = fed(space.kubectl(&[&user(account), "apply", "-f", "-"]), documents);
        (output.status.success(), text(&output))
    };
    until("ada may write", || apply("ada", ASKS).0);
    let (taken, said) = apply("eve", &ASKS.replace("asks-1", "asks-2"));
    assert!(!taken && said.contains("forbidden"), "{said}");
    let run = space.get("run/asks-1");
    let annotation = &run["metadata"]["annotations"]["aob.dev/created-by"];
    assert_eq!(*annotation, json!(format!("system:serviceaccount:{}:ada", space.name)));
    let patch = "{apiVersion: aob.dev/v1alpha1, kind: RunPatch, metadata: {name: denied}, spec: {runRef: {name: asks-1}, reason: r, operations: [{op: add, path: /nodes/-, value: {id: more, type: noop}}]}}";
    let (taken, said) = apply("bert", patch);
    assert!(!taken && said.contains("forbidden"), "{said}");

    let run = space.reason("run/asks-1", "Waiting", "TicketsOpen");
    let ticket = run["status"]["tickets"][0]["id"].as_str().unwrap().to_owned();
    let gateway = Gateway::new();
    let decide = |account: &str| -> (u16, Value) {
        let token = space.token(account, "aob");
        let answer = json!({"decision": "approve", "reason": "seen"});
        gateway.ask(Some(&token), &format!("/tickets/{ticket}"), Some(answer))
    };
    // Who asked for the run, though of those who approve; then who may only write.
    let mut told = (0, Value::Null);
    until("the roles are known", || {
        told = decide("ada");
        told.1["code"] != "AOB6008"
    });
    assert_eq!(told.1["code"], "AOB3107", "{told:?}");
    let (status, answer) = decide("cleo");
    assert_eq!((status, &answer["code"]), (403, &json!("AOB6008")), "{answer}");
    let (status, answer) = decide("bert");
    assert_eq!(status, 200, "{answer}");
    let run = space.complete("asks-1");
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
    assert_eq!(run["status"]["progress"], "2/2");
}
