//! R13: the effects of a patch, before anything is written.

use aob_engine::patch::Preview;
use serde_json::json;

use super::subject::Subject;

#[track_caller]
fn effects(subject: &Subject, operations: serde_json::Value) -> serde_json::Value {
    let told = match subject.dry(operations) {
        Ok((_, told)) => told,
        Err(issues) => panic!("it is accepted: {}", issues[0]),
    };
    let written = serde_json::to_value(&told).expect("it is written");
    assert_eq!(serde_json::from_value::<Preview>(written.clone()).expect("it reads back"), told);
    written
}

const LINE: &str = "nodes: [{id: a, type: noop}, {id: b, type: noop}], edges: [{from: a, to: b}]";

#[test]
fn nothing_is_told_where_nothing_follows() {
    let subject = Subject::start(LINE);
    let later = json!([{"op": "add", "path": "/nodes/b/timeout", "value": "1m"}]);
    assert_eq!(effects(&subject, later), json!({}));
}

#[test]
fn a_new_root_starts_and_what_is_published_is_taken_back_and_given_out_again() {
    let subject = Subject::start(LINE);
    let told = effects(
        &subject,
        json!([
            {"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": "noop"}},
            {"op": "add", "path": "/nodes/a/timeout", "value": "1m"}
        ]),
    );
    assert_eq!(told, json!({"start": ["a", "x"], "recall": ["a"]}));
}

#[test]
fn what_is_removed_is_taken_back_and_what_waited_for_it_starts() {
    let mut subject = Subject::start(LINE);
    subject.ok("a");
    let told = effects(
        &subject,
        json!([
            {"op": "remove", "path": "/edges/a->b"},
            {"op": "remove", "path": "/nodes/b"},
            {"op": "add", "path": "/nodes/-", "value": {"id": "c", "type": "noop"}},
            {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "c"}}
        ]),
    );
    assert_eq!(told, json!({"start": ["c"], "recall": ["b"]}));
}

#[test]
fn a_claimed_task_is_cancelled_by_name() {
    let mut subject = Subject::start(LINE);
    subject.claim("a");
    let request = json!({
        "cancel": ["a"],
        "operations": [{"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": "noop"}}]
    });
    let (_, told) = subject.ask(request).expect("it is accepted");
    let told = serde_json::to_value(told).expect("it is written");
    assert_eq!(told, json!({"start": ["x"], "cancel": ["a"], "settle": ["b"]}));
}

#[test]
fn an_open_approval_is_voided_and_asked_again() {
    let subject =
        Subject::start(r#"nodes: [{id: g, type: approval, config: {title: "?", deadline: 1h}}]"#);
    let told = effects(
        &subject,
        json!([
            {"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": "delay", "config": {"for": "1h"}}},
            {"op": "add", "path": "/nodes/-", "value": {"id": "y", "type": "delay", "config": {"for": "1h"}}},
            {"op": "add", "path": "/edges/-", "value": {"from": "x", "to": "g"}}
        ]),
    );
    assert_eq!(told, json!({"start": ["x", "y"], "void": ["g"]}));
}

#[test]
fn a_paused_instance_settles_and_its_question_goes() {
    let mut subject =
        Subject::start("nodes: [{id: a, type: noop, onError: pause}, {id: b, type: noop}]");
    subject.breaks("a");
    let told = effects(
        &subject,
        json!([{"op": "replace", "path": "/nodes/a/onError", "value": "continue"}]),
    );
    assert_eq!(told, json!({"void": ["a"], "settle": ["a"]}));
    subject.ok("b");
    let told = effects(
        &subject,
        json!([{"op": "replace", "path": "/nodes/a/onError", "value": "continue"}]),
    );
    assert_eq!(told, json!({"void": ["a"], "settle": ["a"], "ends": true}));
}

#[test]
fn a_changed_body_says_from_which_iteration_on() {
    let spec = "nodes: [{id: each, type: foreach, config: {items: [1, 2, 3, 4], concurrency: 2}}, {id: x, within: each, type: noop}]";
    let body = json!([{"op": "add", "path": "/nodes/-", "value": {"id": "y", "type": "noop", "within": "each"}}]);
    let mut subject = Subject::start(spec);
    assert_eq!(effects(&subject, body.clone()), json!({"fromIteration": [["each", 2]]}));
    subject.ok("each[0]/x");
    assert_eq!(effects(&subject, body.clone()), json!({"fromIteration": [["each", 3]]}));
    subject.ok("each[1]/x");
    assert_eq!(effects(&subject, body), json!({}), "no further iteration begins");
}

#[test]
fn what_nobody_can_run_settles_at_once() {
    let subject = Subject::start(LINE);
    let told = effects(
        &subject,
        json!([
            {"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": "acme.unheard"}},
            {"op": "add", "path": "/nodes/-", "value": {"id": "y", "type": "noop"}},
            {"op": "add", "path": "/edges/-", "value": {"from": "x", "to": "y"}}
        ]),
    );
    assert_eq!(told, json!({"start": ["y"], "settle": ["x"]}));
}
