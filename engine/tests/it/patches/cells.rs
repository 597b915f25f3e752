//! The cells of the matrix: a node `t` in a state, and what is done to it. Also read by the tests with stores.

use serde_json::{Value, json};

/// State of the node `t`, which comes after `p` and `q` and before `s`.
pub(crate) const STATES: [&str; 15] = [
    "idle",
    "ready",
    "published",
    "claimed",
    "backoff",
    "paused",
    "gate open",
    "container begun",
    "child begun",
    "delay",
    "succeeded",
    "failed",
    "skipped",
    "passed",
    "cancelled",
];

/// What is done to it.
pub(crate) const OPERATIONS: [&str; 15] = [
    "insert before",
    "insert after",
    "remove",
    "config",
    "timeout",
    "retry",
    "onError",
    "join",
    "type",
    "effect",
    "in-edge added",
    "in-edge removed",
    "out-edge added",
    "out-edge removed",
    "cancel by name",
];

/// The inside of a spec, as a YAML flow mapping, in which `t` can come into a state.
pub(crate) fn spec(state: &str, join: &str) -> String {
    let t = match state {
        "gate open" => r#"type: approval, config: {title: "?"}"#,
        "container begun" => "type: foreach, config: {items: [1, 2], concurrency: 1}",
        "child begun" => "type: workflow, config: {name: other}",
        "delay" => "type: delay, config: {for: 1h}",
        "passed" => "type: acme.unheard",
        _ => "type: transform, config: {value: 1}",
    };
    let more = match state {
        "backoff" => ", retry: {attempts: 3, backoff: 1s}",
        "paused" => ", onError: pause",
        "failed" => ", onError: continue",
        _ => "",
    };
    let body = match state {
        "container begun" => ", {id: x, within: t, type: noop}",
        _ => "",
    };
    let when = if state == "skipped" { r#", when: "false""# } else { "" };
    format!(
        "nodes: [{{id: keep, type: noop}}, {{id: p, type: noop}}, {{id: q, type: noop}}, {{id: t, join: {join}, {t}{more}}}, {{id: s, type: noop}}{body}],
         edges: [{{from: p, to: t{when}}}, {{from: q, to: t{when}}}, {{from: t, to: s}}]"
    )
}

/// The request for an operation on `t` in a state.
pub(crate) fn request(state: &str, join: &str, operation: &str) -> Value {
    let add = |value: Value| {
        let list = if value.get("from").is_some() { "edges" } else { "nodes" };
        json!({"op": "add", "path": format!("/{list}/-"), "value": value})
    };
    let node = |id: &str| add(json!({"id": id, "type": "noop"}));
    let edge = |from: &str, to: &str| add(json!({"from": from, "to": to}));
    let drop = |path: &str| json!({"op": "remove", "path": path});
    let set = |field: &str, value: Value| json!([{"op": "add", "path": format!("/nodes/t/{field}"), "value": value}]);
    let mut body = match state {
        "container begun" => vec![drop("/nodes/x")],
        _ => vec![],
    };
    let operations = match operation {
        "insert before" => {
            json!([drop("/edges/p->t"), node("n"), edge("p", "n"), edge("n", "t")])
        }
        "insert after" => json!([drop("/edges/t->s"), node("n"), edge("t", "n"), edge("n", "s")]),
        "remove" => {
            body.extend([
                drop("/edges/p->t"),
                drop("/edges/q->t"),
                drop("/edges/t->s"),
                drop("/nodes/t"),
            ]);
            body.into()
        }
        "config" => match state {
            "gate open" => set("config/title", json!("??")),
            "container begun" => set("config/items", json!([1, 2, 3])),
            "child begun" => set("config/name", json!("another")),
            "delay" => set("config/for", json!("2h")),
            "passed" => set("config", json!({"value": 2})),
            _ => set("config/value", json!(2)),
        },
        "timeout" => set("timeout", json!("5m")),
        "retry" => set("retry", json!({"attempts": 5, "backoff": "1s"})),
        "onError" => set("onError", json!(if state == "failed" { "fail" } else { "continue" })),
        "join" => set("join", json!(if join == "any" { "all" } else { "any" })),
        "type" => {
            let other = json!({"id": "t", "type": "noop", "join": join});
            body.push(json!({"op": "replace", "path": "/nodes/t", "value": other}));
            body.into()
        }
        "effect" => set("effect", json!("idempotent")),
        "in-edge added" => json!([node("n"), edge("n", "t")]),
        "in-edge removed" => json!([drop("/edges/q->t")]),
        "out-edge added" => json!([node("n"), edge("t", "n")]),
        "out-edge removed" => json!([drop("/edges/t->s")]),
        _ => {
            let nothing = json!([{"op": "test", "path": "/nodes/t/id", "value": "t"}]);
            return json!({"operations": nothing, "cancel": ["t"]});
        }
    };
    json!({"operations": operations})
}
