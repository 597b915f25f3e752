//! R5 to R7, sentences that random runs hardly meet.

use aob_engine::step::Reply;
use serde_json::json;

use super::first;
use super::subject::Subject;

#[test]
pub(crate) fn an_otherwise_that_was_acted_on_gets_no_condition_that_holds_beside_it() {
    let mut subject = Subject::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}], edges: [{from: a, to: c, when: "false"}, {from: a, to: b, otherwise: true}]"#,
    );
    subject.ok("a");
    subject.claim("b");
    let (rule, _, told) = first(subject.patch(json!([
        {"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": "noop"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "x", "when": "true"}}
    ])));
    let message = "edge `a->b` would be decided otherwise, but `b` has started on its ground";
    assert_eq!((rule, &*told), ("PATCH_REJUDGED", message));
}

#[test]
pub(crate) fn an_edge_that_came_after_the_join_had_fired_counts_in_it_again() {
    let mut subject = Subject::start(
        "nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: j, type: noop, join: any}], edges: [{from: a, to: j}, {from: b, to: j}]",
    );
    subject.ok("a");
    subject.ok("b");
    subject.patch(json!([{"op": "remove", "path": "/edges/a->j"}])).expect("it is accepted");
    assert_eq!(subject.out(), ["j"]);
}

#[test]
pub(crate) fn a_question_that_is_asked_again_has_one_deadline() {
    let mut subject = Subject::start(
        r#"nodes: [{id: g, type: approval, timeout: 1h, config: {title: "?"}}, {id: s, type: noop}], edges: [{from: g, to: s}]"#,
    );
    subject.approves = vec!["g".to_owned()];
    let deadlines = |subject: &Subject| {
        subject.sim.timers.keys().filter(|timer| &*timer.instance == "g").count()
    };
    assert_eq!(deadlines(&subject), 1);
    subject
        .patch(json!([{"op": "replace", "path": "/nodes/g/config/title", "value": "Really?"}]))
        .expect("it is accepted");
    assert_eq!(deadlines(&subject), 1);
}

/// Found by the search (seed 1764381227): its time was over, what failed is the condition on its edge.
#[test]
fn a_delay_that_is_over_keeps_its_config() {
    let mut subject = Subject::start(
        r#"nodes: [{id: d, type: delay, onError: pause, config: {for: 1s}}, {id: s, type: noop}], edges: [{from: d, to: s, when: "1 / (size('a') - 1) == 0"}]"#,
    );
    subject.time("d");
    assert_eq!(subject.state("d"), "waiting");
    let longer = json!([{"op": "replace", "path": "/nodes/d/config", "value": {"for": "5s"}}]);
    assert_eq!(first(subject.dry(longer)).0, "PATCH_STARTED");
    let mended = json!([{"op": "replace", "path": "/edges/d->s/when", "value": "true"}]);
    subject.patch(mended).expect("it is accepted");
    assert_eq!((subject.state("d"), subject.out()), ("succeeded", vec!["s".to_owned()]));
}

/// Found by a million patched runs: its answer would count for a config or a time limit that it never had.
#[test]
fn a_task_that_has_answered_keeps_what_it_ran_on() {
    let mut subject = Subject::start(
        r#"nodes: [{id: a, type: transform, onError: pause, config: {value: 1}}, {id: s, type: noop}], edges: [{from: a, to: s, when: "1 / (size('a') - 1) == 0"}]"#,
    );
    subject.ok("a");
    assert_eq!(subject.state("a"), "waiting");
    let both = json!([
        {"op": "remove", "path": "/edges/a->s"},
        {"op": "replace", "path": "/nodes/a/config/value", "value": 2}
    ]);
    assert_eq!(first(subject.dry(both)).0, "PATCH_STARTED");
    let shorter = json!([{"op": "add", "path": "/nodes/a/timeout", "value": "5s"}]);
    let (rule, place, told) = first(subject.dry(shorter));
    let message = "`a` has answered, and its `timeout` cannot change";
    assert_eq!((rule, &*place, &*told), ("PATCH_STARTED", "/operations/0/value", message));
}

#[test]
pub(crate) fn an_approval_that_was_given_keeps_its_config() {
    let mut subject = Subject::start(
        r#"nodes: [{id: g, type: approval, onError: pause, config: {title: "?"}}, {id: s, type: noop}], edges: [{from: g, to: s, when: "1 / (size('a') - 1) == 0"}]"#,
    );
    subject.approves = vec!["g".to_owned()];
    subject.decide("g", Reply::Approve(None));
    let other = json!([{"op": "replace", "path": "/nodes/g/config/title", "value": "Really?"}]);
    let (rule, _, told) = first(subject.dry(other));
    assert_eq!(
        (rule, &*told),
        ("PATCH_STARTED", "`g` has answered, and its `config` cannot change")
    );
}
