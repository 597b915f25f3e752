//! Rule 7: after an unhandled failure what has not been published is cancelled, the rest finishes.

use aob_engine::step::Answer;
use serde_json::json;
use std::sync::Arc;

use super::run::Run;

#[test]
fn everything_not_published_is_cancelled_in_the_same_commit() {
    let mut run = Run::start(
        r#"nodes: [{id: bad, type: noop}, {id: work, type: noop}, {id: idle, type: noop}, {id: wait, type: delay, config: {for: 1h}},
                {id: gate, type: approval, config: {title: "?", deadline: 1h}}, {id: back, type: noop, retry: {attempts: 2}},
                {id: paused, type: noop, onError: pause}, {id: odd, type: noop, effect: once},
                {id: each, type: foreach, timeout: 1h, config: {items: [1]}}, {id: inner, type: delay, within: each, config: {for: 1h}},
                {id: tell, type: noop, within: finally}],
        edges: [{from: work, to: idle}]"#,
    );
    run.stumbles("back");
    run.breaks("paused");
    run.lost("odd", true);
    run.told();
    run.breaks("bad");
    assert_eq!(
        run.told(),
        [
            "bad failed: broken; failing; back cancelled by drain; gate cancelled by drain; idle cancelled by drain; \
          odd cancelled by drain; paused cancelled by drain; wait cancelled by drain; each[0]/inner cancelled by drain; \
          each[0] cancelled; each cancelled by drain"
        ]
    );
    assert!(
        run.sim.timers.keys().all(|timer| timer.instance.is_empty()),
        "nothing waits any more: {:?}",
        run.sim.timers
    );
    run.ok("work");
    assert_eq!(
        run.told(),
        ["work succeeded; work->idle absorbed; finally after failed; finally/tell out"]
    );
    run.ok("finally/tell");
    assert_eq!(run.told(), ["finally/tell succeeded; ended failed"]);
    assert_eq!(run.failure(), Some(("broken".to_owned(), "bad".to_owned())));
}

#[test]
fn a_nested_ticket_closes_with_the_drain() {
    let mut run = Run::start(
        r#"nodes: [{id: bad, type: noop}, {id: each, type: foreach, config: {items: [1]}},
                {id: gate, type: approval, within: each, config: {title: "?"}}]"#,
    );
    let ticket = run.ticket("each[0]/gate");
    let task = run.task("bad");
    let input = aob_engine::step::Input::Settled {
        instance: task.instance,
        fence: task.fence,
        result: super::run::broken(),
    };
    let step = run.step(&[input]);
    assert_eq!(step.effects.close, [ticket.as_str().into()]);
    run.breaks("bad");
    assert_eq!(
        run.told()[1..],
        [
            "bad failed: broken; failing; each[0]/gate cancelled by drain; each[0] cancelled; each cancelled by drain; ended failed"
        ]
    );
}

#[test]
fn ready_is_cancelled() {
    let mut run = Run::start(
        "nodes: [{id: bad, type: noop}, {id: a, type: noop}, {id: b, type: noop}], edges: [{from: a, to: b}]",
    );
    run.suspend(true);
    run.ok("a");
    run.breaks("bad");
    assert_eq!(
        run.told()[1..],
        [
            "suspended",
            "a succeeded; a->b taken; b ready",
            "bad failed: broken; failing; b cancelled by drain; ended failed"
        ]
    );
}

#[test]
fn the_failure_s_dead_paths_come_first() {
    let mut run = Run::start(
        "nodes: [{id: bad, type: noop}, {id: next, type: noop}, {id: last, type: noop}, {id: work, type: noop}, {id: idle, type: noop}],
         edges: [{from: bad, to: next}, {from: next, to: last}, {from: work, to: idle}]",
    );
    run.breaks("bad");
    assert_eq!(
        run.told()[1..],
        [
            "bad failed: broken; failing; bad->next dead; next skipped by dead path; next->last dead; last skipped by dead path; \
          idle cancelled by drain"
        ]
    );
}

#[test]
fn what_is_cancelled_is_not_rendered() {
    let mut run = Run::start(
        r#"nodes: [{id: bad, type: noop}, {id: a, type: noop}, {id: b, type: transform, config: {value: "${ input.missing }"}},
                {id: c, type: noop}],
        edges: [{from: a, to: b}, {from: bad, to: c, after: failure, when: "false"}]"#,
    );
    run.breaks("bad");
    assert_eq!(run.state("b"), "cancelled");
    run.ok("a");
    assert_eq!(run.failure(), Some(("broken".to_owned(), "bad".to_owned())));
    assert_eq!(run.code("b"), None);
}

#[test]
fn what_is_published_finishes_without_retry() {
    let spec = "nodes: [{id: bad, type: noop}, {id: work, type: noop, retry: {attempts: 3}}, {id: odd, type: noop, effect: once},
        {id: h, type: noop}], edges: [{from: work, to: h, after: failure}]";
    let mut run = Run::start(spec);
    run.breaks("bad");
    assert_eq!(run.out(), ["odd", "work"], "claimed or not");
    run.told();
    run.stumbles("work");
    run.lost("odd", true);
    assert_eq!(
        run.told(),
        [
            "work failed: flaky; work->h:failure absorbed",
            "odd failed: unknown_outcome; failing; ended failed"
        ]
    );
    let mut run = Run::start(spec);
    run.breaks("bad");
    run.lost("work", false);
    assert_eq!(run.told()[2..], ["work failed: lost; work->h:failure absorbed"]);
}

#[test]
fn an_error_that_would_pause_does_not_in_a_drain() {
    let mut run =
        Run::start("nodes: [{id: bad, type: noop}, {id: work, type: noop, onError: pause}]");
    run.breaks("bad");
    run.breaks("work");
    assert_eq!(run.told()[2..], ["work failed: broken; failing; ended failed"]);
}

#[test]
fn a_container_left_incomplete_is_cancelled_and_a_complete_one_succeeds() {
    let spec = |items: &str| {
        format!(
            "nodes: [{{id: bad, type: noop}}, {{id: each, type: foreach, config: {{items: {items}, concurrency: 1}}}},
                     {{id: work, type: noop, within: each}}, {{id: next, type: noop}}],
             edges: [{{from: each, to: next}}]"
        )
    };
    let mut run = Run::start(&spec("[1, 2]"));
    run.breaks("bad");
    run.ok("each[0]/work");
    assert_eq!(
        run.told()[2..],
        [
            "each[0]/work succeeded; each[0] succeeded; each cancelled by drain; each->next dead; ended failed"
        ]
    );
    let mut run = Run::start(&spec("[1]"));
    run.breaks("bad");
    run.ok("each[0]/work");
    assert_eq!(
        run.told()[2..],
        [
            "each[0]/work succeeded; each[0] succeeded; each succeeded; each->next absorbed; ended failed"
        ]
    );
}

#[test]
fn a_loop_between_two_rounds_is_cancelled() {
    let mut run = Run::start(
        r#"nodes: [{id: bad, type: noop}, {id: again, type: loop, config: {until: "nodes.step.output == 1"}}, {id: step, type: noop, within: again}]"#,
    );
    run.breaks("bad");
    let mut other = Run::start(
        r#"nodes: [{id: bad, type: noop}, {id: again, type: loop, config: {until: "nodes.step.output == 1"}}, {id: step, type: noop, within: again}]"#,
    );
    other.breaks("bad");
    run.gives("again[0]/step", json!(0));
    other.gives("again[0]/step", json!(1));
    assert_eq!(
        run.told()[2..],
        ["again[0]/step succeeded; again[0] succeeded; again cancelled by drain; ended failed"]
    );
    assert_eq!(
        other.told()[2..],
        ["again[0]/step succeeded; again[0] succeeded; again succeeded; ended failed"]
    );
}

#[test]
fn in_a_body_the_item_drains_and_fails() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, config: {items: [1, 2], tolerate: 1}}, {id: bad, type: noop, within: each},
                 {id: work, type: noop, within: each}, {id: later, type: noop, within: each}],
         edges: [{from: work, to: later}]",
    );
    run.breaks("each[0]/bad");
    run.ok("each[0]/work");
    assert_eq!(
        run.told()[1..],
        [
            "each[0]/bad failed: broken; failing each[0]; each[0]/later cancelled by drain",
            "each[0]/work succeeded; each[0]:work->later absorbed; each[0] failed",
        ]
    );
    run.ok("each[1]/bad");
    run.ok("each[1]/work");
    run.ok("each[1]/later");
    assert_eq!(run.outcome(), Some("succeeded"), "the other item went on");
}

#[test]
fn an_item_whose_failures_were_handled_succeeded() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, config: {items: [1]}}, {id: a, type: noop, within: each}, {id: h, type: noop, within: each}],
         edges: [{from: a, to: h, after: failure}]",
    );
    run.breaks("each[0]/a");
    run.ok("each[0]/h");
    assert_eq!(
        run.told()[1..],
        [
            "each[0]/a failed: broken; each[0]:a->h:failure taken; each[0]/h out",
            "each[0]/h succeeded; each[0] succeeded; each succeeded; ended succeeded",
        ]
    );
}

#[test]
fn beyond_tolerate_no_item_starts_live_ones_drain_and_the_foreach_fails() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, config: {items: [1, 2, 3, 4], concurrency: 3}}, {id: work, type: noop, within: each},
                 {id: slow, type: noop, within: each}],
         edges: [{from: work, to: slow}]",
    );
    run.breaks("each[0]/work");
    run.ok("each[1]/work");
    run.ok("each[2]/work");
    assert_eq!(
        run.told()[1..],
        [
            "each[0]/work failed: broken; failing each[0]; each[0]:work->slow dead; each[0]/slow skipped by dead path; \
             each[0] failed; each stops; failing each[1]; failing each[2]; each[1]/slow cancelled by drain; each[2]/slow cancelled by drain",
            "each[1]/work succeeded; each[1]:work->slow absorbed; each[1] failed",
            "each[2]/work succeeded; each[2]:work->slow absorbed; each[2] failed; each failed: broken; failing; ended failed",
        ]
    );
}

#[test]
fn tolerated_failures_let_further_items_start() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, config: {items: [1, 2, 3], concurrency: 1, tolerate: 1}}, {id: work, type: noop, within: each}]",
    );
    run.breaks("each[0]/work");
    run.ok("each[1]/work");
    run.breaks("each[2]/work");
    assert_eq!(
        run.told()[1..],
        [
            "each[0]/work failed: broken; failing each[0]; each[0] failed; each[1] begins; each[1]/work out",
            "each[1]/work succeeded; each[1] succeeded; each[2] begins; each[2]/work out",
            "each[2]/work failed: broken; failing each[2]; each[2] failed; each stops; each failed: broken; failing; ended failed",
        ]
    );
    assert_eq!(run.failure(), Some(("broken".to_owned(), "each[2]/work".to_owned())));
}

#[test]
fn a_failed_round_fails_the_loop() {
    let mut run = Run::start(
        r#"nodes: [{id: again, type: loop, config: {until: "false"}}, {id: step, type: noop, within: again}]"#,
    );
    run.ok("again[0]/step");
    run.breaks("again[1]/step");
    assert_eq!(
        run.told()[2..],
        [
            "again[1]/step failed: broken; failing again[1]; again[1] failed; again stops; again failed: broken; failing; ended failed"
        ]
    );
}

/// In one commit with the failure: what it would have started is not started.
#[test]
fn completions_in_the_commit_of_the_failure_start_nothing_after_it() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop}, {id: bad, type: noop}, {id: next, type: noop}], edges: [{from: a, to: next}]",
    );
    let settled = |run: &Run, at: &str, result: Answer| {
        let task = run.task(at);
        aob_engine::step::Input::Settled { instance: task.instance, fence: task.fence, result }
    };
    let inputs = [
        settled(&run, "bad", super::run::broken()),
        settled(&run, "a", Answer::Output(Arc::new(json!(null)))),
    ];
    run.sim.take(&inputs);
    assert_eq!(
        run.told()[1..],
        [
            "bad failed: broken; failing; next cancelled by drain; a succeeded; a->next absorbed; ended failed"
        ]
    );
}
