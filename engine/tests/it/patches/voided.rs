//! R7: a ticket binds to what it approves. A patch of what an approval guards voids it, and whoever made that patch
//! does not open it.

use aob_engine::catalogue;
use aob_engine::step::{Decision, Reply, Verdict};
use serde_json::{Value, json};

use super::subject::Subject;

const SPEC: &str = r#"nodes: [{id: a, type: noop}, {id: t, type: noop},
    {id: g, type: approval, config: {title: "?", approvers: {users: [bob, eve, kim], count: 2}}},
    {id: s, type: noop}, {id: r, type: noop}], edges: [{from: a, to: g}, {from: g, to: s}, {from: s, to: r}]"#;

fn asked() -> Subject {
    let mut subject = Subject::start(SPEC);
    subject.ok("a");
    assert_eq!(subject.decided(by("bob", None)), Verdict::Applied);
    subject.told();
    subject
}

fn by(user: &str, ticket: Option<&str>) -> Decision {
    Decision {
        instance: "g".into(),
        ticket: ticket.map(str::to_owned),
        answer: Reply::Approve(None),
        by: format!("user:{user}"),
        groups: Vec::new(),
        reason: None,
    }
}

fn node(id: &str) -> Value {
    json!({"op": "add", "path": "/nodes/-", "value": {"id": id, "type": "noop"}})
}

fn edge(from: &str, to: &str) -> Value {
    json!({"op": "add", "path": "/edges/-", "value": {"from": from, "to": to}})
}

fn binds(subject: &Subject) -> String {
    let lives = subject.sim.state.scopes[""].live.values();
    let mut open = lives.filter_map(|live| live.ticket.as_ref());
    open.next().expect("a ticket").binds.to_string()
}

#[test]
fn a_patch_of_what_it_guards_voids_a_ticket() {
    let changes = [
        ("a node behind it", json!([node("x"), edge("s", "x")])),
        ("a node right behind it", json!([node("x"), edge("g", "x")])),
        ("another config", json!([{"op": "add", "path": "/nodes/r/timeout", "value": "9s"}])),
        (
            "an edge less",
            json!([{"op": "remove", "path": "/edges/s->r"}, {"op": "remove", "path": "/nodes/r"}]),
        ),
        ("a condition", json!([{"op": "add", "path": "/edges/s->r/when", "value": "true"}])),
    ];
    for (what, operations) in changes {
        let mut subject = asked();
        let (ticket, bound) = (subject.ticket("g"), binds(&subject));
        subject.patch(operations).unwrap_or_else(|issues| panic!("{what}: {issues:?}"));
        assert_eq!(subject.told(), ["patched to revision 1; g asks gate"], "{what}");
        assert_ne!(subject.ticket("g"), ticket, "{what}");
        assert_ne!(binds(&subject), bound, "{what}");
        assert_eq!(subject.decided(by("kim", Some(&ticket))), Verdict::Superseded, "{what}");
        let code = catalogue::TICKET_CLOSED.code;
        assert_eq!(subject.told(), [format!("g refuses approve of user:kim: {code}")], "{what}");
        // The vote of before was for another graph.
        assert_eq!(subject.decided(by("kim", None)), Verdict::Applied);
        assert_eq!(subject.state("g"), "waiting");
        let verdict = subject.decided(by("eve", None));
        assert!(
            matches!(&verdict, Verdict::Refused(entry, _) if **entry == catalogue::PATCHER_DECIDES),
            "{what}: {verdict:?}"
        );
        assert_eq!(subject.decided(by("bob", None)), Verdict::Applied);
        assert_eq!(subject.state("g"), "succeeded", "{what}");
    }
}

#[test]
fn a_patch_elsewhere_leaves_it() {
    let mut subject = asked();
    let (ticket, bound) = (subject.ticket("g"), binds(&subject));
    subject.patch(json!([node("x"), edge("t", "x")])).expect("accepted");
    subject.patch(json!([node("y")])).expect("accepted");
    assert_eq!((subject.ticket("g"), binds(&subject)), (ticket.clone(), bound));
    assert_eq!(subject.decided(by("eve", Some(&ticket))), Verdict::Applied, "and its vote");
    assert_eq!(subject.state("g"), "succeeded");
}

/// Before it is asked a patch voids nothing, but who made it is known.
#[test]
fn whoever_patched_before_it_was_asked_does_not_open_it() {
    let mut subject = Subject::start(SPEC);
    subject.patch(json!([node("x"), edge("s", "x")])).expect("accepted");
    subject.ok("a");
    let verdict = subject.decided(by("eve", None));
    assert!(
        matches!(&verdict, Verdict::Refused(entry, _) if **entry == catalogue::PATCHER_DECIDES),
        "{verdict:?}"
    );
}

/// Undoing it is a patch too, and makes nobody an approver again.
#[test]
fn an_undo_asks_again() {
    let mut subject = asked();
    let (ticket, bound) = (subject.ticket("g"), binds(&subject));
    subject.patch(json!([node("x"), edge("s", "x")])).expect("accepted");
    subject.undo("patch_1").expect("taken out");
    assert_ne!(subject.ticket("g"), ticket);
    assert_ne!(binds(&subject), bound, "another asking, though of the same");
    assert!(matches!(subject.decided(by("eve", None)), Verdict::Refused(..)));
}
