//! 23, 24: signals from outside.

use aob_engine::step::{Reply, Verdict};

use crate::rules::run::{Run, decision};

/// An answer before anybody asks is lost.
#[test]
pub(super) fn p23_transient_trigger() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop}, {id: signal, type: approval, config: {title: "Go?"}}, {id: b, type: noop}],
        edges: [{from: a, to: signal}, {from: signal, to: b}]"#,
    );
    assert_eq!(run.decided(decision("signal", Reply::Approve(None))), Verdict::Unknown);
    run.ok("a");
    assert_eq!(run.told(), ["started; a out", "a succeeded; a->signal taken; signal asks gate"]);
    run.decide("signal", Reply::Approve(None));
    run.ok("b");
    assert_eq!(
        run.told(),
        [
            "signal answered approve; signal succeeded; signal->b taken; b out",
            "b succeeded; ended succeeded"
        ]
    );
}

/// A gate that opens with the run keeps its answer until it is needed.
#[test]
pub(super) fn p24_persistent_trigger() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop}, {id: signal, type: approval, config: {title: "Go?"}}, {id: b, type: noop}],
        edges: [{from: a, to: b}, {from: signal, to: b}]"#,
    );
    run.decide("signal", Reply::Approve(None));
    run.ok("a");
    run.ok("b");
    assert_eq!(
        run.told(),
        [
            "started; a out; signal asks gate",
            "signal answered approve; signal succeeded; signal->b taken",
            "a succeeded; a->b taken; b out",
            "b succeeded; ended succeeded",
        ]
    );
}
