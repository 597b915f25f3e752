//! Rule 5: nothing passes a gate that did not open, and a gate that was left out is not in the way.

use std::sync::Arc;

use aob_engine::catalogue;
use aob_engine::step::{Decision, Input, Reply, Verdict};
use serde_json::{Value, json};

use super::run::{Run, decision, refused};

const GATE: &str = r#"{id: gate, type: approval, config: {title: "May it?"}}"#;

fn by(user: &str, reply: Reply) -> Decision {
    Decision { by: format!("user:{user}"), ..decision("gate", reply) }
}

fn why(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Refused(entry, _) => entry.name,
        _ => "",
    }
}

#[test]
fn approved_is_success() {
    let mut run = Run::start(&format!(
        "nodes: [{GATE}, {{id: b, type: noop}}], edges: [{{from: gate, to: b}}]"
    ));
    let with_reason =
        Decision { reason: Some("fine".to_owned()), ..by("bob", Reply::Approve(None)) };
    assert_eq!(run.decided(with_reason), Verdict::Applied);
    assert_eq!(
        run.told(),
        ["started; gate asks gate", "gate answered approve; gate succeeded; gate->b taken; b out"]
    );
    assert_eq!(
        run.value("gate"),
        Some(&json!({"decision": "approve", "by": ["user:bob"], "reason": "fine", "data": null}))
    );
}

#[test]
fn rejected_is_failure() {
    let mut run = Run::start(&format!(
        "nodes: [{GATE}, {{id: b, type: noop}}], edges: [{{from: gate, to: b}}]"
    ));
    run.decide("gate", Reply::Reject);
    assert_eq!(
        run.told()[1..],
        [
            "gate answered reject; gate failed: rejected; failing; gate->b dead; b skipped by gate; ended failed"
        ]
    );
}

#[test]
fn past_its_deadline_is_failure() {
    let mut run = Run::start(
        r#"nodes: [{id: gate, type: approval, config: {title: "May it?", deadline: 2h, onDeadline: reject}}, {id: b, type: noop}],
        edges: [{from: gate, to: b}]"#,
    );
    assert_eq!(run.waits("gate"), 2 * 3_600_000);
    run.time("gate");
    assert_eq!(
        run.told()[1..],
        ["gate failed: deadline; failing; gate->b dead; b skipped by gate; ended failed"]
    );
}

#[test]
fn the_target_is_skipped_once_all_its_in_edges_have_settled_and_not_before() {
    let mut run = Run::start(&format!(
        "nodes: [{GATE}, {{id: other, type: noop}}, {{id: h, type: noop}}, {{id: b, type: noop}}],
         edges: [{{from: gate, to: b}}, {{from: other, to: b}}, {{from: gate, to: h, after: failure}}]"
    ));
    run.decide("gate", Reply::Reject);
    assert_eq!(run.state("b"), "idle");
    run.ok("h");
    assert_eq!(run.state("b"), "idle");
    run.ok("other");
    assert_eq!(
        run.told()[1..],
        [
            "gate answered reject; gate failed: rejected; gate->b dead; gate->h:failure taken; h out",
            "h succeeded",
            "other succeeded; other->b taken; b skipped by gate; ended succeeded",
        ]
    );
}

#[test]
fn a_gate_left_out_by_its_when_is_optional() {
    let spec = format!(
        r#"nodes: [{{id: a, type: noop}}, {GATE}, {{id: b, type: noop}}],
        edges: [{{from: a, to: gate, when: "nodes.a.output > 10"}}, {{from: a, to: b}}, {{from: gate, to: b}}]"#
    );
    let mut run = Run::start(&spec);
    run.gives("a", json!(5));
    assert_eq!(
        run.told()[1..],
        ["a succeeded; a->b taken; a->gate dead; gate skipped by dead path; gate->b dead; b out"]
    );
    let mut run = Run::start(&spec);
    run.gives("a", json!(50));
    assert_eq!(run.state("b"), "idle", "once asked, it is required");
    run.decide("gate", Reply::Reject);
    assert!(run.told()[2].contains("b skipped by gate"));
}

#[test]
fn a_gate_left_out_by_otherwise_is_optional() {
    let mut run = Run::start(&format!(
        r#"nodes: [{{id: a, type: noop}}, {{id: c, type: noop}}, {GATE}, {{id: b, type: noop}}],
        edges: [{{from: a, to: c, when: "true"}}, {{from: a, to: gate, otherwise: true}}, {{from: c, to: b}}, {{from: gate, to: b}}]"#
    ));
    run.ok("a");
    run.ok("c");
    assert_eq!(
        run.told()[1..],
        [
            "a succeeded; a->c taken; a->gate dead; c out; gate skipped by dead path; gate->b dead",
            "c succeeded; c->b taken; b out",
        ]
    );
}

#[test]
fn a_gate_on_the_failure_path_is_optional_when_nothing_failed() {
    let mut run = Run::start(&format!(
        "nodes: [{{id: a, type: noop}}, {GATE}, {{id: b, type: noop}}],
         edges: [{{from: a, to: gate, after: failure}}, {{from: a, to: b}}, {{from: gate, to: b}}]"
    ));
    run.ok("a");
    assert_eq!(
        run.told()[1..],
        [
            "a succeeded; a->b taken; a->gate:failure dead; gate skipped by dead path; gate->b dead; b out"
        ]
    );
}

#[test]
fn a_gate_skipped_because_its_source_failed_stays_required() {
    let mut run = Run::start(&format!(
        "nodes: [{{id: a, type: noop}}, {{id: h, type: noop}}, {GATE}, {{id: b, type: noop}}],
         edges: [{{from: a, to: gate}}, {{from: a, to: h, after: failure}}, {{from: gate, to: b}}, {{from: h, to: b}}]"
    ));
    run.breaks("a");
    run.ok("h");
    assert_eq!(
        run.told()[1..],
        [
            "a failed: broken; a->gate dead; a->h:failure taken; gate skipped by dead path; gate->b dead; h out",
            "h succeeded; h->b taken; b skipped by gate; ended succeeded",
        ]
    );
}

#[test]
fn a_gate_skipped_because_its_source_was_skipped_stays_required() {
    let mut run = Run::start(&format!(
        r#"nodes: [{{id: s, type: noop}}, {{id: a, type: noop}}, {GATE}, {{id: b, type: noop}}],
        edges: [{{from: s, to: a, when: "false"}}, {{from: a, to: gate}}, {{from: gate, to: b}}, {{from: s, to: b}}]"#
    ));
    run.ok("s");
    assert_eq!(
        run.told()[1..],
        [
            "s succeeded; s->a dead; s->b taken; a skipped by dead path; a->gate dead; gate skipped by dead path; gate->b dead; \
          b skipped by gate; ended succeeded"
        ]
    );
}

#[test]
fn a_gate_skipped_because_another_gate_refused_stays_required() {
    let mut run = Run::start(&format!(
        r#"nodes: [{{id: first, type: approval, config: {{title: "First?"}}}}, {{id: h, type: noop}}, {GATE}, {{id: b, type: noop}}],
        edges: [{{from: first, to: gate}}, {{from: first, to: h, after: failure}}, {{from: gate, to: b}}, {{from: h, to: b}}]"#
    ));
    run.decide("first", Reply::Reject);
    run.ok("h");
    assert_eq!(
        run.told()[1..],
        [
            "first answered reject; first failed: rejected; first->gate dead; first->h:failure taken; gate skipped by gate; \
             gate->b dead; h out",
            "h succeeded; h->b taken; b skipped by gate; ended succeeded",
        ]
    );
}

#[test]
fn an_approved_gate_s_edge_left_out_by_its_own_when_is_an_ordinary_dead_edge() {
    let mut run = Run::start(&format!(
        r#"nodes: [{{id: a, type: noop}}, {GATE}, {{id: b, type: noop}}],
        edges: [{{from: a, to: b}}, {{from: gate, to: b, when: "nodes.gate.output.data != null"}}]"#
    ));
    run.decide("gate", Reply::Approve(None));
    run.ok("a");
    assert_eq!(
        run.told()[1..],
        ["gate answered approve; gate succeeded; gate->b dead", "a succeeded; a->b taken; b out"]
    );
}

#[test]
fn failure_and_always_edges_of_a_gate_are_not_required() {
    let mut run = Run::start(&format!(
        "nodes: [{GATE}, {{id: h, type: noop}}, {{id: t, type: noop}}],
         edges: [{{from: gate, to: h, after: failure}}, {{from: gate, to: t, after: always}}]"
    ));
    run.decide("gate", Reply::Reject);
    assert_eq!(
        run.told()[1..],
        [
            "gate answered reject; gate failed: rejected; gate->h:failure taken; gate->t:always taken; h out; t out"
        ]
    );
}

#[test]
fn a_gate_into_any_is_refused_whatever_its_after() {
    for after in ["success", "failure", "always"] {
        let spec = format!(
            "nodes: [{GATE}, {{id: a, type: noop}}, {{id: b, type: noop, join: any}}],
             edges: [{{from: gate, to: b, after: {after}}}, {{from: a, to: b}}]"
        );
        assert_eq!(refused(&spec), ["GATE_INTO_ANY"], "{after}");
    }
}

fn asked(approvers: &str, input: Value) -> Run {
    Run::with(
        &format!(
            r#"nodes: [{{id: gate, type: approval, config: {{title: "?", approvers: {approvers}}}}}]"#
        ),
        input,
    )
}

#[test]
fn as_many_approve_as_are_asked_for_each_once() {
    let mut run = asked("{count: 2}", json!({}));
    assert_eq!(run.decided(by("bob", Reply::Approve(None))), Verdict::Applied);
    assert_eq!(run.decided(by("bob", Reply::Approve(None))), Verdict::Same);
    assert_eq!(run.decided(by("eve", Reply::Approve(None))), Verdict::Applied);
    assert_eq!(
        run.told()[1..],
        ["gate has a vote of user:bob", "gate answered approve; gate succeeded; ended succeeded"]
    );
    assert_eq!(
        run.value("gate").map(|output| &output["by"]),
        Some(&json!(["user:bob", "user:eve"]))
    );
}

#[test]
fn one_rejection_closes_the_gate() {
    let mut run = asked("{count: 2}", json!({}));
    run.decided(by("bob", Reply::Approve(None)));
    run.decided(by("eve", Reply::Reject));
    assert_eq!(run.outcome(), Some("failed"));
}

#[test]
fn only_those_named_decide_by_user_or_group() {
    let mut run = asked(r#"{users: ["${ input.boss }"], groups: [leads]}"#, json!({"boss": "bob"}));
    for reply in [Reply::Approve(None), Reply::Reject] {
        assert_eq!(why(&run.decided(by("eve", reply))), catalogue::NOT_AN_APPROVER.name);
    }
    assert_eq!(
        run.told(),
        [
            "started; gate asks gate",
            "gate refuses approve of user:eve: AOB3103",
            "gate refuses reject of user:eve: AOB3103",
        ]
    );
    assert_eq!(run.decided(by("bob", Reply::Approve(None))), Verdict::Applied);
    let mut run = asked("{groups: [leads]}", json!({}));
    let led = Decision { groups: vec!["leads".to_owned()], ..by("eve", Reply::Approve(None)) };
    assert_eq!(run.decided(led), Verdict::Applied);
}

#[test]
fn whoever_asked_for_the_run_does_not_approve_it_unless_allowed() {
    let mut run = asked("{users: [ada, bob]}", json!({}));
    assert_eq!(
        why(&run.decided(by("ada", Reply::Approve(None)))),
        catalogue::REQUESTER_DECIDES.name
    );
    let mut run = asked("{users: [ada, bob], allowRequester: true}", json!({}));
    assert_eq!(run.decided(by("ada", Reply::Approve(None))), Verdict::Applied);
}

#[test]
fn data_is_judged_by_the_gate_s_schema() {
    let mut run = Run::start(
        r#"nodes: [{id: gate, type: approval, config: {title: "?", data: {type: object, required: [amount], properties: {amount: {type: number}}}}}]"#,
    );
    for data in [None, Some(json!({})), Some(json!({"amount": "much"}))] {
        let verdict = run.decided(by("bob", Reply::Approve(data.map(Arc::new))));
        assert_eq!(why(&verdict), catalogue::BAD_DECISION.name);
    }
    run.decided(by("bob", Reply::Approve(Some(Arc::new(json!({"amount": 3}))))));
    assert_eq!(run.value("gate").map(|output| &output["data"]), Some(&json!({"amount": 3})));
}

/// Approvers that an expression made are taken at their word or not at all: a wrong type never opens a
/// gate to everyone.
#[test]
fn approvers_of_a_wrong_type_fail_the_gate() {
    for (approvers, input) in [
        (r#"{users: "${ input.who }"}"#, json!({"who": "bob"})),
        (r#"{users: "${ input.who }"}"#, json!({"who": []})),
        (r#"{groups: "${ input.who }"}"#, json!({"who": null})),
        (r#"{users: "${ input.who }"}"#, json!({"who": [1]})),
        (r#"{count: "${ input.count }"}"#, json!({"count": "2"})),
        (r#"{count: "${ input.count }"}"#, json!({"count": 0})),
        (r#"{allowRequester: "${ input.free }"}"#, json!({"free": "yes"})),
    ] {
        let mut run = asked(approvers, input);
        assert_eq!(
            run.told(),
            ["started; gate failed: config; failing; ended failed"],
            "{approvers}"
        );
    }
    let mut run = asked(
        r#"{users: "${ input.who }", count: "${ size(input.who) }"}"#,
        json!({"who": ["bob", "eve"]}),
    );
    assert_eq!(run.decided(by("bob", Reply::Approve(None))), Verdict::Applied);
    assert_eq!(run.outcome(), None);
}

#[test]
fn a_deadline_that_pauses_closes_the_ticket_before() {
    let run = Run::start(
        r#"nodes: [{id: gate, type: approval, onError: pause, config: {title: "?", deadline: 1h}}]"#,
    );
    let first = run.ticket("gate");
    let (timer, _) =
        run.sim.timers.iter().find(|(timer, _)| timer.instance == "gate").expect("a deadline");
    let step = run.step(&[Input::Timer(timer.clone())]);
    assert_eq!(step.effects.open.len(), 1);
    assert_eq!(step.effects.close, [first.as_str().into()]);
    assert_ne!(*step.effects.open[0].id, *first);
}

#[test]
fn a_rejection_that_pauses_can_be_asked_again() {
    let mut run = Run::start(
        r#"nodes: [{id: gate, type: approval, onError: pause, config: {title: "?"}}, {id: b, type: noop}], edges: [{from: gate, to: b}]"#,
    );
    run.decide("gate", Reply::Reject);
    run.decide("gate", Reply::Retry);
    run.decide("gate", Reply::Approve(None));
    assert_eq!(
        run.told()[1..],
        [
            "gate answered reject; gate asks failure",
            "gate answered retry; gate asks gate",
            "gate answered approve; gate succeeded; gate->b taken; b out",
        ]
    );
}
