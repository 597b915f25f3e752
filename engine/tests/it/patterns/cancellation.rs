//! 19, 20, 25 to 27: ending a part, or all of it, early.

use std::sync::Arc;

use aob_engine::state::CancelMode;
use aob_engine::step::{Answer, Reply, Verdict};
use serde_json::json;

use crate::rules::run::Run;

/// A container's timeout ends what is under way in it; the worker's late answer counts for nothing.
#[test]
pub(super) fn p19_cancel_task() {
    let mut run = Run::start(
        "nodes: [{id: region, type: foreach, timeout: 1m, config: {items: [1]}}, {id: work, type: noop, within: region},
                 {id: next, type: noop}],
         edges: [{from: region, to: next, after: failure}]",
    );
    let task = run.task("region[0]/work");
    run.time("region");
    assert_eq!(run.sim.complete(&task, Answer::Output(Arc::new(json!(1)))), Verdict::Superseded);
    run.ok("next");
    assert_eq!(
        run.told(),
        [
            "started; region begun; region[0] begins; region[0]/work out",
            "region[0]/work cancelled by timer; region[0] cancelled; region failed: timeout; region->next:failure taken; next out",
            "next succeeded; ended succeeded",
        ]
    );
}

#[test]
pub(super) fn p20_cancel_case() {
    let spec = "nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: clean, type: noop, within: finally}],
        edges: [{from: a, to: b}]";
    let mut run = Run::start(spec);
    run.cancel(CancelMode::Now, &[]);
    assert_eq!(
        run.told(),
        [
            "started; a out",
            "cancel now; a cancelled by cancel; a->b dead; b cancelled by cancel; ended cancelled"
        ]
    );
    let mut run = Run::start(spec);
    run.cancel(CancelMode::Graceful, &["a"]);
    run.ok("a");
    run.ok("finally/clean");
    assert_eq!(
        run.told(),
        [
            "started; a out",
            "cancel gracefully; b cancelled by cancel",
            "a succeeded; a->b absorbed; finally after cancelled; finally/clean out",
            "finally/clean succeeded; ended cancelled",
        ]
    );
}

/// The region is a body: a failure in it drains it, and nothing outside.
#[test]
pub(super) fn p25_cancel_region() {
    let mut run = Run::start(
        "nodes: [{id: region, type: foreach, config: {items: [1]}}, {id: check, type: noop, within: region},
                 {id: wait, type: delay, within: region, config: {for: 1h}}, {id: next, type: noop}, {id: other, type: noop}],
         edges: [{from: region, to: next, after: failure}]",
    );
    run.breaks("region[0]/check");
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; other out; region begun; region[0] begins; region[0]/check out; region[0]/wait waits",
            "region[0]/check failed: broken; failing region[0]; region[0]/wait cancelled by drain; region[0] failed; \
             region stops; region failed: broken; region->next:failure taken; next out",
            "next succeeded",
            "other succeeded; ended succeeded",
        ]
    );
}

#[test]
pub(super) fn p26_cancel_multiple_instance_task() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, timeout: 1m, config: {items: [1, 2, 3], concurrency: 2}},
                 {id: work, type: noop, within: each}, {id: undo, type: noop}],
         edges: [{from: each, to: undo, after: failure}]",
    );
    run.ok("each[0]/work");
    run.time("each");
    assert_eq!(
        run.told()[2..],
        [
            "each[1]/work cancelled by timer; each[1] cancelled; each[2]/work cancelled by timer; each[2] cancelled; \
          each failed: timeout; each->undo:failure taken; undo out"
        ]
    );
}

/// The rest is withdrawn, and a person's answer stands for the whole.
#[test]
pub(super) fn p27_complete_multiple_instance_task() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, timeout: 1m, onError: pause, config: {items: [1, 2]}},
                 {id: work, type: noop, within: each}, {id: next, type: noop}],
         edges: [{from: each, to: next}]",
    );
    run.ok("each[0]/work");
    run.time("each");
    run.decide("each", Reply::Settle(Arc::new(json!(["enough"]))));
    run.finish();
    assert_eq!(
        run.told()[1..],
        [
            "each[0]/work succeeded; each[0] succeeded",
            "each[1]/work cancelled by timer; each[1] cancelled; each asks failure",
            "each answered settle; each succeeded; each->next taken; next out",
            "next succeeded; ended succeeded",
        ]
    );
    assert_eq!(run.value("each"), Some(&json!(["enough"])));
}
