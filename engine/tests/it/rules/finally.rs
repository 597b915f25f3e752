//! Rule 11: the exit handler.

use aob_engine::state::CancelMode;
use aob_engine::step::{Due, Reply};
use serde_json::json;

use super::run::{Run, refused};

const SPEC: &str = r#"output: "${ nodes.a.output.x }", limits: {duration: 1h},
    nodes: [{id: a, type: noop}, {id: b, type: noop},
        {id: tell, type: transform, within: finally, config: {value: "${ run.outcome + ' ' + (has(nodes.a.output) ? string(nodes.a.output.x) : nodes.a.outcome) }"}}]"#;

#[test]
fn it_begins_when_nothing_else_is_unsettled_and_sees_how_it_went() {
    let mut run = Run::start(SPEC);
    run.gives("a", json!({"x": 1}));
    assert_eq!(run.out(), ["b"]);
    run.ok("b");
    assert_eq!(
        run.told()[1..],
        ["a succeeded", "b succeeded; finally after succeeded; finally/tell out"]
    );
    assert_eq!(run.task("finally/tell").input["value"], json!("succeeded 1"));
    run.ok("finally/tell");
    assert_eq!(run.told(), ["finally/tell succeeded; ended succeeded"]);
    assert_eq!(run.sim.output(), Some(&json!(1)));
}

#[test]
fn it_runs_after_a_failure() {
    let mut run = Run::start(SPEC);
    run.breaks("a");
    assert_eq!(run.out(), ["b"]);
    run.ok("b");
    assert_eq!(run.task("finally/tell").input["value"], json!("failed failed"));
    run.ok("finally/tell");
    assert_eq!(run.outcome(), Some("failed"));
    assert_eq!(run.sim.output(), None, "the output is made only if nothing failed");
}

#[test]
fn it_runs_after_the_duration() {
    let mut run = Run::start(SPEC);
    run.gives("a", json!({"x": 1}));
    run.run_time(Due::Duration);
    run.ok("b");
    assert_eq!(run.task("finally/tell").input["value"], json!("failed 1"));
    run.ok("finally/tell");
    assert_eq!(run.outcome(), Some("failed"));
    assert_eq!(run.failure().map(|(code, _)| code), Some("duration".to_owned()));
}

#[test]
fn it_runs_after_a_graceful_cancel() {
    let mut run = Run::start(SPEC);
    run.cancel(CancelMode::Graceful, &[]);
    assert_eq!(run.task("finally/tell").input["value"], json!("cancelled cancelled"));
    run.ok("finally/tell");
    assert_eq!(run.outcome(), Some("cancelled"));
}

#[test]
fn it_waits_for_a_ticket() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop, onError: pause}, {id: tell, type: noop, within: finally}]",
    );
    run.breaks("a");
    assert_eq!(run.out(), Vec::<String>::new());
    run.decide("a", Reply::Fail);
    assert_eq!(
        run.told()[2..],
        ["a answered fail; a failed: broken; failing; finally after failed; finally/tell out"]
    );
}

#[test]
fn it_holds_no_gate_and_no_pause() {
    for node in [
        r#"{id: a, type: approval, within: finally, config: {title: "?"}}"#,
        "{id: a, type: noop, within: finally, onError: pause}",
        "{id: each, type: foreach, within: finally, config: {items: [1]}}, {id: a, type: noop, within: each, onError: pause}",
    ] {
        assert_eq!(refused(&format!("nodes: [{node}]")), ["WAIT_IN_FINALLY"], "{node}");
    }
}

#[test]
fn it_has_ten_minutes() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop}, {id: tell, type: noop, within: finally}, {id: late, type: noop, within: finally}], output: done",
    );
    run.ok("a");
    let (_, due) =
        run.sim.timers.iter().find(|(timer, _)| timer.what == Due::Finally).expect("a time is set");
    assert_eq!(due - run.sim.now.time, 600_000);
    run.ok("finally/late");
    run.run_time(Due::Finally);
    assert_eq!(
        run.told()[2..],
        [
            "finally/late succeeded",
            "failing finally; finally/tell cancelled by timer; ended failed"
        ]
    );
    assert_eq!(run.failure().map(|(code, _)| code), Some("timeout".to_owned()));
    assert_eq!(run.sim.output(), Some(&json!("done")), "the output stays");
}

#[test]
fn its_failure_turns_succeeded_into_failed_and_keeps_the_output() {
    let mut run = Run::start(SPEC);
    run.gives("a", json!({"x": 1}));
    run.ok("b");
    run.breaks("finally/tell");
    assert_eq!(run.told()[3..], ["finally/tell failed: broken; failing finally; ended failed"]);
    assert_eq!(run.sim.output(), Some(&json!(1)));
    assert_eq!(run.failure(), Some(("broken".to_owned(), "finally/tell".to_owned())));
}

#[test]
fn its_failure_after_a_failure_is_not_the_run_s_error() {
    let mut run = Run::start(SPEC);
    run.breaks("a");
    run.ok("b");
    run.breaks("finally/tell");
    assert_eq!(run.failure(), Some(("broken".to_owned(), "a".to_owned())));
    assert_eq!(run.outcome(), Some("failed"));
}

#[test]
fn its_nodes_settle_by_the_same_rules() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop, within: finally}, {id: h, type: noop, within: finally}, {id: soft, type: noop, within: finally, onError: continue},
                {id: each, type: foreach, within: finally, config: {items: [1, 2], concurrency: 1}}, {id: work, type: noop, within: each}],
        edges: [{from: a, to: h, after: failure}]"#,
    );
    assert_eq!(
        run.told(),
        [
            "started; finally after succeeded; finally/a out; finally/each begun; finally/each[0] begins; finally/each[0]/work out; \
          finally/soft out"
        ]
    );
    run.breaks("finally/a");
    run.breaks("finally/soft");
    run.finish();
    assert_eq!(
        run.told(),
        [
            "finally/a failed: broken; finally:a->h:failure taken; finally/h out",
            "finally/soft failed: broken",
            "finally/each[0]/work succeeded; finally/each[0] succeeded; finally/each[1] begins; finally/each[1]/work out",
            "finally/each[1]/work succeeded; finally/each[1] succeeded; finally/each succeeded",
            "finally/h succeeded; ended succeeded",
        ]
    );
}

#[test]
fn an_output_that_fails_is_what_it_sees() {
    let mut run = Run::start(SPEC);
    run.gives("a", json!({"y": 1}));
    run.ok("b");
    assert_eq!(
        run.told()[2..],
        [
            "b succeeded; finally after failed; finally/tell failed: expression; failing finally; ended failed"
        ]
    );
    assert_eq!(run.sim.output(), None);
    assert!(
        run.sim.state.head.failure.as_ref().is_some_and(|error| error.message.contains("output")),
        "the first error stays"
    );
}
