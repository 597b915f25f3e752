//! 1 to 5: sequence, split, join, choice, merge.

use serde_json::json;

use crate::rules::run::Run;

#[test]
pub(super) fn p01_sequence() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}],
         edges: [{from: a, to: b}, {from: b, to: c}]",
    );
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; a out",
            "a succeeded; a->b taken; b out",
            "b succeeded; b->c taken; c out",
            "c succeeded; ended succeeded",
        ]
    );
}

#[test]
pub(super) fn p02_parallel_split() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}],
         edges: [{from: a, to: b}, {from: a, to: c}]",
    );
    run.ok("a");
    assert_eq!(run.out(), ["b", "c"]);
    run.ok("c");
    run.ok("b");
    assert_eq!(
        run.told(),
        [
            "started; a out",
            "a succeeded; a->b taken; a->c taken; b out; c out",
            "c succeeded",
            "b succeeded; ended succeeded",
        ]
    );
}

#[test]
pub(super) fn p03_synchronization() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}],
         edges: [{from: a, to: c}, {from: b, to: c}]",
    );
    run.ok("b");
    run.ok("a");
    run.ok("c");
    assert_eq!(
        run.told(),
        [
            "started; a out; b out",
            "b succeeded; b->c taken",
            "a succeeded; a->c taken; c out",
            "c succeeded; ended succeeded",
        ]
    );
}

#[test]
pub(super) fn p04_exclusive_choice() {
    let spec = r#"nodes: [{id: ask, type: noop}, {id: large, type: noop}, {id: small, type: noop}],
        edges: [{from: ask, to: large, when: "nodes.ask.output > 10"}, {from: ask, to: small, otherwise: true}]"#;
    let mut run = Run::start(spec);
    run.gives("ask", json!(20));
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; ask out",
            "ask succeeded; ask->large taken; ask->small dead; large out; small skipped by dead path",
            "large succeeded; ended succeeded",
        ]
    );
    let mut run = Run::start(spec);
    run.gives("ask", json!(10));
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; ask out",
            "ask succeeded; ask->large dead; ask->small taken; large skipped by dead path; small out",
            "small succeeded; ended succeeded",
        ]
    );
}

#[test]
pub(super) fn p05_simple_merge() {
    let mut run = Run::start(
        r#"nodes: [{id: ask, type: noop}, {id: large, type: noop}, {id: small, type: noop}, {id: merge, type: noop, join: any}],
        edges: [{from: ask, to: large, when: "nodes.ask.output > 10"}, {from: ask, to: small, otherwise: true},
                {from: large, to: merge}, {from: small, to: merge}]"#,
    );
    run.gives("ask", json!(20));
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; ask out",
            "ask succeeded; ask->large taken; ask->small dead; large out; small skipped by dead path; small->merge dead",
            "large succeeded; large->merge taken; merge out",
            "merge succeeded; ended succeeded",
        ]
    );
}
