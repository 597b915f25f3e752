//! R3 and R10: an agent's patch with its completion, and agents counted over the run.

use std::sync::Arc;

use aob_engine::route;
use aob_engine::state::{Fence, NodeError};
use aob_engine::step::{Answer, Input};
use serde_json::{Value, json};

use super::first;
use super::subject::Subject;

const SPEC: &str = r#"nodes: [{id: think, type: agent, config: {model: m, prompt: p, patch: {allow: [noop]}}}, {id: act, type: transform, config: {value: "${ nodes.think.output.plan }"}}],
    edges: [{from: think, to: act}]"#;

fn insert() -> Value {
    json!([
        {"op": "remove", "path": "/edges/think->act"},
        {"op": "add", "path": "/nodes/-", "value": {"id": "look", "type": "noop"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "think", "to": "look"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "look", "to": "act"}}
    ])
}

fn answer(subject: &Subject, result: Answer) -> Input {
    let task = subject.task("think");
    Input::Settled { instance: task.instance, fence: task.fence, result }
}

fn output() -> Answer {
    Answer::Output(Arc::new(json!({"plan": "x"})))
}

/// In the name of the agent, with what follows the patch.
fn ask(
    subject: &mut Subject,
    operations: Value,
    then: &[Input],
) -> Result<aob_engine::step::Step, Vec<aob_engine::issue::Issue>> {
    subject.by = "agent:think".to_owned();
    let checked = subject.check(&json!({"operations": operations}), None)?;
    let candidate = subject.candidate(&checked);
    let sim = &subject.sim;
    route::apply_patch_with(&sim.irs, &sim.state, &sim.context, &candidate, &[], then, sim.now)
        .expect("a decision")
}

#[test]
pub(crate) fn the_patch_comes_first_and_the_answer_is_routed_on_the_new_graph() {
    let mut subject = Subject::start(SPEC);
    let then = [answer(&subject, output())];
    let step = ask(&mut subject, insert(), &then).expect("it is accepted");
    let line = crate::rules::history::line(step.event.as_ref().expect("an event"));
    assert_eq!(line, "patched to revision 1; think succeeded; think->look taken; look out");
    assert_eq!(step.event.map(|event| event.by), Some("agent:think".to_owned()));
    assert_eq!(step.verdicts.len(), 2);
}

#[test]
pub(crate) fn without_the_answer_of_a_live_attempt_it_is_refused() {
    let mut subject = Subject::start(SPEC);
    let task = subject.task("think");
    let with = |fence, result| Input::Settled { instance: "think".to_owned(), fence, result };
    let failed = Answer::Error { error: NodeError::new("x", "y"), retryable: false };
    let other = Fence(task.fence.0, task.fence.1 + 1);
    for (then, message) in [
        (vec![], "`think` patches without the answer of its attempt"),
        (vec![with(task.fence, failed)], "the attempt of `think` failed, and leaves no patch"),
        (vec![with(other, output())], "the attempt of `think` is no longer the current one"),
    ] {
        let (rule, _, told) = first(ask(&mut subject, insert(), &then));
        assert_eq!((rule, &*told), ("PATCH_FENCE", message));
    }
    let late = answer(&subject, output());
    subject.gives("think", json!({"plan": "x"}));
    assert_eq!(first(ask(&mut subject, insert(), &[late])).0, "PATCH_FENCE");
}

/// What its answer makes of the new graph counts too.
#[test]
pub(crate) fn a_patch_that_fails_the_run_with_the_answer_is_refused_and_the_answer_still_counts() {
    let mut subject = Subject::start(SPEC);
    let then = [answer(&subject, output())];
    let operations = json!([
        {"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": "noop"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "think", "to": "x", "when": "nodes.think.output.nothing > 1"}}
    ]);
    assert_eq!(first(ask(&mut subject, operations, &then)).0, "PATCH_FAILS");
    subject.gives("think", json!({"plan": "x"}));
    assert_eq!(subject.out(), ["act"]);
}

fn agent(id: &str) -> Value {
    json!({"op": "add", "path": "/nodes/-", "value": {"id": id, "type": "agent", "config": {"model": "m", "prompt": "p"}}})
}

/// The default is five; one that is gone counts on, one that comes back does not count again.
#[test]
pub(crate) fn agents_are_counted_over_the_run() {
    let mut subject = Subject::start("nodes: [{id: a, type: noop}]");
    subject
        .patch(json!([agent("p"), agent("q"), agent("r"), agent("s")]))
        .expect("four are accepted");
    subject.undo("patch_1").expect("it is accepted");
    let gone: Vec<&str> = subject.sim.state.head.agents_gone.iter().map(|id| &**id).collect();
    assert_eq!(gone, ["p", "q", "r", "s"]);
    let (rule, _, told) = first(subject.patch(json!([agent("t"), agent("u")])));
    assert_eq!(
        (rule, &*told),
        ("PATCH_LIMIT", "the run would have had 6 agents; at most 5 are allowed")
    );
    subject.patch(json!([agent("t")])).expect("a fifth is accepted");
    subject.undo("patch_2").expect("the four come back");
    assert!(subject.sim.state.head.agents_gone.is_empty());
    assert_eq!(first(subject.patch(json!([agent("u")]))).0, "LIMIT", "six at once");
}
