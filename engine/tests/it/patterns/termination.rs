//! 11, 43: how a run ends.

use crate::rules::run::Run;

/// No end node: the run is over when nothing is left.
#[test]
pub(super) fn p11_implicit_termination() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}], edges: [{from: a, to: b}]",
    );
    run.ok("a");
    run.ok("b");
    run.ok("c");
    assert_eq!(
        run.told(),
        [
            "started; a out; c out",
            "a succeeded; a->b taken; b out",
            "b succeeded",
            "c succeeded; ended succeeded"
        ]
    );
}

/// Only as a failure: what has not started is cancelled, what is out finishes, the run fails.
#[test]
pub(super) fn p43_explicit_termination() {
    let mut run = Run::start(
        r#"nodes: [{id: look, type: noop}, {id: stop, type: transform, config: {assert: "false"}},
                {id: wait, type: delay, config: {for: 1h}}, {id: later, type: noop}],
        edges: [{from: look, to: stop}, {from: wait, to: later}]"#,
    );
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; look out; wait waits",
            "look succeeded; look->stop taken; stop out",
            "stop failed: assert; failing; later cancelled by drain; wait cancelled by drain; wait->later dead; ended failed",
        ]
    );
}
