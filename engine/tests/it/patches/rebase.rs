//! R11: a patch written against a graph that has moved on since.

use serde_json::{Value, json};

use super::first;
use super::subject::Subject;

const WIDE: &str = "nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}, {id: d, type: noop}], edges: [{from: a, to: b}, {from: c, to: d}]";

fn add_below(source: &str, id: &str) -> Value {
    json!([
        {"op": "add", "path": "/nodes/-", "value": {"id": id, "type": "noop"}},
        {"op": "add", "path": "/edges/-", "value": {"from": source, "to": id}}
    ])
}

fn moved_on() -> Subject {
    let mut subject = Subject::start(WIDE);
    subject.patch(add_below("a", "x")).expect("it is accepted");
    subject
        .patch(json!([{"op": "add", "path": "/nodes/b/timeout", "value": "1m"}]))
        .expect("it is accepted");
    subject
}

#[test]
fn strict_and_stale_is_refused_with_what_lies_between() {
    let mut subject = moved_on();
    let request = json!({"base": 0, "operations": add_below("c", "y")});
    let issues = subject.apply(request).expect_err("it is refused");
    assert_eq!((issues[0].entry.name, &*issues[0].pointer), ("PATCH_STALE", "/base"));
    assert_eq!(issues[0].message, "it was written against revision 0; the run is on 2");
    assert_eq!(issues[0].details, ["+ node x", "~ node b: timeout", "+ edge a->x"]);
    let current = json!({"base": 2, "operations": add_below("c", "y")});
    subject.apply(current).expect("it is accepted");
}

#[test]
fn a_revision_that_is_not_there_yet_is_refused() {
    for how in ["Strict", "Rebase"] {
        let request = json!({"base": 3, "onConflict": how, "operations": add_below("c", "y")});
        let (rule, place, message) = first(moved_on().apply(request));
        assert_eq!((rule, &*place), ("PATCH_STALE", "/base"));
        assert_eq!(message, "there is no revision 3; the run is on revision 2");
    }
}

#[test]
fn what_meets_nothing_is_rebased() {
    let mut subject = moved_on();
    subject
        .apply(json!({"base": 0, "onConflict": "Rebase", "operations": add_below("c", "y")}))
        .expect("it is accepted");
    subject.finish();
    assert_eq!((subject.outcome(), subject.state("y")), (Some("succeeded"), "succeeded"));
}

/// Also by an edge that leads to it.
#[test]
fn what_meets_something_is_refused_with_both_places() {
    let request = json!({"base": 0, "onConflict": "Rebase", "operations": add_below("b", "y")});
    let (rule, place, message) = first(moved_on().apply(request));
    assert_eq!((rule, &*place), ("PATCH_STALE", "/operations/1"));
    assert_eq!(
        message,
        "`b` was touched by patch_2 since revision 0, on which this was written; the run is on 2"
    );
    // Against revision 1 only the second has come since.
    let request = json!({"base": 1, "onConflict": "Rebase", "operations": add_below("x", "y")});
    moved_on().apply(request).expect("it is accepted");
}

/// A position is counted in the revision it was written against.
#[test]
fn positions_are_counted_in_the_base() {
    let mut subject = moved_on();
    let remove = json!([
        {"op": "remove", "path": "/edges/1"},
        {"op": "remove", "path": "/nodes/3"}
    ]);
    subject
        .apply(json!({"base": 0, "onConflict": "Rebase", "operations": remove}))
        .expect("it is accepted");
    let told: Vec<&str> =
        subject.overlays[2].operations.iter().map(|operation| &*operation.path).collect();
    assert_eq!(told, ["/edges/c->d", "/nodes/d"]);
}

#[test]
fn a_test_that_does_not_hold_any_more_refuses() {
    let mut subject = moved_on();
    let operations = json!([
        {"op": "test", "path": "/nodes/c/type", "value": "delay"},
        {"op": "add", "path": "/nodes/c/timeout", "value": "1m"}
    ]);
    let request = json!({"base": 0, "onConflict": "Rebase", "operations": operations});
    let (rule, place, _) = first(subject.apply(request));
    assert_eq!((rule, &*place), ("PATCH_TEST", "/operations/0/value"));
}
