//! Rule 9: attempts, their timeouts, and those that are lost.

use std::sync::Arc;

use aob_engine::event::Change;
use aob_engine::state::CancelMode;
use aob_engine::step::{Answer, Input, Reply, Verdict};
use serde_json::json;

use super::run::{Run, broken, decision, flaky, refused};

#[test]
fn a_leaf_s_timeout_goes_with_each_attempt() {
    let run = Run::start("nodes: [{id: a, type: noop, timeout: 30s}, {id: b, type: noop}]");
    assert_eq!((run.task("a").timeout, run.task("b").timeout), (Some(30_000), None));
    assert!(
        run.sim.timers.keys().all(|timer| timer.instance.is_empty()),
        "the worker measures it, from its claim"
    );
}

#[test]
fn a_container_s_timeout_is_from_begin_to_settle_and_cancels_its_insides() {
    let mut run = Run::start(
        r#"nodes: [{id: each, type: foreach, timeout: 1m, config: {items: [1]}}, {id: work, type: noop, within: each}, {id: later, type: noop, within: each},
                {id: inner, type: loop, within: each, config: {until: "true"}}, {id: gate, type: approval, within: inner, config: {title: "?"}}],
        edges: [{from: work, to: later}]"#,
    );
    assert_eq!(run.waits("each"), 60_000);
    run.time("each");
    assert_eq!(
        run.told()[1..],
        [
            "each[0]/inner[0]/gate cancelled by timer; each[0]/inner[0] cancelled; each[0]/inner cancelled by timer; \
          each[0]/later cancelled by timer; each[0]/work cancelled by timer; each[0]:work->later dead; each[0] cancelled; \
          each failed: timeout; failing; ended failed"
        ]
    );
}

#[test]
fn a_container_that_is_done_in_time_is_not_timed_out() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, timeout: 1m, config: {items: [1]}}, {id: work, type: noop, within: each}, {id: next, type: noop}],
         edges: [{from: each, to: next}]",
    );
    run.ok("each[0]/work");
    assert!(run.sim.timers.keys().all(|timer| timer.instance.is_empty()));
}

/// It begins and settles in one step: no timer is left behind.
#[test]
fn an_empty_foreach_with_a_timeout_arms_nothing() {
    let run = Run::start(
        "nodes: [{id: a, type: noop}, {id: each, type: foreach, timeout: 1m, config: {items: []}}, {id: work, type: noop, within: each}],
         edges: [{from: a, to: each}]",
    );
    let task = run.task("a");
    let input = Input::Settled {
        instance: task.instance,
        fence: task.fence,
        result: Answer::Output(Arc::new(json!(1))),
    };
    let effects = run.step(&[input]).effects;
    assert_eq!(effects.arm, []);
}

#[test]
fn a_container_that_pauses_keeps_no_timeout() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, timeout: 1m, onError: pause, config: {items: [1]}}, {id: work, type: noop, within: each}]",
    );
    run.breaks("each[0]/work");
    assert_eq!(run.state("each"), "waiting");
    assert!(run.sim.timers.keys().all(|timer| timer.instance.is_empty()), "{:?}", run.sim.timers);
}

#[test]
fn a_gate_s_timeout_is_from_begin_to_settle() {
    let mut run = Run::start(
        r#"nodes: [{id: gate, type: approval, timeout: 1m, config: {title: "?", deadline: 1h}}]"#,
    );
    assert_eq!(run.waits("gate"), 60_000, "the shorter one");
    run.time("gate");
    assert_eq!(run.told()[1..], ["gate failed: deadline; failing; ended failed"]);
}

#[test]
fn a_child_s_timeout_cancels_the_child() {
    let mut run =
        Run::start("nodes: [{id: child, type: workflow, timeout: 1m, config: {name: other}}]");
    let (timer, _) =
        run.sim.timers.iter().find(|(timer, _)| timer.instance == "child").expect("a timeout");
    let step = run.step(&[Input::Timer(timer.clone())]);
    assert_eq!(step.effects.cancel, [(run.sim.children[0].run.clone(), CancelMode::Now)]);
    run.time("child");
    assert_eq!(run.told()[1..], ["child failed: timeout; failing; ended failed"]);
}

#[test]
fn what_has_no_attempts_is_not_retried() {
    for node in [
        r#"{id: a, type: approval, config: {title: "?"}, retry: {attempts: 2}}"#,
        "{id: a, type: workflow, config: {name: other}, retry: {attempts: 2}}",
        "{id: a, type: foreach, config: {items: []}, retry: {attempts: 2}}, {id: b, type: noop, within: a}",
        r#"{id: a, type: loop, config: {until: "true"}, retry: {attempts: 2}}, {id: b, type: noop, within: a}"#,
    ] {
        assert_eq!(refused(&format!("nodes: [{node}]")), ["RETRY_ON_CONTAINER"], "{node}");
    }
}

#[test]
fn the_wait_between_attempts_grows_up_to_its_most() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop, retry: {attempts: 5, backoff: 1s, factor: 3, maxBackoff: 5s}}]",
    );
    for wait in [1_000, 3_000, 5_000, 5_000] {
        run.stumbles("a");
        assert_eq!(run.waits("a"), wait);
        run.time("a");
    }
    run.stumbles("a");
    assert_eq!(
        run.told()[1..],
        [
            "a backs off",
            "a ready; a out #2",
            "a backs off",
            "a ready; a out #3",
            "a backs off",
            "a ready; a out #4",
            "a backs off",
            "a ready; a out #5",
            "a failed: flaky; failing; ended failed",
        ]
    );
}

#[test]
fn what_no_attempt_can_mend_is_not_tried_again() {
    let mut run = Run::start("nodes: [{id: a, type: noop, retry: {attempts: 5}}]");
    run.breaks("a");
    assert_eq!(run.told()[1..], ["a failed: broken; failing; ended failed"]);
}

#[test]
fn a_lost_lease_does_not_use_up_an_attempt() {
    let mut run = Run::start("nodes: [{id: a, type: noop, retry: {attempts: 2, backoff: 1s}}]");
    run.lost("a", true);
    run.stumbles("a");
    run.time("a");
    run.ok("a");
    assert_eq!(
        run.told()[1..],
        ["a lost; a out #2", "a backs off", "a ready; a out #3", "a succeeded; ended succeeded"]
    );
}

#[test]
fn at_most_three_losses_per_instance() {
    let mut run = Run::start("nodes: [{id: a, type: noop, retry: {attempts: 9}}]");
    for attempt in 2..=4 {
        run.lost("a", true);
        assert_eq!(run.told().pop(), Some(format!("a lost; a out #{attempt}")));
    }
    run.lost("a", false);
    assert_eq!(run.told(), ["a failed: lost; failing; ended failed"]);
}

/// A worker that stops in order hands back what it holds, as often as it is restarted.
#[test]
fn what_is_handed_back_is_no_loss() {
    let mut run = Run::start("nodes: [{id: a, type: noop, retry: {attempts: 2, backoff: 1s}}]");
    for attempt in 2..=9 {
        let task = run.task("a");
        run.hands_back("a", true);
        assert_eq!(run.told().pop(), Some(format!("a handed back; a out #{attempt}")));
        let answer = Answer::Output(Arc::new(json!(1)));
        assert_eq!(run.sim.complete(&task, answer), Verdict::Superseded, "the old fence is closed");
    }
    run.lost("a", true);
    run.ok("a");
    assert_eq!(run.outcome(), Some("succeeded"));
    let mut run = Run::start("nodes: [{id: a, type: noop, effect: once}]");
    run.hands_back("a", true);
    assert_eq!(run.told().pop(), Some("a asks unknown".to_owned()), "it may have had its effect");
}

#[test]
fn a_new_attempt_has_a_new_fence_and_the_old_one_counts_no_more() {
    for effect in ["pure", "idempotent"] {
        let mut run = Run::start(&format!("nodes: [{{id: a, type: noop, effect: {effect}}}]"));
        let first = run.task("a");
        run.lost("a", true);
        let second = run.task("a");
        assert!(second.fence > first.fence && second.attempt == 2);
        assert_eq!(
            run.sim.complete(&first, Answer::Output(Arc::new(json!(1)))),
            Verdict::Superseded
        );
        assert_eq!(run.sim.complete(&second, Answer::Output(Arc::new(json!(2)))), Verdict::Applied);
        assert_eq!(run.value("a"), Some(&json!(2)));
    }
}

#[test]
fn a_once_task_says_so_and_is_published_again_if_it_had_not_begun() {
    let mut run = Run::start("nodes: [{id: a, type: noop, effect: once}, {id: b, type: noop}]");
    assert!(run.task("a").once && !run.task("b").once);
    run.lost("a", false);
    assert_eq!(run.told()[1..], ["a lost; a out #2"]);
}

#[test]
fn a_lost_once_attempt_that_had_begun_asks_a_person() {
    for (reply, then) in [
        (Reply::Retry, "odd answered retry; odd ready; odd out #2"),
        (Reply::Settle(Arc::new(json!(1))), "odd answered settle; odd succeeded; ended succeeded"),
        (Reply::Fail, "odd answered fail; odd failed: unknown_outcome; failing; ended failed"),
    ] {
        let mut run =
            Run::start("nodes: [{id: odd, type: noop, effect: once, retry: {attempts: 9}}]");
        run.lost("odd", true);
        run.decide("odd", reply);
        assert_eq!(run.told()[1..], ["odd asks unknown", then]);
    }
}

fn unknown(spec: &str) -> (Run, Input, String) {
    let mut run = Run::start(spec);
    let task = run.task("odd");
    run.lost("odd", true);
    let ticket = run.ticket("odd");
    run.told();
    (run, Input::Settled { instance: task.instance, fence: task.fence, result: flaky() }, ticket)
}

fn with(input: &Input, result: Answer) -> Input {
    match input {
        Input::Settled { instance, fence, .. } => {
            Input::Settled { instance: instance.clone(), fence: *fence, result }
        }
        other => other.clone(),
    }
}

#[test]
fn a_late_completion_settles_what_was_unknown_and_closes_the_ticket() {
    let (mut run, input, ticket) = unknown("nodes: [{id: odd, type: noop, effect: once}]");
    let input = with(&input, Answer::Output(Arc::new(json!("late"))));
    assert_eq!(run.step(std::slice::from_ref(&input)).effects.close, [ticket.as_str().into()]);
    assert_eq!(run.sim.take(std::slice::from_ref(&input)), [Verdict::Applied]);
    assert_eq!(run.told(), ["odd succeeded; ended succeeded"]);
    assert!(
        run.changes().any(|change| matches!(change, Change::Settled { attempt: 1, .. })),
        "by its first attempt"
    );
    assert_eq!(run.decided(decision("odd", Reply::Retry)), Verdict::Ended);
}

#[test]
fn a_late_failure_is_retried_like_any_other_and_closes_the_ticket() {
    let (mut run, input, ticket) =
        unknown("nodes: [{id: odd, type: noop, effect: once, retry: {attempts: 2, backoff: 1s}}]");
    assert_eq!(run.step(std::slice::from_ref(&input)).effects.close, [ticket.as_str().into()]);
    assert_eq!(run.sim.take(std::slice::from_ref(&input)), [Verdict::Applied]);
    assert_eq!(
        run.decided(decision("odd", Reply::Retry)),
        Verdict::Unknown,
        "nothing is asked any more"
    );
    run.time("odd");
    run.stumbles("odd");
    assert_eq!(
        run.told(),
        ["odd backs off", "odd ready; odd out #2", "odd failed: flaky; failing; ended failed"]
    );
}

#[test]
fn a_late_failure_that_pauses_asks_the_other_question() {
    let (mut run, input, ticket) =
        unknown("nodes: [{id: odd, type: noop, effect: once, onError: pause}]");
    let input = with(&input, broken());
    assert_eq!(run.step(std::slice::from_ref(&input)).effects.close, [ticket.as_str().into()]);
    assert_eq!(run.sim.take(&[input]), [Verdict::Applied]);
    assert_eq!(run.told(), ["odd asks failure"]);
    assert_ne!(run.ticket("odd"), ticket);
    run.decide("odd", Reply::Retry);
    run.ok("odd");
    assert_eq!(
        run.told(),
        ["odd answered retry; odd ready; odd out #2", "odd succeeded; ended succeeded"]
    );
}

#[test]
fn after_the_answer_retry_a_late_completion_counts_no_more() {
    let (mut run, input, _) = unknown("nodes: [{id: odd, type: noop, effect: once}]");
    run.decide("odd", Reply::Retry);
    assert_eq!(run.sim.take(&[input]), [Verdict::Superseded]);
    assert_eq!(run.out(), ["odd"]);
}

#[test]
fn an_event_says_which_attempt_settled_it() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop, onError: pause}, {id: b, type: noop, retry: {attempts: 2, backoff: 1s}}, {id: c, type: noop}]",
    );
    run.breaks("a");
    run.decide("a", Reply::Settle(Arc::new(json!(1))));
    run.stumbles("b");
    run.time("b");
    run.ok("b");
    run.ok("c");
    let attempts: Vec<(String, u32)> = run
        .changes()
        .filter_map(|change| match change {
            Change::Settled { at, attempt, .. } => Some((at.clone(), *attempt)),
            _ => None,
        })
        .collect();
    assert_eq!(attempts, [("a".to_owned(), 1), ("b".to_owned(), 2), ("c".to_owned(), 1)]);
}
