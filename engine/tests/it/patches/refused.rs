//! What is refused, by which rule, where in the request, and with what remedy.

use serde_json::{Value, json};

use super::subject::Subject;

#[track_caller]
fn refused(subject: &Subject, request: Value, rule: &str, place: &str) {
    let issues = match subject.ask(request.clone()) {
        Ok(_) => panic!("it is refused: {request}"),
        Err(issues) => issues,
    };
    let found: Vec<(&str, &str)> =
        issues.iter().map(|issue| (issue.entry.name, issue.pointer.as_str())).collect();
    assert!(found.contains(&(rule, place)), "{request}: {found:?}");
    assert!(issues.iter().all(|issue| !issue.help().is_empty()));
}

fn operations(list: Value) -> Value {
    json!({"operations": list})
}

fn set(path: &str, value: Value) -> Value {
    operations(json!([{"op": "add", "path": path, "value": value}]))
}

const LINE: &str = "nodes: [{id: a, type: noop}, {id: b, type: transform, config: {value: 1}}, {id: c, type: noop}], edges: [{from: a, to: b}, {from: b, to: c}]";

#[test]
pub(crate) fn r4_a_settled_node_and_what_led_to_it() {
    let mut subject = Subject::start(LINE);
    subject.ok("a");
    subject.ok("b");
    for (request, place) in [
        (set("/nodes/b/config/value", json!(2)), "/operations/0/path"),
        (set("/nodes/b/timeout", json!("1m")), "/operations/0/value"),
        (operations(json!([{"op": "remove", "path": "/edges/a->b"}])), "/operations/0/path"),
        (
            operations(
                json!([{"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": "noop"}}, {"op": "add", "path": "/edges/-", "value": {"from": "x", "to": "b"}}]),
            ),
            "/operations/1/value",
        ),
    ] {
        refused(&subject, request, "PATCH_STARTED", place);
    }
}

#[test]
pub(crate) fn r4_a_claimed_node_gets_no_other_config_but_retry_and_on_error() {
    let mut subject = Subject::start(LINE);
    subject.ok("a");
    subject.claim("b");
    refused(
        &subject,
        set("/nodes/b/config/value", json!(2)),
        "PATCH_STARTED",
        "/operations/0/path",
    );
    for request in [
        set("/nodes/b/onError", json!("continue")),
        set("/nodes/b/retry", json!({"attempts": 3, "backoff": "1s"})),
    ] {
        assert!(subject.ask(request).is_ok());
    }
}

#[test]
pub(crate) fn r4_retry_does_not_go_below_the_attempts_made_nor_rise_when_paused() {
    let mut subject = Subject::start(
        "nodes: [{id: a, type: noop, onError: pause, retry: {attempts: 3, backoff: 1s}}]",
    );
    subject.stumbles("a");
    subject.time("a");
    subject.stumbles("a");
    let place = "/operations/0/value";
    refused(&subject, set("/nodes/a/retry/attempts", json!(2)), "PATCH_STARTED", place);
    assert!(subject.ask(set("/nodes/a/retry/attempts", json!(4))).is_ok());
    subject.time("a");
    subject.stumbles("a");
    assert_eq!(subject.state("a"), "waiting");
    refused(&subject, set("/nodes/a/retry/attempts", json!(4)), "PATCH_STARTED", place);
}

#[test]
pub(crate) fn r4_a_config_that_fails_on_recorded_outputs_of_a_started_node() {
    let mut subject = Subject::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: transform, config: {value: 1}, retry: {attempts: 2, backoff: 1s}}], edges: [{from: a, to: b}]"#,
    );
    let other = set("/nodes/b/config/value", json!("${ nodes.a.output.x }"));
    assert!(subject.ask(other.clone()).is_ok(), "it has not started, and nothing is recorded");
    subject.gives("a", json!({"y": 1}));
    subject.stumbles("b");
    refused(&subject, other, "PATCH_CONFIG", "/operations/0/path");
}

#[test]
pub(crate) fn r4_a_begun_container() {
    let mut subject = Subject::start(
        "nodes: [{id: each, type: foreach, config: {items: [1, 2]}}, {id: x, within: each, type: noop}]",
    );
    let request = set("/nodes/each/config/items", json!([1]));
    refused(&subject, request, "PATCH_BODY", "/operations/0/path");
    subject.finish();
    refused(&subject, set("/nodes/each/timeout", json!("1m")), "PATCH_OVER", "");
}

#[test]
pub(crate) fn r5_what_would_change_a_decision_that_was_acted_on() {
    let mut subject = Subject::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: h, type: noop}], edges: [{from: a, to: b, when: "true"}, {from: a, to: h, after: failure}]"#,
    );
    subject.gives("a", json!({"y": 1}));
    subject.claim("b");
    refused(
        &subject,
        set("/edges/a->b/when", json!("false")),
        "PATCH_STARTED",
        "/operations/0/path",
    );
    let request = operations(json!([
        {"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": "noop"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "x", "when": "nodes.a.output.gone > 1"}}
    ]));
    refused(&subject, request, "PATCH_REJUDGED", "/nodes/a");
}

#[test]
pub(crate) fn r5_the_last_edge_that_handles_a_failure() {
    let mut subject = Subject::start(
        "nodes: [{id: a, type: noop}, {id: h, type: noop}], edges: [{from: a, to: h, after: failure}]",
    );
    subject.breaks("a");
    let request = operations(json!([
        {"op": "remove", "path": "/edges/a->h:failure"}, {"op": "remove", "path": "/nodes/h"}
    ]));
    refused(&subject, request, "PATCH_REJUDGED", "/nodes/a");
}

#[test]
pub(crate) fn r5_what_would_fail_the_run() {
    let mut subject =
        Subject::start("nodes: [{id: a, type: noop, onError: pause}, {id: b, type: noop}]");
    subject.breaks("a");
    refused(&subject, set("/nodes/a/onError", json!("fail")), "PATCH_FAILS", "");
}

#[test]
pub(crate) fn r5_a_run_that_drains() {
    let mut subject = Subject::start("nodes: [{id: a, type: noop}, {id: b, type: noop}]");
    subject.breaks("a");
    let request = operations(
        json!([{"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": "noop"}}]),
    );
    refused(&subject, request, "PATCH_OVER", "");
}

#[test]
pub(crate) fn r8_a_gate_is_not_removed_weakened_or_gone_round_without_approve() {
    let mut subject = Subject::start(
        r#"nodes: [{id: a, type: noop}, {id: g, type: approval, config: {title: "?"}}, {id: s, type: noop}], edges: [{from: a, to: g}, {from: g, to: s}]"#,
    );
    let round = operations(json!([
        {"op": "remove", "path": "/edges/g->s"}, {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "s"}}
    ]));
    refused(&subject, round.clone(), "PATCH_GATE", "/operations/0/path");
    refused(
        &subject,
        set("/nodes/g/onError", json!("continue")),
        "PATCH_GATE",
        "/operations/0/path",
    );
    subject.approves = vec!["g".to_owned()];
    assert!(subject.ask(round).is_ok());
}

#[test]
pub(crate) fn r4_cancel_names_what_a_worker_holds() {
    let subject = Subject::start(LINE);
    for name in ["a", "b", "nobody"] {
        let nothing = json!([{"op": "test", "path": "/nodes/a/type", "value": "noop"}]);
        let request = json!({"operations": nothing, "cancel": [name]});
        refused(&subject, request, "PATCH_UNKNOWN_INSTANCE", "/cancel/0");
    }
}

#[test]
pub(crate) fn r10_patches_are_counted() {
    let mut subject = Subject::start(
        "limits: {patches: 1}, nodes: [{id: a, type: noop}, {id: b, type: noop}], edges: [{from: a, to: b}]",
    );
    subject.apply(set("/nodes/b/timeout", json!("1m"))).expect("it is accepted");
    refused(&subject, set("/nodes/b/timeout", json!("2m")), "PATCH_LIMIT", "");
}
