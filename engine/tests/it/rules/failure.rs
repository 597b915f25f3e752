//! Rule 6: handled, or `onError` decides.

use std::sync::Arc;

use aob_engine::step::Reply;
use serde_json::json;

use super::run::Run;

#[test]
fn a_failure_is_handled_if_an_edge_was_taken() {
    for after in ["failure", "always"] {
        let mut run = Run::start(&format!(
            "nodes: [{{id: a, type: noop}}, {{id: h, type: noop}}], edges: [{{from: a, to: h, after: {after}}}]"
        ));
        run.breaks("a");
        run.ok("h");
        assert_eq!(
            run.told()[1..],
            [
                format!("a failed: broken; a->h:{after} taken; h out"),
                "h succeeded; ended succeeded".to_owned()
            ]
        );
    }
}

/// So the outcome does not depend on who was faster.
#[test]
fn a_failure_is_handled_if_an_edge_was_absorbed() {
    let spec = "nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: h, type: noop, join: any}],
        edges: [{from: a, to: h, after: failure}, {from: b, to: h}]";
    let mut run = Run::start(spec);
    run.ok("b");
    run.breaks("a");
    run.ok("h");
    assert_eq!(
        run.told()[1..],
        [
            "b succeeded; b->h taken; h out",
            "a failed: broken; a->h:failure absorbed",
            "h succeeded; ended succeeded"
        ]
    );
    let mut run = Run::start(spec);
    run.breaks("a");
    run.finish();
    assert_eq!(run.outcome(), Some("succeeded"));
}

#[test]
fn unhandled_it_fails_the_run() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop}, {id: h, type: noop}], edges: [{from: a, to: h, after: failure, when: "false"}]"#,
    );
    run.breaks("a");
    assert_eq!(
        run.told()[1..],
        ["a failed: broken; failing; a->h:failure dead; h skipped by dead path; ended failed"]
    );
    assert_eq!(run.failure(), Some(("broken".to_owned(), "a".to_owned())));
}

#[test]
fn continue_takes_no_edge_and_the_run_may_succeed() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop, onError: continue}, {id: b, type: noop}, {id: sole, type: noop}, {id: both, type: noop}],
         edges: [{from: a, to: sole}, {from: a, to: both}, {from: b, to: both}]",
    );
    run.breaks("a");
    run.ok("b");
    run.ok("both");
    assert_eq!(
        run.told()[1..],
        [
            "a failed: broken; a->both dead; a->sole dead; sole skipped by dead path",
            "b succeeded; b->both taken; both out",
            "both succeeded; ended succeeded",
        ]
    );
}

const PAUSE: &str = "nodes: [{id: a, type: noop, onError: pause}, {id: next, type: noop}, {id: other, type: noop}, {id: after_other, type: noop}],
    edges: [{from: a, to: next}, {from: other, to: after_other}]";

#[test]
fn pause_waits_with_a_ticket_while_other_branches_go_on() {
    let mut run = Run::start(PAUSE);
    run.breaks("a");
    run.ok("other");
    run.ok("after_other");
    assert_eq!(
        run.told()[1..],
        [
            "a asks failure",
            "other succeeded; other->after_other taken; after_other out",
            "after_other succeeded"
        ]
    );
    assert_eq!((run.state("a"), run.sim.state.status()), ("waiting", "waiting"));
}

#[test]
fn a_person_retries_settles_or_lets_fail() {
    let mut run = Run::start(PAUSE);
    run.breaks("a");
    run.decide("a", Reply::Retry);
    run.ok("a");
    assert_eq!(
        run.told()[1..],
        [
            "a asks failure",
            "a answered retry; a ready; a out #2",
            "a succeeded; a->next taken; next out"
        ]
    );
    let mut run = Run::start(PAUSE);
    run.breaks("a");
    run.decide("a", Reply::Settle(Arc::new(json!({"by": "hand"}))));
    assert_eq!(run.told()[2..], ["a answered settle; a succeeded; a->next taken; next out"]);
    assert_eq!(run.value("a"), Some(&json!({"by": "hand"})));
    let mut run = Run::start(PAUSE);
    run.breaks("a");
    run.decide("a", Reply::Fail);
    assert_eq!(
        run.told()[2..],
        [
            "a answered fail; a failed: broken; failing; a->next dead; next skipped by dead path; after_other cancelled by drain"
        ]
    );
}

#[test]
fn a_handled_failure_does_not_pause() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop, onError: pause}, {id: h, type: noop}], edges: [{from: a, to: h, after: failure}]",
    );
    run.breaks("a");
    assert_eq!(run.told()[1..], ["a failed: broken; a->h:failure taken; h out"]);
}

#[test]
fn pause_comes_after_the_last_attempt() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop, onError: pause, retry: {attempts: 2, backoff: 1s}}]",
    );
    run.stumbles("a");
    run.time("a");
    run.stumbles("a");
    assert_eq!(run.told()[1..], ["a backs off", "a ready; a out #2", "a asks failure"]);
}

/// What it answered before a condition on its edges failed stays readable, but not what an earlier attempt did.
#[test]
fn an_answer_is_kept_when_a_person_lets_it_fail() {
    let spec = r#"nodes: [{id: a, type: noop, onError: pause}, {id: b, type: noop}],
        edges: [{from: a, to: b, when: "nodes.a.output.x > 1"}]"#;
    let mut run = Run::start(spec);
    run.gives("a", json!({"y": 1}));
    run.decide("a", Reply::Fail);
    assert_eq!(
        run.told()[1..],
        [
            "a asks failure",
            "a answered fail; a failed: expression; failing; a->b dead; b skipped by dead path; ended failed",
        ]
    );
    assert_eq!(run.value("a"), Some(&json!({"y": 1})));
    let mut run = Run::start(spec);
    run.gives("a", json!({"y": 1}));
    run.decide("a", Reply::Retry);
    run.breaks("a");
    run.decide("a", Reply::Fail);
    assert_eq!((run.outcome(), run.value("a")), (Some("failed"), None));
}

/// What a patch mends is judged on the answer that was kept aside.
#[test]
fn a_mended_when_reads_the_output_it_paused_on() {
    let spec = |when: &str| {
        format!(
            r#"nodes: [{{id: a, type: noop, onError: pause}}, {{id: b, type: noop}}], edges: [{{from: a, to: b, when: "nodes.a.output.{when} > 1"}}]"#
        )
    };
    let mut run = Run::start(&spec("x"));
    run.gives("a", json!({"y": 2}));
    let ir = super::run::compiled(&spec("y"), &aob_engine::check::Ceiling::default())
        .expect("it compiles");
    run.sim.patch(&candidate(ir), &[]).expect("it is accepted");
    assert_eq!(
        run.told()[1..],
        ["a asks failure", "patched to revision 1; a succeeded; a->b taken; b out"]
    );
}

/// Also when nothing is left to drain, so that the run would be over in the patch's own commit.
#[test]
fn a_patch_whose_own_commit_would_fail_the_run_is_refused() {
    let spec = |on_error: &str, other: &str| {
        format!("nodes: [{{id: a, type: noop, onError: {on_error}}}{other}]")
    };
    for other in ["", ", {id: b, type: noop}", ", {id: b, type: noop, within: finally}"] {
        let mut run = Run::start(&spec("pause", other));
        run.breaks("a");
        let ir = super::run::compiled(&spec("fail", other), &aob_engine::check::Ceiling::default())
            .expect("it compiles");
        let issues = run.sim.patch(&candidate(ir), &[]).expect_err("it is refused");
        assert_eq!(issues[0].entry.name, "PATCH_FAILS", "{other}");
        assert_eq!(run.told()[1..], ["a asks failure"], "nothing came of it");
    }
}

fn candidate(ir: aob_engine::ir::Ir) -> aob_engine::route::Candidate {
    aob_engine::route::Candidate {
        id: "patch_1".to_owned(),
        operations: "sha256:0".to_owned(),
        ir: Arc::new(ir),
        cancel: Vec::new(),
        approves: Vec::new(),
        by: "user:eve".to_owned(),
        reason: None,
        undoes: None,
        verdicts: Vec::new(),
    }
}
