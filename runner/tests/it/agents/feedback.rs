//! A refusal says enough to be mended by somebody who sees nothing but the proposal and the refusal.

use serde_json::{Value, json};

use super::scripted::{Bench, Scripted, call, example, text};

/// What goes wrong most when models write patches. Each is the right patch with one mistake.
pub(crate) fn mistakes() -> Vec<(&'static str, Value)> {
    let disconnect = json!({"do": "disconnect", "from": "triage", "to": "process"});
    let node = json!({"do": "add_node", "id": "check", "type": "transform", "config": {"value": "${ nodes.fetch_data.output.rows }"}});
    let into = json!({"do": "connect", "from": "triage", "to": "check"});
    let out = json!({"do": "connect", "from": "check", "to": "process"});
    let edits = |edits: Vec<Value>| json!({"reason": "check the rows", "edits": edits});
    let with = |mut edit: Value, name: &str, value: Value| {
        edit[name] = value;
        edit
    };
    let all = |node: &Value, into: &Value, out: &Value| {
        edits(vec![disconnect.clone(), node.clone(), into.clone(), out.clone()])
    };
    vec![
        ("a type that may not be added", all(&with(node.clone(), "type", json!("exec")), &into, &out)),
        ("an id in the wrong letters", {
            let id = json!("CheckRows");
            all(&with(node.clone(), "id", id.clone()), &with(into.clone(), "to", id.clone()), &with(out.clone(), "from", id))
        }),
        ("an id that is taken", {
            let id = json!("save");
            all(&with(node.clone(), "id", id.clone()), &with(into.clone(), "to", id.clone()), &with(out.clone(), "from", id))
        }),
        ("a target that is misspelt", all(&node, &into, &with(out.clone(), "to", json!("proces")))),
        ("an edit that is none", edits(vec![disconnect.clone(), with(node.clone(), "do", json!("insert_node")), into.clone(), out.clone()])),
        ("a config without what it needs", all(&with(node.clone(), "config", json!({"expr": "1"})), &into, &out)),
        ("a name that is none", all(&with(node.clone(), "config", json!({"value": "${ node.fetch_data.output }"})), &into, &out)),
        ("an expression that is left open", all(&with(node.clone(), "config", json!({"value": "${ nodes.fetch_data.output "})), &into, &out)),
        ("a condition on what was there", all(&node, &into, &with(out.clone(), "when", json!("true")))),
        ("a failure that is hidden", all(&with(node.clone(), "onError", json!("continue")), &into, &out)),
        ("a node cut off", edits(vec![disconnect.clone(), node.clone(), into.clone()])),
        ("a secret", all(&with(node.clone(), "config", json!({"value": "${ secrets.erp.token }"})), &into, &out)),
        ("raw operations that move", json!({"reason": "r", "operations": [{"op": "move", "from": "/nodes/process", "path": "/nodes/other"}, {"op": "add", "path": "/nodes/-", "value": {"id": "check", "type": "transform", "config": {"value": 1}}}]})),
        ("too many nodes", edits((0..5).map(|n| json!({"do": "add_node", "id": format!("n{n}"), "type": "transform", "config": {"value": 1}})).collect())),
    ]
}

#[tokio::test]
async fn show() {
    for (name, proposal) in mistakes() {
        let mind = Scripted::new(move |_, n| match n {
            0 => call("patch", proposal.clone()),
            _ => text("{\"rows\": 3}"),
        });
        let bench = Bench::new(&mind);
        bench.run(&example("agent-validates.yaml")).await;
        println!("== {name}\n{}", mind.told()[1]);
        bench.stop().await;
    }
}
