//! Child runs: started in the same commit, answered like an attempt.

use std::sync::Arc;

use aob_engine::event::Settled;
use aob_engine::state::{CancelMode, Fence, NodeError, Parent};
use aob_engine::step::{Answer, Input, Reply, StartRequest, Verdict};
use serde_json::json;

use super::run::{Run, broken, cancel, request};

const SPEC: &str = r#"nodes: [{id: a, type: noop}, {id: child, type: workflow, config: {name: other, tag: main, input: {row: "${ nodes.a.output }"}}}, {id: next, type: noop}],
    edges: [{from: a, to: child}, {from: child, to: next}]"#;

fn answered(run: &Run, result: Answer) -> Input {
    let child = run.sim.children.last().expect("a child");
    Input::Settled {
        instance: child.parent.instance.to_string(),
        fence: child.parent.fence,
        result,
    }
}

#[test]
fn a_child_is_started_with_its_input_and_where_its_answer_goes() {
    let mut run = Run::start(SPEC);
    run.gives("a", json!(7));
    assert_eq!(run.told()[1..], ["a succeeded; a->child taken; child has a child"]);
    let child = &run.sim.children[0];
    assert_eq!(
        (child.name.as_str(), child.version.as_deref(), child.depth),
        ("other", Some("main"), 1)
    );
    assert_eq!(*child.input, json!({"row": 7}));
    assert_eq!(
        child.parent,
        Parent {
            run: run.sim.state.head.run.clone(),
            instance: "child".into(),
            fence: Fence(7, 2)
        }
    );
}

#[test]
fn its_answer_settles_the_node_once() {
    let mut run = Run::start(SPEC);
    run.gives("a", json!(7));
    let input = answered(&run, Answer::Output(Arc::new(json!({"sum": 1}))));
    assert_eq!(run.sim.take(std::slice::from_ref(&input)), [Verdict::Applied]);
    assert_eq!(run.told()[2..], ["child succeeded; child->next taken; next out"]);
    assert_eq!(run.value("child"), Some(&json!({"sum": 1})));
    assert_eq!(run.sim.take(std::slice::from_ref(&input)), [Verdict::Same]);
    assert_eq!(run.sim.take(&[answered(&run, broken())]), [Verdict::Conflicting]);
}

#[test]
fn its_failure_is_the_node_s_failure() {
    let mut run = Run::start(SPEC);
    run.gives("a", json!(7));
    let input = answered(&run, broken());
    run.sim.take(&[input]);
    assert_eq!(
        run.told()[2..],
        [
            "child failed: broken; failing; child->next dead; next skipped by dead path; ended failed"
        ]
    );
}

#[test]
fn a_paused_child_that_is_retried_is_another_run() {
    let mut run =
        Run::start("nodes: [{id: child, type: workflow, onError: pause, config: {name: other}}]");
    let first = run.sim.children[0].clone();
    let input = answered(&run, broken());
    run.sim.take(std::slice::from_ref(&input));
    run.decide("child", Reply::Retry);
    let second = run.sim.children[1].clone();
    assert_ne!(first.run, second.run);
    assert_eq!(run.sim.take(&[input]), [Verdict::Superseded], "the first one's answer comes again");
    let input = answered(&run, Answer::Output(Arc::new(json!(2))));
    run.sim.take(&[input]);
    assert_eq!(
        run.told()[1..],
        [
            "child asks failure",
            "child answered retry; child ready; child has a child",
            "child succeeded; ended succeeded"
        ]
    );
}

#[test]
fn child_runs_nest_at_most_five_deep() {
    let spec = "nodes: [{id: child, type: workflow, config: {name: test}}]";
    for depth in 0..=5 {
        let mut run = Run::asked(spec, &StartRequest { depth, ..request(json!({})) });
        if depth < 5 {
            assert_eq!(run.told(), ["started; child has a child"]);
            assert_eq!(run.sim.children[0].depth, depth + 1);
        } else {
            assert_eq!(run.told(), ["started; child failed: depth; failing; ended failed"]);
        }
    }
}

/// How a child looks from inside: it answers whoever waits for it, whatever becomes of it.
#[test]
fn the_end_of_a_run_answers_whoever_waits_for_it() {
    let parent =
        Parent { run: "run_parent".into(), instance: "each[0]/child".into(), fence: Fence(7, 9) };
    let asked = StartRequest { parent: Some(parent.clone()), depth: 1, ..request(json!({})) };
    let start =
        || Run::asked(r#"output: "${ nodes.a.output }", nodes: [{id: a, type: noop}]"#, &asked);
    let run = start();
    let task = run.task("a");
    let settled =
        |result: Answer| Input::Settled { instance: "a".to_owned(), fence: task.fence, result };
    let step = run.step(&[settled(Answer::Output(Arc::new(json!(3))))]);
    assert_eq!(step.effects.answer, Some((parent, Answer::Output(Arc::new(json!(3))))));
    for (input, code) in
        [(settled(broken()), "child_failed"), (cancel(CancelMode::Now, &[]), "child_cancelled")]
    {
        let answer = start().step(&[input]).effects.answer.expect("an answer");
        let Answer::Error { error, retryable: false } = answer.1 else { panic!("{answer:?}") };
        assert_eq!(error.code, code);
    }
    let step = run.step(&[]);
    assert!(step.event.is_none() && step.effects.answer.is_none());
}

#[test]
fn a_child_without_an_output_answers_null() {
    let parent = Parent { run: "run_parent".into(), instance: "child".into(), fence: Fence(7, 9) };
    let asked = StartRequest { parent: Some(parent), depth: 1, ..request(json!({})) };
    let run = Run::asked("nodes: [{id: a, type: noop}]", &asked);
    let task = run.task("a");
    let input = Input::Settled {
        instance: "a".to_owned(),
        fence: task.fence,
        result: Answer::Output(Arc::new(json!(3))),
    };
    let answer = run.step(&[input]).effects.answer.map(|(_, answer)| answer);
    assert_eq!(answer, Some(Answer::Output(Arc::new(json!(null)))));
}

#[test]
fn a_child_that_is_under_way_finishes_in_a_drain() {
    let mut run = Run::start(
        "nodes: [{id: bad, type: noop}, {id: child, type: workflow, config: {name: other}}, {id: next, type: noop}],
         edges: [{from: child, to: next}]",
    );
    run.breaks("bad");
    assert_eq!(run.outcome(), None);
    let input = answered(&run, Answer::Output(Arc::new(json!(1))));
    run.sim.take(&[input]);
    assert_eq!(
        run.told()[1..],
        [
            "bad failed: broken; failing; next cancelled by drain",
            "child succeeded; child->next absorbed; ended failed",
        ]
    );
    assert!(run.changes().any(|change| {
        matches!(change, aob_engine::event::Change::Settled { at, outcome: Settled::Succeeded, .. } if at == "child")
    }));
}

/// A child that the tenant's tier does not take is asked for again, under another fence, until it is.
#[test]
fn a_child_that_is_not_taken_is_asked_for_again() {
    let mut run = Run::start(SPEC);
    run.gives("a", json!(7));
    let deferred = |run: &Run| {
        let parent = run.sim.children.last().expect("a child").parent.clone();
        Input::Deferred {
            instance: parent.instance.to_string(),
            fence: parent.fence,
            due: run.sim.now.time + 9_000,
            error: NodeError::new("tier_limit", "later"),
        }
    };
    for again in 1..=3 {
        let first = deferred(&run);
        assert_eq!(run.sim.take(std::slice::from_ref(&first)), [Verdict::Applied]);
        assert_eq!(run.sim.take(&[first]), [Verdict::Superseded], "its signal came twice");
        assert_eq!(run.state("child"), "backoff");
        run.time("child");
        assert_eq!(run.sim.children.len(), again + 1, "another child");
    }
    assert_eq!(run.told()[2..4], ["child backs off", "child ready; child has a child"]);
    let input = answered(&run, Answer::Output(Arc::new(json!(1))));
    assert_eq!(run.sim.take(&[input]), [Verdict::Applied]);
    run.finish();
    assert_eq!(run.outcome(), Some("succeeded"));
}

/// While the run fails nothing new begins: what was not taken has failed.
#[test]
fn a_child_that_is_not_taken_while_the_run_fails_fails() {
    let mut run = Run::start(
        "nodes: [{id: child, type: workflow, config: {name: other}}, {id: bad, type: noop}, {id: slow, type: noop}]",
    );
    run.breaks("bad");
    let parent = run.sim.children[0].parent.clone();
    let error = NodeError::new("tier_limit", "later");
    let (instance, fence, due) = (parent.instance.to_string(), parent.fence, 1);
    assert_eq!(
        run.sim.take(&[Input::Deferred { instance, fence, due, error }]),
        [Verdict::Applied]
    );
    assert_eq!(run.code("child").as_deref(), Some("tier_limit"));
}
