//! 16 to 18, 39, 40: what depends on the state of the run.

use aob_engine::step::{Reply, Verdict};
use serde_json::json;

use crate::rules::run::{Run, decision, refused};

/// A person or the clock, whoever comes first; the other is withdrawn.
#[test]
pub(super) fn p16_deferred_choice() {
    let spec = r#"nodes: [{id: offer, type: approval, config: {title: "Take it?", deadline: 1h}}, {id: taken, type: noop},
                {id: late, type: noop}],
        edges: [{from: offer, to: taken}, {from: offer, to: late, after: failure}]"#;
    let mut run = Run::start(spec);
    run.decide("offer", Reply::Approve(None));
    assert!(
        run.sim.timers.keys().all(|timer| timer.instance.is_empty()),
        "the deadline is withdrawn"
    );
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; offer asks gate",
            "offer answered approve; offer succeeded; offer->late:failure dead; offer->taken taken; late skipped by dead path; taken out",
            "taken succeeded; ended succeeded",
        ]
    );
    let mut run = Run::start(spec);
    run.time("offer");
    assert_eq!(run.decided(decision("offer", Reply::Approve(None))), Verdict::Superseded);
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; offer asks gate",
            "offer failed: deadline; offer->late:failure taken; offer->taken dead; late out; taken skipped by gate",
            "late succeeded; ended succeeded",
        ]
    );
}

/// One at a time, in the order of the list.
#[test]
pub(super) fn p17_interleaved_parallel_routing() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, config: {items: [saw, sand, paint], concurrency: 1}},
                 {id: work, type: noop, within: each}]",
    );
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; each begun; each[0] begins; each[0]/work out",
            "each[0]/work succeeded; each[0] succeeded; each[1] begins; each[1]/work out",
            "each[1]/work succeeded; each[1] succeeded; each[2] begins; each[2]/work out",
            "each[2]/work succeeded; each[2] succeeded; each succeeded; ended succeeded",
        ]
    );
}

/// Whether a milestone has been reached is an edge; whether it is still ahead depends on the order of
/// completions, and no expression may.
#[test]
pub(super) fn p18_milestone() {
    let mut run = Run::start(
        "nodes: [{id: order, type: noop}, {id: reached, type: noop}, {id: change, type: noop}],
         edges: [{from: order, to: change}, {from: reached, to: change}]",
    );
    run.ok("order");
    assert_eq!(run.state("change"), "idle");
    run.ok("reached");
    assert_eq!(
        run.told()[1..],
        [
            "order succeeded; order->change taken",
            "reached succeeded; reached->change taken; change out"
        ]
    );
    let names = refused(
        r#"nodes: [{id: order, type: noop}, {id: shipped, type: noop}, {id: change, type: noop}],
        edges: [{from: order, to: change, when: "nodes.shipped.outcome != 'succeeded'"}]"#,
    );
    assert_eq!(names, ["READ_RACE"]);
}

/// The contenders are items of a foreach that works on one at a time.
#[test]
pub(super) fn p39_critical_section() {
    let mut run = Run::start(
        "nodes: [{id: section, type: foreach, config: {items: [left, right], concurrency: 1}},
                 {id: enter, type: noop, within: section}, {id: leave, type: noop, within: section}],
         edges: [{from: enter, to: leave}]",
    );
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; section begun; section[0] begins; section[0]/enter out",
            "section[0]/enter succeeded; section[0]:enter->leave taken; section[0]/leave out",
            "section[0]/leave succeeded; section[0] succeeded; section[1] begins; section[1]/enter out",
            "section[1]/enter succeeded; section[1]:enter->leave taken; section[1]/leave out",
            "section[1]/leave succeeded; section[1] succeeded; section succeeded; ended succeeded",
        ]
    );
}

/// Each once, never two at a time, in an order that the run decides.
#[test]
pub(super) fn p40_interleaved_routing() {
    let spec = r#"nodes: [{id: each, type: foreach, config: {items: "${ input.order }", concurrency: 1}},
                {id: work, type: transform, within: each, config: {value: "${ item }"}}]"#;
    for order in [json!(["a", "b"]), json!(["b", "a"])] {
        let mut run = Run::with(spec, json!({"order": order}));
        run.finish();
        assert_eq!(
            run.told(),
            [
                "started; each begun; each[0] begins; each[0]/work out",
                "each[0]/work succeeded; each[0] succeeded; each[1] begins; each[1]/work out",
                "each[1]/work succeeded; each[1] succeeded; each succeeded; ended succeeded",
            ]
        );
        assert_eq!(run.value("each"), Some(&order));
    }
}
