//! R8, sentence by sentence: each case is refused by one of them only.

use serde_json::{Value, json};

use super::first;
use super::subject::Subject;

fn refused(nodes: &str, edges: &str, operations: Value, message: &str) {
    let gate = r#"{id: a, type: noop}, {id: g, type: approval, config: {title: "?"}}, {id: s, type: noop}"#;
    let subject = Subject::start(&format!("nodes: [{gate}{nodes}], edges: [{edges}]"));
    let (rule, _, told) = first(subject.dry(operations));
    assert_eq!((rule, &*told), ("PATCH_GATE", message));
}

#[test]
pub(crate) fn an_edge_out_of_a_gate_stays_though_what_it_guards_goes() {
    refused(
        "",
        "{from: a, to: g}, {from: g, to: s}",
        json!([{"op": "remove", "path": "/edges/g->s"}, {"op": "remove", "path": "/nodes/s"}]),
        "edge `g->s` out of the approval `g` would go or change",
    );
}

#[test]
pub(crate) fn a_gate_gets_no_failure_edge_into_an_old_node() {
    let edge = json!({"from": "g", "to": "s", "after": "failure"});
    refused(
        "",
        "{from: a, to: g}, {from: g, to: s}",
        json!([{"op": "add", "path": "/edges/-", "value": edge}]),
        "edge `g->s:failure` would lead round the approval `g`",
    );
}

#[test]
pub(crate) fn what_decides_whether_a_gate_is_asked_stays() {
    refused(
        "",
        r#"{from: a, to: g, when: "true"}, {from: g, to: s}"#,
        json!([{"op": "remove", "path": "/edges/a->g/when"}]),
        "edge `a->g` decides whether the approval `g` is asked",
    );
}

/// The nodes that the gate follows from are what they were: only the way into it is another.
#[test]
pub(crate) fn a_gate_that_can_be_left_out_gets_no_other_way_in() {
    refused(
        ", {id: x, type: noop}",
        r#"{from: a, to: g, when: "true"}, {from: g, to: s}"#,
        json!([{"op": "add", "path": "/edges/-", "value": {"from": "x", "to": "g", "when": "false"}}]),
        "edge `x->g` decides whether the approval `g` is asked",
    );
}

/// Found by the search: a type that nobody knows is passed over, and the condition asked for a success.
#[test]
pub(crate) fn what_a_condition_into_a_gate_reads_stays() {
    refused(
        "",
        r#"{from: a, to: g, when: "nodes.a.outcome == 'succeeded'"}, {from: g, to: s}"#,
        json!([{"op": "replace", "path": "/nodes/a/type", "value": "acme.unknown"}]),
        "what `a` does decides whether the approval `g` is asked",
    );
}

#[test]
pub(crate) fn an_otherwise_into_a_gate_gets_no_other_condition_beside_it() {
    let edge = json!({"from": "a", "to": "y", "when": "true"});
    refused(
        ", {id: x, type: noop}",
        r#"{from: a, to: x, when: "false"}, {from: a, to: g, otherwise: true}, {from: g, to: s}"#,
        json!([
            {"op": "add", "path": "/nodes/-", "value": {"id": "y", "type": "noop"}},
            {"op": "add", "path": "/edges/-", "value": edge}
        ]),
        "edge `a->g` decides whether the approval `g` is asked",
    );
}

/// Found by the search: what is left is an edge that is mostly dead, and the approval would be left out.
#[test]
pub(crate) fn a_gate_is_led_to_whatever_is_if_it_was() {
    refused(
        ", {id: b, type: noop}",
        "{from: a, to: b}, {from: a, to: g}, {from: b, to: g, after: failure}, {from: g, to: s}",
        json!([{"op": "remove", "path": "/edges/a->g"}]),
        "edge `b->g:failure` could leave the approval `g` out",
    );
}

#[test]
pub(crate) fn a_gate_waits_for_what_it_waited_for() {
    refused(
        ", {id: b, type: noop}",
        "{from: a, to: g}, {from: b, to: g}, {from: g, to: s}",
        json!([{"op": "remove", "path": "/edges/b->g"}]),
        "the approval `g` would no longer wait for `b`",
    );
}

/// `a` decides whether `g` is asked; `s` waits for `b` too, and begins without `g` if that is left out.
const OPTIONAL: (&str, &str) = (
    ", {id: b, type: noop}, {id: c, type: noop}",
    r#"{from: a, to: b}, {from: c, to: b}, {from: b, to: g, when: "nodes.a.outcome == 'succeeded'"}, {from: b, to: s}, {from: g, to: s}"#,
);

/// `q` goes before `a`, and its failure does not fail the run.
fn led_through() -> Value {
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    json!([
        add("/nodes/-", json!({"id": "q", "type": "noop"})),
        add("/nodes/-", json!({"id": "h", "type": "noop"})),
        add("/edges/-", json!({"from": "q", "to": "a"})),
        add("/edges/-", json!({"from": "q", "to": "h", "after": "failure"})),
    ])
}

/// Found by reading: what is put before fails, `a` is skipped, and the condition asked for its success.
#[test]
pub(crate) fn nothing_is_put_before_what_a_condition_into_a_gate_reads() {
    let (nodes, edges) = OPTIONAL;
    refused(nodes, edges, led_through(), "edge `q->a` decides whether the approval `g` is asked");
}

/// The same before a gate that a plain edge leads to as well: where that edge is dead, nothing behind the gate begins.
#[test]
fn something_is_put_before_what_leads_plainly_to_a_gate() {
    let (nodes, edges) = OPTIONAL;
    let gate = r#"{id: a, type: noop}, {id: g, type: approval, config: {title: "?"}}, {id: s, type: noop}"#;
    let mut subject =
        Subject::start(&format!("nodes: [{gate}{nodes}], edges: [{edges}, {{from: c, to: g}}]"));
    subject.patch(led_through()).expect("it is accepted");
    subject.breaks("q");
    subject.ok("c");
    subject.ok("b");
    assert_eq!((subject.state("a"), subject.state("g")), ("skipped", "waiting"));
}

#[test]
pub(crate) fn a_failure_that_a_condition_into_a_gate_reads_is_not_handled() {
    let edge = json!({"from": "a", "to": "h", "after": "failure"});
    let (nodes, edges) = OPTIONAL;
    refused(
        nodes,
        edges,
        json!([
            {"op": "add", "path": "/nodes/-", "value": {"id": "h", "type": "noop"}},
            {"op": "add", "path": "/edges/-", "value": edge}
        ]),
        "edge `a->h:failure` decides whether the approval `g` is asked",
    );
}

#[test]
pub(crate) fn the_body_of_what_a_condition_into_a_gate_reads_stays() {
    refused(
        ", {id: b, type: foreach, config: {items: [1]}}, {id: x, within: b, type: noop}",
        r#"{from: a, to: b}, {from: b, to: g, when: "nodes.b.outcome == 'succeeded'", after: always}, {from: g, to: s}"#,
        json!([{"op": "add", "path": "/nodes/-", "value": {"id": "y", "within": "b", "type": "noop"}}]),
        "what `b` does decides whether the approval `g` is asked",
    );
}

#[test]
pub(crate) fn what_a_condition_into_a_gate_reads_is_not_cancelled() {
    let (nodes, edges) = OPTIONAL;
    let gate = r#"{id: a, type: noop}, {id: g, type: approval, config: {title: "?"}}, {id: s, type: noop}"#;
    let mut subject = Subject::start(&format!("nodes: [{gate}{nodes}], edges: [{edges}]"));
    subject.claim("a");
    let same = json!([{"op": "test", "path": "/nodes/a/type", "value": "noop"}]);
    let (rule, place, told) = first(subject.ask(json!({"operations": same, "cancel": ["a"]})));
    let message = "what `a` does decides whether the approval `g` is asked";
    assert_eq!((rule, &*place, &*told), ("PATCH_GATE", "/cancel/0", message));
}
