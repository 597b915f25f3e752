//! What must be accepted: too strict is a defect too. Each ends as a run started on the final graph would.

use aob_engine::step::Reply;
use serde_json::{Value, json};

use super::subject::Subject;

fn node(id: &str) -> Value {
    json!({"op": "add", "path": "/nodes/-", "value": {"id": id, "type": "noop"}})
}

fn edge(from: &str, to: &str) -> Value {
    json!({"op": "add", "path": "/edges/-", "value": {"from": from, "to": to}})
}

fn after(from: &str, to: &str, after: &str) -> Value {
    json!({"op": "add", "path": "/edges/-", "value": {"from": from, "to": to, "after": after}})
}

fn drop_edge(name: &str) -> Value {
    json!({"op": "remove", "path": format!("/edges/{name}")})
}

fn set(path: &str, value: Value) -> Value {
    json!({"op": "add", "path": path, "value": value})
}

#[track_caller]
fn accept(subject: &mut Subject, operations: Value) {
    if let Err(issues) = subject.patch(operations) {
        panic!("it is accepted: {} {}", issues[0].entry.name, issues[0]);
    }
}

/// Everything that is out succeeds; the run succeeds, and these ran.
#[track_caller]
fn ends(mut subject: Subject, ran: &[&str]) {
    subject.finish();
    assert_eq!(subject.outcome(), Some("succeeded"), "{:?}", subject.told());
    for id in ran {
        assert_eq!(subject.state(id), "succeeded", "{id}");
    }
}

const LINE: &str = "nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}], edges: [{from: a, to: b}, {from: b, to: c}]";

fn between(from: &str, to: &str) -> Value {
    json!([drop_edge(&format!("{from}->{to}")), node("x"), edge(from, "x"), edge("x", to)])
}

#[test]
pub(crate) fn insert_between_a_settled_and_an_unclaimed_node() {
    let mut subject = Subject::start(LINE);
    subject.ok("a");
    accept(&mut subject, between("a", "b"));
    assert_eq!(subject.out(), ["x"], "b is taken back");
    ends(subject, &["x", "b", "c"]);
}

#[test]
pub(crate) fn insert_after_a_running_node() {
    let mut subject = Subject::start(LINE);
    subject.claim("a");
    accept(&mut subject, between("a", "b"));
    assert_eq!(subject.out(), ["a"]);
    ends(subject, &["x", "b", "c"]);
}

#[test]
pub(crate) fn a_parallel_branch_from_a_settled_a_running_or_no_node() {
    let mut subject = Subject::start(LINE);
    subject.ok("a");
    subject.claim("b");
    accept(&mut subject, json!([node("x"), node("y"), node("z"), edge("a", "x"), edge("b", "y")]));
    assert_eq!(subject.out(), ["b", "x", "z"]);
    ends(subject, &["x", "y", "z"]);
}

#[test]
pub(crate) fn an_idle_node_is_removed() {
    let mut subject = Subject::start(LINE);
    subject.claim("a");
    accept(&mut subject, json!([drop_edge("b->c"), json!({"op": "remove", "path": "/nodes/c"})]));
    ends(subject, &["b"]);
}

#[test]
pub(crate) fn a_published_node_is_removed_and_led_round() {
    let mut subject = Subject::start(LINE);
    subject.ok("a");
    accept(
        &mut subject,
        json!([
            drop_edge("a->b"),
            drop_edge("b->c"),
            json!({"op": "remove", "path": "/nodes/b"}),
            edge("a", "c")
        ]),
    );
    assert_eq!(subject.out(), ["c"]);
    ends(subject, &["c"]);
}

#[test]
pub(crate) fn a_failure_handler_on_a_running_node() {
    let mut subject = Subject::start(LINE);
    subject.claim("a");
    accept(&mut subject, json!([node("h"), after("a", "h", "failure")]));
    subject.breaks("a");
    ends(subject, &["h"]);
}

#[test]
pub(crate) fn a_failure_handler_on_a_node_that_backs_off() {
    let mut subject =
        Subject::start("nodes: [{id: a, type: noop, retry: {attempts: 2, backoff: 1s}}]");
    subject.stumbles("a");
    accept(&mut subject, json!([node("h"), after("a", "h", "failure")]));
    subject.time("a");
    subject.stumbles("a");
    ends(subject, &["h"]);
}

#[test]
pub(crate) fn a_failure_handler_on_a_node_that_failed_and_paused() {
    let mut subject = Subject::start("nodes: [{id: a, type: noop, onError: pause}]");
    subject.breaks("a");
    accept(&mut subject, json!([node("h"), after("a", "h", "failure")]));
    assert_eq!((subject.state("a"), subject.out()), ("failed", vec!["h".to_owned()]));
    ends(subject, &["h"]);
}

#[test]
pub(crate) fn another_handler_for_a_settled_failure_whose_old_one_is_unclaimed() {
    let mut subject = Subject::start(
        "nodes: [{id: a, type: noop}, {id: h, type: noop}], edges: [{from: a, to: h, after: failure}]",
    );
    subject.breaks("a");
    accept(
        &mut subject,
        json!([
            node("other"),
            after("a", "other", "failure"),
            drop_edge("a->h:failure"),
            json!({"op": "remove", "path": "/nodes/h"})
        ]),
    );
    assert_eq!(subject.out(), ["other"]);
    ends(subject, &["other"]);
}

#[test]
pub(crate) fn config_of_an_idle_a_published_a_backing_off_and_a_paused_node() {
    let spec = "nodes: [{id: idle, type: transform, config: {value: 1}}, {id: out, type: transform, config: {value: 1}},
        {id: back, type: transform, config: {value: 1}, retry: {attempts: 2, backoff: 1s}}, {id: pause, type: transform, config: {value: 1}, onError: pause}],
        edges: [{from: out, to: idle}]";
    let mut subject = Subject::start(spec);
    subject.stumbles("back");
    subject.breaks("pause");
    let change = |id: &str| set(&format!("/nodes/{id}/config/value"), json!(2));
    accept(&mut subject, json!([change("idle"), change("out"), change("back"), change("pause")]));
    subject.time("back");
    subject.decide("pause", Reply::Retry);
    subject.finish();
    for id in ["idle", "out", "back", "pause"] {
        assert_eq!(subject.value(id), Some(&json!(2)), "{id}");
    }
    ends(subject, &[]);
}

/// The instance waits on its config: it begins in the patch's commit, and nobody has to answer.
#[test]
pub(crate) fn a_config_that_paused_a_node_is_mended() {
    let mut subject = Subject::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: transform, onError: pause, config: {value: "${ nodes.a.output.x }"}}], edges: [{from: a, to: b}]"#,
    );
    subject.gives("a", json!({"y": 7}));
    assert_eq!(subject.state("b"), "waiting");
    let ticket = subject.ticket("b");
    let (step, told) = subject
        .dry(json!([set("/nodes/b/config/value", json!("${ nodes.a.output.y }"))]))
        .expect("it is accepted");
    assert_eq!(step.effects.close, [ticket.as_str().into()]);
    assert_eq!((told.start, told.void), (vec!["b".to_owned()], vec!["b".to_owned()]));
    accept(&mut subject, json!([set("/nodes/b/config/value", json!("${ nodes.a.output.y }"))]));
    assert_eq!(subject.out(), ["b"]);
    subject.ok("b");
    assert_eq!(subject.value("b"), Some(&json!(7)));
    ends(subject, &["b"]);
}

#[test]
pub(crate) fn items_of_a_foreach_that_paused_it_are_mended() {
    let mut subject = Subject::start(
        r#"nodes: [{id: a, type: noop}, {id: each, type: foreach, onError: pause, config: {items: "${ nodes.a.output }"}}, {id: x, within: each, type: noop}], edges: [{from: a, to: each}]"#,
    );
    subject.gives("a", json!({"rows": [1]}));
    assert_eq!(subject.state("each"), "waiting");
    accept(
        &mut subject,
        json!([set("/nodes/each/config/items", json!("${ nodes.a.output.rows }"))]),
    );
    assert_eq!(subject.out(), ["each[0]/x"]);
    ends(subject, &["each"]);
}

#[test]
pub(crate) fn the_when_that_paused_a_node_is_mended() {
    let mut subject = Subject::start(
        r#"nodes: [{id: a, type: noop, onError: pause}, {id: b, type: noop}], edges: [{from: a, to: b, when: "nodes.a.output.x > 1"}]"#,
    );
    subject.gives("a", json!({"y": 2}));
    accept(&mut subject, json!([set("/edges/a->b/when", json!("nodes.a.output.y > 1"))]));
    assert_eq!((subject.state("a"), subject.out()), ("succeeded", vec!["b".to_owned()]));
    ends(subject, &["b"]);
}

#[test]
pub(crate) fn on_error_continue_on_a_paused_and_on_a_running_node() {
    let mut subject = Subject::start(
        "nodes: [{id: a, type: noop, onError: pause}, {id: b, type: noop}, {id: c, type: noop}]",
    );
    subject.breaks("a");
    subject.claim("b");
    let go_on = |id: &str| set(&format!("/nodes/{id}/onError"), json!("continue"));
    accept(&mut subject, json!([go_on("a"), go_on("b")]));
    assert_eq!(subject.state("a"), "failed");
    subject.breaks("b");
    ends(subject, &["c"]);
}

#[test]
pub(crate) fn a_gate_before_an_idle_and_before_a_published_node() {
    let gate = json!({"op": "add", "path": "/nodes/-", "value": {"id": "g", "type": "approval", "config": {"title": "?"}}});
    for target in ["b", "c"] {
        let mut subject = Subject::start(LINE);
        subject.ok("a");
        accept(&mut subject, json!([gate, edge("a", "g"), edge("g", target)]));
        assert_eq!(subject.state("g"), "waiting");
        if target == "c" {
            subject.ok("b");
        }
        assert!(subject.out().is_empty(), "{target} waits for the gate");
        subject.decide("g", Reply::Approve(None));
        ends(subject, &["b", "c"]);
    }
}

#[test]
pub(crate) fn the_join_of_an_idle_and_of_a_published_node_changes() {
    let spec = |join: &str| {
        format!(
            "nodes: [{{id: a, type: noop}}, {{id: b, type: noop}}, {{id: j, type: noop, join: {join}}}], edges: [{{from: a, to: j}}, {{from: b, to: j}}]"
        )
    };
    let mut subject = Subject::start(&spec("all"));
    subject.ok("a");
    accept(&mut subject, json!([set("/nodes/j/join", json!("any"))]));
    assert_eq!(subject.out(), ["b", "j"], "it fires in the commit");
    ends(subject, &["j"]);
    let mut subject = Subject::start(&spec("any"));
    subject.ok("a");
    assert_eq!(subject.out(), ["b", "j"]);
    accept(&mut subject, json!([set("/nodes/j/join", json!("all"))]));
    assert_eq!(subject.out(), ["b"], "it waits for the other one");
    ends(subject, &["j"]);
}

#[test]
pub(crate) fn an_unsettled_edge_into_the_any_join_of_a_running_node_is_dropped() {
    let mut subject = Subject::start(
        "nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: j, type: noop, join: any}], edges: [{from: a, to: j}, {from: b, to: j}]",
    );
    subject.ok("a");
    subject.claim("j");
    accept(&mut subject, json!([drop_edge("b->j")]));
    ends(subject, &["j", "b"]);
}

#[test]
pub(crate) fn the_when_of_a_settled_edge_whose_targets_are_unclaimed() {
    let mut subject = Subject::start(
        r#"nodes: [{id: a, type: noop}, {id: more, type: noop}, {id: less, type: noop}],
        edges: [{from: a, to: more, when: "nodes.a.output > 5"}, {from: a, to: less, otherwise: true}]"#,
    );
    subject.gives("a", json!(3));
    assert_eq!((subject.state("more"), subject.out()), ("skipped", vec!["less".to_owned()]));
    let mut subject = Subject::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: more, type: noop}, {id: less, type: noop}],
        edges: [{from: a, to: more, when: "nodes.a.output > 5"}, {from: a, to: less, otherwise: true}, {from: b, to: more}]"#,
    );
    subject.gives("a", json!(3));
    assert_eq!(subject.out(), ["b", "less"]);
    accept(&mut subject, json!([set("/edges/a->more/when", json!("nodes.a.output > 2"))]));
    assert_eq!((subject.state("less"), subject.out()), ("skipped", vec!["b".to_owned()]));
    ends(subject, &["more"]);
}

/// What is held back has been enabled, and is judged again as what is out would be.
#[test]
pub(crate) fn an_in_edge_of_a_node_that_is_held_back() {
    let mut subject = Subject::start(LINE);
    subject.suspend(true);
    subject.ok("a");
    assert_eq!(subject.state("b"), "ready");
    accept(&mut subject, json!([node("x"), edge("x", "b")]));
    assert_eq!(subject.state("b"), "idle");
    subject.suspend(false);
    assert_eq!(subject.out(), ["x"]);
    ends(subject, &["b", "c"]);
}
