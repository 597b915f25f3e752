//! L4: an iteration keeps the body it began with, what is nested in it too.

use serde_json::json;

use super::subject::Subject;

#[test]
pub(crate) fn an_iteration_keeps_the_body_it_began_with() {
    let mut subject = Subject::start(
        "nodes: [{id: each, type: foreach, config: {items: [1, 2], concurrency: 1}}, {id: a, type: noop, within: each}]",
    );
    subject
        .patch(json!([{"op": "add", "path": "/nodes/-", "value": {"id": "b", "type": "noop", "within": "each"}}]))
        .expect("it is accepted");
    subject.ok("each[0]/a");
    assert_eq!(subject.out(), ["each[1]/a", "each[1]/b"]);
    assert_eq!(
        subject.told()[1..],
        ["each[0]/a succeeded; each[0] succeeded; each[1] begins; each[1]/a out; each[1]/b out"]
    );
    subject.finish();
    assert_eq!(subject.value("each"), Some(&json!([null, {"a": null, "b": null}])));
}

#[test]
pub(crate) fn what_is_nested_in_a_begun_iteration_keeps_its_body() {
    let mut subject = Subject::start(
        "nodes: [{id: outer, type: foreach, config: {items: [1, 2], concurrency: 1}}, {id: inner, within: outer, type: foreach, config: {items: [1, 2], concurrency: 1}}, {id: x, within: inner, type: noop}]",
    );
    subject
        .patch(json!([
            {"op": "add", "path": "/nodes/-", "value": {"id": "y", "within": "inner", "type": "noop"}},
            {"op": "add", "path": "/nodes/-", "value": {"id": "aaa", "type": "foreach", "config": {"items": []}}},
            {"op": "add", "path": "/nodes/-", "value": {"id": "z", "within": "aaa", "type": "noop"}}
        ]))
        .expect("it is accepted");
    assert_eq!(subject.out(), ["outer[0]/inner[0]/x"]);
    subject.ok("outer[0]/inner[0]/x");
    assert_eq!(subject.out(), ["outer[0]/inner[1]/x"], "the same body, though it had not begun");
    subject.ok("outer[0]/inner[1]/x");
    assert_eq!(subject.out(), ["outer[1]/inner[0]/x", "outer[1]/inner[0]/y"]);
    subject.finish();
    assert_eq!(subject.outcome(), Some("succeeded"));
}
