//! Rule 13: a run ends when nothing is unsettled, and then nothing happens any more.

use std::sync::Arc;

use aob_engine::state::CancelMode;
use aob_engine::step::{Answer, Due, Input, Reply, Timer, Verdict};
use serde_json::json;

use super::run::{Run, cancel, decision};

#[test]
fn a_run_ends_when_nothing_is_unsettled() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: gate, type: approval, config: {title: "?"}}], edges: [{from: a, to: b}]"#,
    );
    run.ok("a");
    run.ok("b");
    assert_eq!((run.outcome(), run.sim.state.status()), (None, "waiting"));
    run.decide("gate", Reply::Approve(None));
    assert_eq!((run.outcome(), run.sim.state.status()), (Some("succeeded"), "succeeded"));
    assert_eq!(run.sim.output(), None, "without spec.output there is none");
}

#[test]
fn after_the_end_everything_is_ended() {
    let mut run = Run::start("nodes: [{id: a, type: noop}]");
    let task = run.task("a");
    run.ok("a");
    run.told();
    let instance = || "a".to_owned();
    let inputs = [
        Input::Settled {
            instance: instance(),
            fence: task.fence,
            result: Answer::Output(Arc::new(json!(null))),
        },
        Input::Lost { instance: instance(), fence: task.fence, begun: true },
        Input::Timer(Timer { instance: String::new(), what: Due::Duration, seq: 1 }),
        Input::Decision(decision("a", Reply::Retry)),
        cancel(CancelMode::Now, &[]),
        Input::Suspend { on: true, by: "user:ada".to_owned() },
    ];
    assert_eq!(run.sim.take(&inputs), vec![Verdict::Ended; inputs.len()]);
    assert!(run.told().is_empty());
}

#[test]
fn the_first_event_tells_what_the_run_began_with() {
    let run = Run::with("nodes: [{id: a, type: noop}]", json!({"x": 1}));
    let (event, _) = &run.sim.events[0];
    let aob_engine::event::Change::Started(started) = &event.changes[0] else {
        panic!("{event:?}")
    };
    assert_eq!(
        (started.workflow.as_str(), started.tenant.as_str(), started.depth),
        ("test", "default", 0)
    );
    assert_eq!(event.by, "user:ada");
    assert_eq!(run.value("input"), Some(&json!({"x": 1})));
}
