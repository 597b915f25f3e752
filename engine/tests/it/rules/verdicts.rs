//! What becomes of an answer that comes again, too late, or from nowhere.

use std::sync::Arc;

use aob_engine::state::Fence;
use aob_engine::step::{Answer, Due, Input, Timer, Verdict};
use serde_json::json;

use super::run::{Run, broken, flaky};

fn output(value: serde_json::Value) -> Answer {
    Answer::Output(Arc::new(value))
}

#[test]
fn the_same_again_and_something_else() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop}, {id: b, type: noop, onError: continue}, {id: c, type: noop}]",
    );
    let (a, b) = (run.task("a"), run.task("b"));
    run.gives("a", json!({"x": 1, "y": 2}));
    assert_eq!(
        run.sim.complete(&a, output(json!({"y": 2, "x": 1}))),
        Verdict::Same,
        "in whatever order it is written"
    );
    assert_eq!(run.sim.complete(&a, output(json!({"x": 2}))), Verdict::Conflicting);
    assert_eq!(run.sim.complete(&a, broken()), Verdict::Conflicting);
    run.breaks("b");
    assert_eq!(run.sim.complete(&b, broken()), Verdict::Same);
    assert_eq!(run.sim.complete(&b, flaky()), Verdict::Conflicting);
    assert_eq!(run.sim.complete(&b, output(json!(1))), Verdict::Conflicting);
    assert_eq!(run.told().len(), 3, "none of them is an event");
}

#[test]
fn an_output_that_was_too_large_is_the_same_again() {
    let mut run =
        Run::start("nodes: [{id: a, type: noop, onError: continue}, {id: b, type: noop}]");
    let task = run.task("a");
    let large = json!("x".repeat(300 * 1024));
    run.gives("a", large.clone());
    assert_eq!(run.sim.complete(&task, output(large)), Verdict::Same);
}

#[test]
fn another_fence_is_superseded() {
    let mut run = Run::start("nodes: [{id: a, type: noop}, {id: b, type: noop}]");
    let mut task = run.task("a");
    let fence = task.fence;
    for wrong in [Fence(fence.0 + 1, fence.1), Fence(fence.0, fence.1 + 1), Fence(0, 0)] {
        task.fence = wrong;
        assert_eq!(run.sim.complete(&task, output(json!(1))), Verdict::Superseded);
        let lost = Input::Lost { instance: "a".to_owned(), fence: wrong, begun: false };
        assert_eq!(run.sim.take(&[lost]), [Verdict::Superseded]);
    }
    run.ok("a");
    assert_eq!(run.sim.complete(&task, output(json!(null))), Verdict::Superseded);
    task.fence = fence;
    let lost = Input::Lost { instance: "a".to_owned(), fence, begun: true };
    assert_eq!(run.sim.take(&[lost]), [Verdict::Superseded], "a settled one is not lost");
}

#[test]
fn an_attempt_that_backs_off_has_been_answered() {
    let mut run = Run::start("nodes: [{id: a, type: noop, retry: {attempts: 2}}]");
    let task = run.task("a");
    run.stumbles("a");
    assert_eq!(run.sim.complete(&task, output(json!(1))), Verdict::Superseded);
    run.time("a");
    assert_eq!(run.sim.complete(&task, output(json!(1))), Verdict::Superseded);
    assert_eq!(run.out(), ["a"]);
}

#[test]
fn what_does_not_exist_is_superseded() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop}, {id: each, type: foreach, config: {items: [1, 2], concurrency: 1}}, {id: work, type: noop, within: each}]",
    );
    let over = run.task("each[0]/work");
    run.ok("each[0]/work");
    for at in [
        "nowhere",
        "each[0]/work",
        "each[9]/work",
        "each[1]/a",
        "a[0]/work",
        "finally/a",
        "each[1]",
        "/",
        "",
        "each[/work",
    ] {
        let settled =
            Input::Settled { instance: at.to_owned(), fence: over.fence, result: output(json!(1)) };
        assert_eq!(run.sim.take(&[settled]), [Verdict::Superseded], "{at}");
    }
}

#[test]
fn containers_gates_and_delays_take_no_completion() {
    let mut run = Run::start(
        r#"nodes: [{id: each, type: foreach, config: {items: [1]}}, {id: work, type: noop, within: each},
                {id: gate, type: approval, config: {title: "?"}}, {id: wait, type: delay, config: {for: 1h}}, {id: paused, type: noop, onError: pause}]"#,
    );
    run.breaks("paused");
    let live: Vec<(String, Fence)> = ["each", "gate", "wait", "paused"]
        .into_iter()
        .map(|id| {
            let ir = run.sim.irs.get(0).expect("the revision");
            let slot = ir.slot(ir.find(id).expect("a node")) as u32;
            (id.to_owned(), run.sim.state.scopes[""].live[&slot].fence)
        })
        .collect();
    for (instance, fence) in live {
        let settled =
            Input::Settled { instance: instance.clone(), fence, result: output(json!(1)) };
        let lost = Input::Lost { instance: instance.clone(), fence, begun: true };
        assert_eq!(
            run.sim.take(&[settled, lost]),
            [Verdict::Superseded, Verdict::Superseded],
            "{instance}"
        );
    }
}

#[test]
fn a_timer_that_is_no_longer_the_current_one_is_superseded() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop, retry: {attempts: 3, backoff: 1s}}, {id: gate, type: approval, config: {title: "?", deadline: 1h}}]"#,
    );
    run.stumbles("a");
    let (timer, _) =
        run.sim.timers.iter().find(|(timer, _)| timer.instance == "a").expect("a backoff");
    let timer = timer.clone();
    run.time("a");
    assert_eq!(
        run.sim.take(&[Input::Timer(timer.clone())]),
        [Verdict::Superseded],
        "it has come already"
    );
    run.stumbles("a");
    assert_eq!(
        run.sim.take(&[Input::Timer(timer)]),
        [Verdict::Superseded],
        "another backoff is under way"
    );
    for what in [Due::Delay, Due::Timeout, Due::Backoff] {
        let seq = 1;
        let timer = Timer { instance: "gate".to_owned(), what, seq };
        assert_eq!(run.sim.take(&[Input::Timer(timer)]), [Verdict::Superseded], "{what:?}");
    }
    for what in [Due::Grace, Due::Finally, Due::Backoff] {
        let timer = Timer { instance: String::new(), what, seq: 1 };
        assert_eq!(run.sim.take(&[Input::Timer(timer)]), [Verdict::Superseded], "{what:?}");
    }
}

#[test]
fn one_refused_input_refuses_no_other() {
    let mut run = Run::start("nodes: [{id: a, type: noop}, {id: b, type: noop}]");
    let settled = |run: &Run, at: &str, result: Answer| {
        let task = run.task(at);
        Input::Settled { instance: task.instance, fence: task.fence, result }
    };
    let inputs = [
        settled(&run, "a", output(json!(1))),
        settled(&run, "a", output(json!(1))),
        settled(&run, "a", output(json!(2))),
        Input::Timer(Timer { instance: "b".to_owned(), what: Due::Delay, seq: 1 }),
        settled(&run, "b", output(json!(3))),
    ];
    let verdicts = run.sim.take(&inputs);
    assert_eq!(
        verdicts,
        [
            Verdict::Applied,
            Verdict::Same,
            Verdict::Conflicting,
            Verdict::Superseded,
            Verdict::Applied
        ]
    );
    assert_eq!(run.told()[1..], ["a succeeded; b succeeded; ended succeeded"]);
}
