//! Rule 10: questions and answers.

use std::sync::Arc;

use aob_engine::catalogue;
use aob_engine::event::Kind;
use aob_engine::step::{Decision, Reply, Verdict};
use serde_json::json;

use super::run::{Run, decision};

const ASKS: &str = r#"nodes: [{id: gate, type: approval, config: {title: "?"}}, {id: broken, type: noop, onError: pause},
    {id: odd, type: noop, effect: once}, {id: out, type: noop}]"#;

/// What a gate answers is what its type's schema promises, with a reason and without.
#[test]
fn what_a_gate_answers_fits_its_schema() {
    let schema = include_str!("../../../../schema/node-types/approval.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).expect("it is JSON");
    let output = jsonschema::validator_for(&schema["x-aob-output"]).expect("it is a schema");
    for reason in [None, Some("they are paid".to_owned())] {
        let mut run = Run::start(
            r#"nodes: [{id: gate, type: approval, config: {title: "?"}}, {id: out, type: noop}]"#,
        );
        let answer = Decision { reason, ..decision("gate", Reply::Approve(None)) };
        assert_eq!(run.decided(answer), Verdict::Applied);
        let value = run.value("gate").expect("an output");
        assert!(output.is_valid(value), "{value}");
    }
}

#[test]
fn each_question_has_its_answers() {
    let mut run = Run::start(ASKS);
    run.breaks("broken");
    run.lost("odd", true);
    run.told();
    let wrong = [
        ("gate", Reply::Retry),
        ("gate", Reply::Settle(Arc::new(json!(1)))),
        ("gate", Reply::Fail),
        ("broken", Reply::Approve(None)),
        ("broken", Reply::Reject),
        ("odd", Reply::Approve(None)),
        ("odd", Reply::Reject),
    ];
    let wrong_ones = wrong.len();
    for (at, reply) in wrong {
        let verdict = run.decided(decision(at, reply.clone()));
        assert!(
            matches!(&verdict, Verdict::Refused(entry, _) if **entry == catalogue::BAD_DECISION),
            "{at} {reply:?}: {verdict:?}"
        );
    }
    let told = run.told();
    assert_eq!(told.len(), wrong_ones, "{told:?}");
    assert!(told.iter().all(|line| line.contains(" refuses ")), "{told:?}");
}

#[test]
fn an_answer_is_one_event_with_its_actor() {
    let mut run = Run::start(ASKS);
    run.breaks("broken");
    run.decide("broken", Reply::Retry);
    let (event, _) = run.sim.events.last().expect("an event");
    assert_eq!((event.by.as_str(), event.kind), ("user:bob", Kind::Decided));
    assert_eq!(
        run.told().pop(),
        Some("broken answered retry; broken ready; broken out #2".to_owned())
    );
}

#[test]
fn retry_resets_no_limit() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop, onError: pause, retry: {attempts: 2, backoff: 1s}}]",
    );
    run.stumbles("a");
    run.time("a");
    run.stumbles("a");
    run.decide("a", Reply::Retry);
    run.stumbles("a");
    assert_eq!(
        run.told()[3..],
        ["a asks failure", "a answered retry; a ready; a out #3", "a asks failure"]
    );
}

#[test]
fn settled_instances_take_no_answer() {
    let mut run = Run::start(ASKS);
    run.decide("gate", Reply::Approve(None));
    assert_eq!(run.decided(decision("gate", Reply::Approve(None))), Verdict::Superseded);
    run.ok("out");
    assert_eq!(run.decided(decision("out", Reply::Retry)), Verdict::Superseded);
}

#[test]
fn what_asks_nothing_takes_no_answer() {
    let mut run = Run::start(ASKS);
    for at in ["out", "nowhere", "each[0]/gate"] {
        assert_eq!(run.decided(decision(at, Reply::Retry)), Verdict::Unknown, "{at}");
    }
}

#[test]
fn an_answer_to_another_ticket_counts_for_nothing() {
    let mut run = Run::start("nodes: [{id: a, type: noop, onError: pause}]");
    run.breaks("a");
    let first = run.ticket("a");
    run.decide("a", Reply::Retry);
    run.breaks("a");
    let to =
        |ticket: &str| Decision { ticket: Some(ticket.to_owned()), ..decision("a", Reply::Retry) };
    assert_eq!(run.decided(to(&first)), Verdict::Superseded);
    let second = run.ticket("a");
    assert_eq!(run.decided(to(&second)), Verdict::Applied);
}

#[test]
fn tickets_of_one_step_have_their_own_ids() {
    let run =
        Run::start(r#"nodes: [{id: gate, type: approval, onError: pause, config: {title: "?"}}]"#);
    let reject = aob_engine::step::Input::Decision(decision("gate", Reply::Reject));
    let retry = aob_engine::step::Input::Decision(decision("gate", Reply::Retry));
    let step = run.step(&[reject, retry]);
    let opened: Vec<_> = step.effects.open.iter().map(|notice| notice.id.clone()).collect();
    assert_eq!(opened.len(), 2);
    assert_ne!(opened[0], opened[1]);
}
