//! 12 to 15, 34 to 36: several instances of one task.

use serde_json::json;

use crate::rules::run::Run;

/// Nobody waits for the foreach; the run as a whole does.
#[test]
pub(super) fn p12_multiple_instances_without_synchronization() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop}, {id: each, type: foreach, config: {items: [1, 2]}}, {id: work, type: noop, within: each},
                 {id: next, type: noop}],
         edges: [{from: a, to: each}, {from: a, to: next}]",
    );
    run.ok("a");
    run.ok("next");
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; a out",
            "a succeeded; a->each taken; a->next taken; each begun; each[0] begins; each[0]/work out; \
             each[1] begins; each[1]/work out; next out",
            "next succeeded",
            "each[0]/work succeeded; each[0] succeeded",
            "each[1]/work succeeded; each[1] succeeded; each succeeded; ended succeeded",
        ]
    );
}

#[test]
pub(super) fn p13_multiple_instances_known_at_design_time() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, config: {items: [de, fr]}}, {id: work, type: noop, within: each},
                 {id: next, type: noop}],
         edges: [{from: each, to: next}]",
    );
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; each begun; each[0] begins; each[0]/work out; each[1] begins; each[1]/work out",
            "each[0]/work succeeded; each[0] succeeded",
            "each[1]/work succeeded; each[1] succeeded; each succeeded; each->next taken; next out",
            "next succeeded; ended succeeded",
        ]
    );
}

#[test]
pub(super) fn p14_multiple_instances_known_at_run_time() {
    let mut run = Run::start(
        r#"nodes: [{id: list, type: noop}, {id: each, type: foreach, config: {items: "${ nodes.list.output }"}},
                {id: work, type: transform, within: each, config: {value: "${ item * 2 }"}}],
        edges: [{from: list, to: each}]"#,
    );
    run.gives("list", json!([1, 2]));
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; list out",
            "list succeeded; list->each taken; each begun; each[0] begins; each[0]/work out; each[1] begins; each[1]/work out",
            "each[0]/work succeeded; each[0] succeeded",
            "each[1]/work succeeded; each[1] succeeded; each succeeded; ended succeeded",
        ]
    );
    assert_eq!(run.value("each"), Some(&json!([2, 4])));
}

/// Waves: each round of a loop finds out what more there is to do, until there is nothing.
#[test]
pub(super) fn p15_multiple_instances_not_known_beforehand() {
    let mut run = Run::start(
        r#"nodes: [{id: waves, type: loop, config: {until: "size(nodes.find.output) == 0"}}, {id: find, type: noop, within: waves},
                {id: wave, type: foreach, within: waves, config: {items: "${ nodes.find.output }"}},
                {id: work, type: noop, within: wave}],
        edges: [{from: find, to: wave}]"#,
    );
    run.gives("waves[0]/find", json!(["a", "b"]));
    run.ok("waves[0]/wave[1]/work");
    run.ok("waves[0]/wave[0]/work");
    run.gives("waves[1]/find", json!([]));
    assert_eq!(
        run.told(),
        [
            "started; waves begun; waves[0] begins; waves[0]/find out",
            "waves[0]/find succeeded; waves[0]:find->wave taken; waves[0]/wave begun; waves[0]/wave[0] begins; \
             waves[0]/wave[0]/work out; waves[0]/wave[1] begins; waves[0]/wave[1]/work out",
            "waves[0]/wave[1]/work succeeded; waves[0]/wave[1] succeeded",
            "waves[0]/wave[0]/work succeeded; waves[0]/wave[0] succeeded; waves[0]/wave succeeded; waves[0] succeeded; \
             waves[1] begins; waves[1]/find out",
            "waves[1]/find succeeded; waves[1]:find->wave taken; waves[1]/wave begun; waves[1]/wave succeeded; \
             waves[1] succeeded; waves succeeded; ended succeeded",
        ]
    );
}

/// The instances are nodes; what follows starts with the first, the rest goes on and changes nothing.
#[test]
pub(super) fn p34_static_partial_join_for_multiple_instances() {
    let mut run = Run::start(
        "nodes: [{id: one, type: noop}, {id: two, type: noop}, {id: three, type: noop}, {id: next, type: noop, join: any}],
         edges: [{from: one, to: next}, {from: two, to: next}, {from: three, to: next}]",
    );
    run.ok("two");
    run.ok("next");
    run.ok("one");
    run.ok("three");
    assert_eq!(
        run.told(),
        [
            "started; one out; three out; two out",
            "two succeeded; two->next taken; next out",
            "next succeeded",
            "one succeeded; one->next absorbed",
            "three succeeded; three->next absorbed; ended succeeded",
        ]
    );
}

/// An item that counts fails; with `tolerate` one below the number wanted, the last one ends the rest.
#[test]
pub(super) fn p35_cancelling_partial_join_for_multiple_instances() {
    let mut run = Run::start(
        r#"nodes: [{id: each, type: foreach, config: {items: [1, 2, 3], tolerate: 1}},
                {id: wait, type: delay, within: each, config: {for: "${ string(item) + 's' }"}},
                {id: hit, type: transform, within: each, config: {assert: "false"}}, {id: next, type: noop}],
        edges: [{from: wait, to: hit}, {from: each, to: next, after: failure}]"#,
    );
    run.told();
    for item in 0..2 {
        run.time(&format!("each[{item}]/wait"));
        run.ok(&format!("each[{item}]/hit"));
    }
    assert_eq!(
        run.told(),
        [
            "each[0]/wait succeeded; each[0]:wait->hit taken; each[0]/hit out",
            "each[0]/hit failed: assert; failing each[0]; each[0] failed",
            "each[1]/wait succeeded; each[1]:wait->hit taken; each[1]/hit out",
            "each[1]/hit failed: assert; failing each[1]; each[1] failed; each stops; failing each[2]; \
             each[2]/hit cancelled by drain; each[2]/wait cancelled by drain; each[2]:wait->hit dead; each[2] failed; \
             each failed: assert; each->next:failure taken; next out",
        ]
    );
}

/// Whether one more is needed is asked after each.
#[test]
pub(super) fn p36_dynamic_partial_join_for_multiple_instances() {
    let mut run = Run::start(
        r#"nodes: [{id: votes, type: loop, config: {until: "nodes.sum.output >= 2", result: "${ nodes.sum.output }"}},
                {id: ask, type: noop, within: votes},
                {id: sum, type: transform, within: votes, config: {value: "${ (prev == null ? 0 : prev) + nodes.ask.output }"}}],
        edges: [{from: ask, to: sum}]"#,
    );
    for (round, vote) in [1, 0, 1].into_iter().enumerate() {
        run.gives(&format!("votes[{round}]/ask"), json!(vote));
        run.ok(&format!("votes[{round}]/sum"));
    }
    assert_eq!(
        run.told()[4..],
        [
            "votes[1]/sum succeeded; votes[1] succeeded; votes[2] begins; votes[2]/ask out",
            "votes[2]/ask succeeded; votes[2]:ask->sum taken; votes[2]/sum out",
            "votes[2]/sum succeeded; votes[2] succeeded; votes succeeded; ended succeeded",
        ]
    );
    assert_eq!(run.value("votes"), Some(&json!(2)));
}
