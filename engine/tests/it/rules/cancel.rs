//! Rule 12: ending a run early, holding it, and its duration.

use std::sync::Arc;

use aob_engine::catalogue;
use aob_engine::state::CancelMode;
use aob_engine::step::{Answer, Due, Input, Verdict};
use serde_json::json;

use super::run::{Run, cancel};

const SPEC: &str = r#"nodes: [{id: claimed, type: noop}, {id: unclaimed, type: noop}, {id: next, type: noop}, {id: gate, type: approval, config: {title: "?"}},
    {id: wait, type: delay, config: {for: 1h}}, {id: back, type: noop, retry: {attempts: 3}},
    {id: each, type: foreach, config: {items: [1, 2], concurrency: 1}}, {id: work, type: noop, within: each},
    {id: tell, type: noop, within: finally}],
    edges: [{from: claimed, to: next}]"#;

#[test]
fn graceful_cancels_what_nobody_has_claimed() {
    let mut run = Run::start(SPEC);
    run.stumbles("back");
    run.told();
    let (a, b) = (run.task("unclaimed").cell, run.task("each[0]/work").cell);
    let step = run.step(&[cancel(CancelMode::Graceful, &["claimed"])]);
    assert_eq!(
        step.effects.recall,
        [a, b],
        "they are taken back only if nobody claims them meanwhile"
    );
    assert_eq!(step.effects.ack, Vec::<u32>::new());
    assert_eq!(run.cancel(CancelMode::Graceful, &["claimed"]), Verdict::Applied);
    assert_eq!(
        run.told(),
        [
            "cancel gracefully; back cancelled by cancel; gate cancelled by cancel; next cancelled by cancel; \
          unclaimed cancelled by cancel; wait cancelled by cancel; each[0]/work cancelled by cancel; each[0] cancelled; \
          each cancelled by drain"
        ]
    );
    assert_eq!(run.out(), ["claimed"]);
    run.ok("claimed");
    assert_eq!(
        run.told(),
        ["claimed succeeded; claimed->next absorbed; finally after cancelled; finally/tell out"]
    );
    run.ok("finally/tell");
    assert_eq!((run.outcome(), run.failure()), (Some("cancelled"), None));
}

#[test]
fn claimed_attempts_have_thirty_seconds() {
    let mut run = Run::start(SPEC);
    run.cancel(CancelMode::Graceful, &["claimed", "each[0]/work"]);
    run.told();
    let (_, due) =
        run.sim.timers.iter().find(|(timer, _)| timer.what == Due::Grace).expect("a grace");
    assert_eq!(due - run.sim.now.time, 30_000);
    let task = run.task("claimed");
    run.run_time(Due::Grace);
    assert_eq!(
        run.told(),
        [
            "claimed cancelled by cancel; claimed->next dead; each[0]/work cancelled by cancel; each[0] cancelled; \
          each cancelled by cancel; finally after cancelled; finally/tell out"
        ]
    );
    assert_eq!(run.sim.complete(&task, Answer::Output(Arc::new(json!(1)))), Verdict::Superseded);
}

#[test]
fn a_claimed_attempt_that_fails_is_not_retried() {
    let mut run =
        Run::start("nodes: [{id: a, type: noop, retry: {attempts: 3}}, {id: b, type: noop}]");
    run.cancel(CancelMode::Graceful, &["a", "b"]);
    run.stumbles("a");
    run.lost("b", false);
    assert_eq!(
        run.told()[1..],
        [
            "cancel gracefully",
            "a failed: flaky; failing",
            "b failed: lost; failing; ended cancelled"
        ]
    );
}

#[test]
fn a_second_cancel_is_the_same_and_now_goes_further() {
    let mut run = Run::start(SPEC);
    run.cancel(CancelMode::Graceful, &["claimed"]);
    assert_eq!(run.cancel(CancelMode::Graceful, &["claimed"]), Verdict::Same);
    run.told();
    assert_eq!(run.cancel(CancelMode::Now, &[]), Verdict::Applied);
    assert_eq!(
        run.told(),
        ["cancel now; claimed cancelled by cancel; claimed->next dead; ended cancelled"]
    );
    assert_eq!(run.cancel(CancelMode::Now, &[]), Verdict::Ended);
}

#[test]
fn now_settles_everything_in_one_commit_without_finally() {
    let mut run = Run::start(SPEC);
    let task = run.task("claimed");
    assert_eq!(run.cancel(CancelMode::Now, &[]), Verdict::Applied);
    assert_eq!(
        run.told()[1..],
        [
            "cancel now; back cancelled by cancel; claimed cancelled by cancel; claimed->next dead; each[0]/work cancelled by cancel; \
          each[0] cancelled; each cancelled by cancel; gate cancelled by cancel; next cancelled by cancel; \
          unclaimed cancelled by cancel; wait cancelled by cancel; ended cancelled"
        ]
    );
    assert_eq!(run.sim.complete(&task, Answer::Output(Arc::new(json!(1)))), Verdict::Ended);
}

#[test]
fn what_this_very_step_gave_out_is_not_given_out() {
    for mode in [CancelMode::Now, CancelMode::Graceful] {
        let mut run = Run::start(
            "nodes: [{id: a, type: noop}, {id: b, type: noop}], edges: [{from: a, to: b}]",
        );
        let task = run.task("a");
        let settled = Input::Settled {
            instance: task.instance,
            fence: task.fence,
            result: Answer::Output(Arc::new(json!(1))),
        };
        let inputs = [settled, cancel(mode, &[])];
        let effects = run.step(&inputs).effects;
        assert_eq!(
            (effects.publish, effects.recall, effects.ack),
            (Vec::new(), Vec::new(), vec![task.cell])
        );
        run.sim.take(&inputs);
        assert_eq!(run.outcome(), Some("cancelled"));
    }
}

#[test]
fn the_exit_handler_is_stopped_only_by_now() {
    let mut run = Run::start(SPEC);
    run.cancel(CancelMode::Graceful, &[]);
    run.told();
    let mut other =
        Run::start("nodes: [{id: a, type: noop}, {id: tell, type: noop, within: finally}]");
    other.ok("a");
    let verdict = other.cancel(CancelMode::Graceful, &[]);
    assert!(
        matches!(&verdict, Verdict::Refused(entry, _) if **entry == catalogue::BAD_DECISION),
        "{verdict:?}"
    );
    assert_eq!(run.cancel(CancelMode::Now, &[]), Verdict::Applied);
    assert_eq!(run.told(), ["cancel now; finally/tell cancelled by cancel; ended cancelled"]);
    assert_eq!(other.cancel(CancelMode::Now, &[]), Verdict::Applied);
    assert_eq!(
        other.told()[2..],
        ["cancel now; finally/tell cancelled by cancel; ended cancelled"],
        "a success whose exit handler was cut short is none"
    );
    let mut failed =
        Run::start("nodes: [{id: a, type: noop}, {id: tell, type: noop, within: finally}]");
    failed.breaks("a");
    failed.cancel(CancelMode::Now, &[]);
    assert_eq!(failed.outcome(), Some("failed"), "a failure stays one");
}

#[test]
fn child_runs_follow() {
    let spec = "nodes: [{id: child, type: workflow, config: {name: other}}]";
    for mode in [CancelMode::Graceful, CancelMode::Now] {
        let run = Run::start(spec);
        let step = run.step(&[cancel(mode, &[])]);
        assert_eq!(step.effects.cancel, [(run.sim.children[0].run.clone(), mode)]);
    }
    let mut run = Run::start(spec);
    run.cancel(CancelMode::Graceful, &[]);
    assert_eq!(run.outcome(), None, "its answer is waited for, within the grace");
    let fence = run.sim.children[0].parent.fence;
    run.sim.take(&[Input::Settled {
        instance: "child".to_owned(),
        fence,
        result: super::run::broken(),
    }]);
    assert_eq!(run.outcome(), Some("cancelled"));
    let mut run = Run::start(spec);
    run.cancel(CancelMode::Graceful, &[]);
    let (timer, _) =
        run.sim.timers.iter().find(|(timer, _)| timer.what == Due::Grace).expect("a grace");
    let step = run.step(&[Input::Timer(timer.clone())]);
    assert_eq!(step.effects.cancel, [(run.sim.children[0].run.clone(), CancelMode::Now)]);
    run.run_time(Due::Grace);
    assert_eq!(run.outcome(), Some("cancelled"));
}

#[test]
fn suspended_nothing_is_published_results_count_and_deadlines_run_on() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: child, type: workflow, config: {name: other}},
                {id: gate, type: approval, config: {title: "?", deadline: 1h}}, {id: late, type: noop}, {id: back, type: noop, retry: {attempts: 2}}],
        edges: [{from: a, to: b}, {from: a, to: child}, {from: gate, to: late, after: failure}]"#,
    );
    run.stumbles("back");
    assert_eq!(run.suspend(true), Verdict::Applied);
    assert_eq!(run.suspend(true), Verdict::Same);
    run.ok("a");
    run.time("gate");
    run.time("back");
    assert_eq!(
        run.told()[2..],
        [
            "suspended",
            "a succeeded; a->b taken; a->child taken; b ready; child ready",
            "gate failed: deadline; gate->late:failure taken; late ready",
            "back ready",
        ]
    );
    assert_eq!((run.out(), run.sim.state.status()), (Vec::new(), "suspended"));
    assert_eq!(run.suspend(false), Verdict::Applied);
    assert_eq!(
        run.told(),
        ["resumed; back out #2; b out; child has a child; late out"].map(|line| {
            // In the order of the graph.
            line.replace("back out #2; b out", "b out; back out #2")
        })
    );
}

/// Whoever cancels a suspended run wants it to end, its exit handler included.
#[test]
fn a_cancel_resumes() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop}, {id: tell, type: noop, within: finally}], limits: {duration: 1h}",
    );
    run.suspend(true);
    run.cancel(CancelMode::Graceful, &[]);
    run.ok("finally/tell");
    assert_eq!(
        run.told()[2..],
        [
            "resumed; cancel gracefully; a cancelled by cancel; finally after cancelled; finally/tell out",
            "finally/tell succeeded; ended cancelled",
        ]
    );
    let mut run = Run::start(
        "nodes: [{id: wait, type: delay, config: {for: 2h}}, {id: tell, type: noop, within: finally}], limits: {duration: 1h}",
    );
    run.suspend(true);
    run.run_time(Due::Duration);
    assert_eq!(run.out(), ["finally/tell"]);
}

#[test]
fn a_duration_reached_is_a_graceful_cancel_with_outcome_failed() {
    let mut run = Run::start(
        r#"limits: {duration: 1h}, nodes: [{id: a, type: noop}, {id: next, type: noop}, {id: gate, type: approval, config: {title: "?"}}],
        edges: [{from: a, to: next}]"#,
    );
    let (_, due) =
        run.sim.timers.iter().find(|(timer, _)| timer.what == Due::Duration).expect("a duration");
    assert_eq!(*due, run.sim.state.head.started + 3_600_000);
    run.run_time(Due::Duration);
    assert_eq!(
        run.told()[1..],
        ["failing; cancel gracefully; gate cancelled by cancel; next cancelled by cancel"]
    );
    run.run_time(Due::Grace);
    assert_eq!(run.told(), ["a cancelled by cancel; a->next dead; ended failed"]);
    assert_eq!(run.failure().map(|(code, _)| code), Some("duration".to_owned()));
}

/// With what workers hold it spares no more than a cancel does.
#[test]
fn a_duration_reached_takes_back_what_nobody_has_claimed() {
    let mut run = Run::start(
        "limits: {duration: 1h}, nodes: [{id: held, type: noop}, {id: open, type: noop}]",
    );
    let cell = run.task("open").cell;
    let overdue = [Input::Overdue { claimed: vec!["held".to_owned()] }];
    assert_eq!(run.step(&overdue).effects.recall, [cell]);
    assert_eq!(run.sim.take(&overdue), [Verdict::Applied]);
    assert_eq!(run.told()[1..], ["failing; cancel gracefully; open cancelled by cancel"]);
    run.ok("held");
    assert_eq!(run.outcome(), Some("failed"));
    assert_eq!(run.sim.take(&overdue), [Verdict::Ended]);
}

#[test]
fn the_duration_does_not_end_the_exit_handler() {
    let mut run = Run::start(
        "limits: {duration: 1h}, nodes: [{id: a, type: noop}, {id: tell, type: noop, within: finally}]",
    );
    run.ok("a");
    let timer =
        run.sim.timers.keys().find(|timer| timer.what == Due::Duration).expect("it is set").clone();
    assert_eq!(run.sim.take(&[Input::Timer(timer)]), [Verdict::Superseded]);
    run.ok("finally/tell");
    assert_eq!(run.outcome(), Some("succeeded"));
}
