//! Answers that are refused: by which rule, and that each is among the events with who, what and why.

use std::sync::Arc;

use aob_engine::catalogue::{self, Entry};
use aob_engine::event::{Change, Kind};
use aob_engine::step::{Decision, Due, Input, Notified, Reply, Timer, Verdict};
use serde_json::json;

use super::run::{Run, decision};

fn gate(config: &str) -> Run {
    Run::start(&format!(
        r#"nodes: [{{id: gate, type: approval, config: {{title: "?", {config}}}}}, {{id: b, type: noop}}], edges: [{{from: gate, to: b}}]"#
    ))
}

fn by(user: &str, reply: Reply) -> Decision {
    Decision { by: format!("user:{user}"), ..decision("gate", reply) }
}

/// The last event is a refusal by this rule, and changed nothing else.
#[track_caller]
fn audited(run: &Run, rule: &Entry, who: &str, what: &str) {
    let (event, _) = run.sim.events.last().expect("an event");
    assert_eq!((event.kind, event.by.as_str()), (Kind::DecisionRefused, who));
    let [Change::DecisionRefused { at, ticket, answer, by, code, why }] = &event.changes[..] else {
        panic!("{event:?}")
    };
    assert_eq!((at.as_str(), answer.as_str(), by.as_str()), ("gate", what, who));
    assert_eq!(code, rule.code);
    assert!(ticket.starts_with("ticket_") && !why.is_empty(), "{ticket}: {why}");
}

#[track_caller]
fn refused(run: &mut Run, decision: Decision, rule: &'static Entry) {
    let (who, what) = (decision.by.clone(), decision.answer.name());
    let verdict = run.decided(decision);
    assert!(matches!(&verdict, Verdict::Refused(entry, _) if *entry == rule), "{verdict:?}");
    audited(run, rule, &who, what);
}

#[test]
fn each_rule_has_its_code_and_each_refusal_its_event() {
    let mut run = gate(
        "approvers: {users: [ada, bob], groups: [leads]}, data: {type: object, required: [note]}, deadline: 1h",
    );
    let seq = run.sim.state.head.seq;
    refused(&mut run, by("eve", Reply::Approve(None)), &catalogue::NOT_AN_APPROVER);
    let other = Decision { groups: vec!["guests".to_owned()], ..by("eve", Reply::Reject) };
    refused(&mut run, other, &catalogue::NOT_AN_APPROVER);
    refused(&mut run, by("ada", Reply::Approve(None)), &catalogue::REQUESTER_DECIDES);
    refused(&mut run, by("ada", Reply::Reject), &catalogue::REQUESTER_DECIDES);
    refused(&mut run, by("bob", Reply::Approve(None)), &catalogue::BAD_DECISION);
    refused(&mut run, by("bob", Reply::Retry), &catalogue::BAD_DECISION);
    let named = Decision { ticket: Some("ticket_other".into()), ..by("bob", Reply::Reject) };
    assert_eq!(run.decided(named), Verdict::Superseded);
    audited(&run, &catalogue::TICKET_CLOSED, "user:bob", "reject");
    run.sim.now.time += 3_600_000;
    refused(&mut run, by("bob", Reply::Reject), &catalogue::TICKET_LATE);
    assert_eq!(run.sim.state.head.seq, seq + 8, "an event for each");
    assert_eq!(run.sim.state.head.denials, 8);
    assert_eq!(run.state("gate"), "waiting", "none of them changed anything");
    run.time("gate");
    assert_eq!(run.code("gate").as_deref(), Some("deadline"));
}

#[test]
fn a_member_of_a_group_decides() {
    let mut run = gate("approvers: {groups: [leads]}");
    let member =
        Decision { groups: vec!["staff".into(), "leads".into()], ..by("eve", Reply::Reject) };
    assert_eq!(run.decided(member), Verdict::Applied);
}

/// Of two who decide at once one is first, and the other hears that it has been answered.
#[test]
fn the_second_of_two_deciders_is_refused() {
    for first in [Reply::Approve(None), Reply::Reject] {
        // Something is still out, so that no answer ends the run.
        let mut run = Run::start(
            r#"nodes: [{id: gate, type: approval, config: {title: "?", approvers: {users: [bob, eve]}}}, {id: c, type: noop}]"#,
        );
        let ticket = Some(run.ticket("gate"));
        let both = [first, Reply::Reject].map(|reply| {
            let user = if matches!(reply, Reply::Reject) { "eve" } else { "bob" };
            Input::Decision(Decision { ticket: ticket.clone(), ..by(user, reply) })
        });
        assert_eq!(run.sim.take(&both), [Verdict::Applied, Verdict::Superseded]);
        let (event, _) = run.sim.events.last().expect("an event");
        let late = |change: &Change| matches!(change, Change::DecisionRefused { code, .. } if code == catalogue::TICKET_CLOSED.code);
        assert!(event.changes.iter().any(late), "{event:?}");
        assert!(event.kind >= Kind::Decided, "what was decided counts more");
    }
}

/// A ticket is used once: asked anew it is another one, and the old one opens nothing.
#[test]
fn a_ticket_is_used_once() {
    let mut run = Run::start(
        r#"nodes: [{id: gate, type: approval, onError: pause, config: {title: "?"}}, {id: b, type: noop}], edges: [{from: gate, to: b}]"#,
    );
    let first = run.ticket("gate");
    run.decide("gate", Reply::Reject);
    run.decide("gate", Reply::Retry);
    let again = Decision { ticket: Some(first), ..by("bob", Reply::Approve(None)) };
    assert_eq!(run.decided(again), Verdict::Superseded);
    audited(&run, &catalogue::TICKET_CLOSED, "user:bob", "approve");
    let now = Decision { ticket: Some(run.ticket("gate")), ..by("bob", Reply::Approve(None)) };
    assert_eq!(run.decided(now), Verdict::Applied);
}

/// What is refused fills no run: after a thousand refusals further ones are told, and kept no more.
#[test]
fn refusals_are_bounded() {
    let mut run = gate("approvers: {users: [bob]}");
    let spam = |text: &str| Decision { by: format!("user:{text}"), ..by("x", Reply::Reject) };
    for _ in 0..1_000 {
        refused(&mut run, by("eve", Reply::Reject), &catalogue::NOT_AN_APPROVER);
    }
    let seq = run.sim.state.head.seq;
    let verdict = run.decided(spam(&"x".repeat(100_000)));
    assert!(
        matches!(verdict, Verdict::Refused(entry, why) if *entry == catalogue::NOT_AN_APPROVER && why.len() < 300)
    );
    assert_eq!(run.sim.state.head.seq, seq);
    run.decide("gate", Reply::Approve(None));
}

#[test]
fn long_names_are_cut_in_events() {
    let mut run = gate("approvers: {users: [bob]}");
    run.decided(Decision { ticket: Some("t".repeat(9_000)), ..by("bob", Reply::Reject) });
    let (_, line) = run.sim.events.last().expect("an event");
    assert!(line.len() < 2_000, "{}", line.len());
}

#[test]
fn whoever_voted_is_not_counted_again_and_is_not_refused() {
    let mut run = gate("approvers: {count: 2}");
    let seq = run.sim.state.head.seq;
    run.decide("gate", Reply::Approve(None));
    assert_eq!(run.decided(by("bob", Reply::Approve(None))), Verdict::Same);
    assert_eq!(run.sim.state.head.seq, seq + 1);
}

fn notified(run: &Run, attempt: u32, due: Option<u64>) -> Input {
    let error = due.map(|_| "connection refused".to_owned());
    let (instance, ticket) = ("gate".to_owned(), run.ticket("gate"));
    Input::Notified(Notified { instance, ticket, attempt, error, due })
}

/// Each attempt to tell of a question is one event, and the next one is a timer beside that of the deadline.
#[test]
fn attempts_to_notify_are_counted_once_each() {
    let mut run = gate("deadline: 1h");
    let seq = run.sim.state.head.seq;
    let in_vain = notified(&run, 1, Some(run.sim.now.time + 5_000));
    assert_eq!(run.sim.take(std::slice::from_ref(&in_vain)), [Verdict::Applied]);
    let timer = Timer { instance: "gate".into(), what: Due::Notice, seq: 1 };
    assert_eq!(run.sim.timers.remove(&timer), Some(run.sim.now.time - 1 + 5_000));
    assert_eq!(run.sim.take(&[in_vain]), [Verdict::Same], "its signal came twice");
    assert_eq!(run.sim.take(&[Input::Timer(timer)]), [Verdict::Superseded], "no engine's business");
    let told = notified(&run, 2, None);
    assert_eq!(run.sim.take(std::slice::from_ref(&told)), [Verdict::Applied]);
    assert_eq!(run.sim.state.head.seq, seq + 2);
    assert_eq!(run.told()[1..], ["gate told #1 in vain", "gate told #2"]);
    assert!(run.waits("gate") > 3_500_000, "the deadline stands");
    run.decide("gate", Reply::Approve(Some(Arc::new(json!(1)))));
    assert_eq!(run.sim.take(&[told]), [Verdict::Superseded]);
}
