//! What is judged before the marking is seen, and where findings point.

use serde_json::{Value, json};

use super::first;
use super::subject::Subject;

const LINE: &str = r#"nodes: [{id: a, type: noop}, {id: b, type: transform, config: {value: "${ nodes.a.output }"}}], edges: [{from: a, to: b}]"#;

#[track_caller]
fn refused(operations: Value) -> (&'static str, String) {
    let (rule, place, _) = first(Subject::start(LINE).patch(operations));
    (rule, place)
}

#[test]
pub(crate) fn findings_point_into_the_operation_that_put_there_what_is_wrong() {
    let x = json!({"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": "http", "config": {}}});
    for (operations, rule, place) in [
        (json!([x]), "BAD_CONFIG", "/operations/0/value/config"),
        (
            json!([{"op": "test", "path": "/nodes/b/type", "value": "transform"}, {"op": "replace", "path": "/nodes/b/config/value", "value": "${ nodes.q.output }"}]),
            "UNKNOWN_NODE",
            "/operations/1/value",
        ),
        (
            json!([{"op": "add", "path": "/edges/-", "value": {"from": "b", "to": "gone"}}]),
            "UNKNOWN_NODE",
            "/operations/0/value/to",
        ),
        (
            json!([{"op": "add", "path": "/edges/-", "value": {"from": "b", "to": "a"}}]),
            "CYCLE",
            "/operations/0/value",
        ),
        // Nothing was written at what is wrong: it is named.
        (json!([{"op": "remove", "path": "/edges/a->b"}]), "READ_RACE", "/nodes/b/config/value"),
        (json!([{"op": "remove", "path": "/nodes/q"}]), "PATCH_TARGET", "/operations/0/path"),
    ] {
        let (found, at) = refused(operations.clone());
        assert_eq!(found, rule, "{operations}");
        assert!(at.starts_with(place), "{operations}: {at}, not {place}");
    }
}

#[test]
pub(crate) fn a_patch_that_changes_nothing_is_refused() {
    for operations in [
        json!([{"op": "test", "path": "/nodes/a/type", "value": "noop"}]),
        json!([{"op": "replace", "path": "/nodes/a/type", "value": "noop"}]),
        json!([{"op": "add", "path": "/nodes/a/join", "value": "all"}]),
        json!([{"op": "add", "path": "/nodes/a/description", "value": "first"}]),
    ] {
        assert_eq!(refused(operations), ("PATCH_EMPTY", "/operations".to_owned()));
    }
}

/// Cancelling alone is a change of the run, if not of its graph.
#[test]
pub(crate) fn to_cancel_is_enough() {
    let mut subject = Subject::start(LINE);
    subject.claim("a");
    let nothing = json!([{"op": "test", "path": "/nodes/a/type", "value": "noop"}]);
    subject.apply(json!({"operations": nothing, "cancel": ["a"]})).expect("it is accepted");
    assert_eq!(
        subject.told(),
        [
            "a cancelled by cancel; patched to revision 1; a->b dead; b skipped by dead path; ended succeeded"
        ]
    );
}

#[test]
pub(crate) fn a_removed_id_comes_back_by_undo_only() {
    let mut subject = Subject::start(LINE);
    subject
        .patch(
            json!([{"op": "remove", "path": "/edges/a->b"}, {"op": "remove", "path": "/nodes/b"}]),
        )
        .expect("it is accepted");
    let again = json!([{"op": "add", "path": "/nodes/-", "value": {"id": "b", "type": "noop"}}]);
    let (rule, place, _) = first(subject.patch(again));
    assert_eq!((rule, &*place), ("PATCH_REUSED", "/operations/0/value"));
    subject.undo("patch_1").expect("it is accepted");
    assert_eq!(subject.document(), &subject.documents[0]);
    subject.ok("a");
    subject.ok("b");
    assert_eq!(subject.outcome(), Some("succeeded"));
}

/// L5: patch then undo is the identity where nothing had followed.
#[test]
pub(crate) fn an_undo_leads_back_to_the_digest() {
    let mut subject = Subject::start(LINE);
    let before = subject.sim.state.head.digest.clone();
    subject
        .patch(json!([
            {"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": "noop"}},
            {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "x"}},
            {"op": "add", "path": "/edges/-", "value": {"from": "x", "to": "b"}},
            {"op": "add", "path": "/nodes/b/timeout", "value": "1m"}
        ]))
        .expect("it is accepted");
    assert_ne!(subject.sim.state.head.digest, before);
    subject.undo("patch_1").expect("it is accepted");
    assert_eq!(subject.sim.state.head.digest, before);
    assert_eq!(first(subject.undo("patch_1")).0, "PATCH_UNDONE");
    assert_eq!(first(subject.undo("patch_9")).0, "PATCH_NONE");
    subject.undo("patch_2").expect("the undo is taken out");
    assert_eq!(subject.documents[3], subject.documents[1]);
}

/// An undo is judged as any patch is.
#[test]
pub(crate) fn an_undo_does_not_change_the_past() {
    let mut subject = Subject::start(LINE);
    subject
        .patch(json!([
            {"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": "noop"}},
            {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "x"}}
        ]))
        .expect("it is accepted");
    subject.ok("a");
    subject.ok("x");
    let (rule, place, _) = first(subject.undo("patch_1"));
    assert_eq!((rule, &*place), ("PATCH_STARTED", "/operations/1/path"));
}
