//! Rule 3: structured repetition, and containers as leaves of the scope around them.

use std::sync::Arc;

use aob_engine::step::{Reply, Verdict};
use serde_json::json;

use super::run::{Run, decision, refused};

#[test]
fn a_scope_is_acyclic() {
    assert_eq!(
        refused(
            "nodes: [{id: each, type: foreach, config: {items: [1]}}, {id: a, type: noop, within: each}, {id: b, type: noop, within: each}],
             edges: [{from: a, to: b}, {from: b, to: a, after: failure}]"
        ),
        ["CYCLE"]
    );
}

#[test]
fn scopes_nest_at_most_four_deep() {
    let nested = |depth: usize| {
        let mut nodes: Vec<String> = (0..depth)
            .map(|level| {
                let within =
                    if level == 0 { String::new() } else { format!(", within: s{}", level - 1) };
                format!("{{id: s{level}, type: foreach, config: {{items: [1]}}{within}}}")
            })
            .collect();
        nodes.push(format!("{{id: work, type: noop, within: s{}}}", depth - 1));
        format!("nodes: [{}]", nodes.join(", "))
    };
    let mut run = Run::start(&nested(4));
    assert_eq!(run.out(), ["s0[0]/s1[0]/s2[0]/s3[0]/work"]);
    run.finish();
    assert_eq!(run.outcome(), Some("succeeded"));
    assert_eq!(refused(&nested(5)), ["TOO_DEEP"]);
}

#[test]
fn a_foreach_has_at_most_its_concurrency_live() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, config: {items: [1, 2, 3, 4, 5], concurrency: 2}}, {id: work, type: noop, within: each}]",
    );
    assert_eq!(run.out(), ["each[0]/work", "each[1]/work"]);
    run.ok("each[1]/work");
    assert_eq!(
        run.told()[1..],
        ["each[1]/work succeeded; each[1] succeeded; each[2] begins; each[2]/work out"]
    );
    while run.outcome().is_none() {
        assert!(run.out().len() <= 2);
        let at = run.out().remove(0);
        run.ok(&at);
    }
}

#[test]
fn a_foreach_begins_ten_items_at_once_when_nothing_is_written() {
    let run = Run::start(
        "nodes: [{id: each, type: foreach, config: {items: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}}, {id: work, type: noop, within: each}]",
    );
    assert_eq!(run.out().len(), 10);
}

#[test]
fn a_loop_runs_until_its_condition_and_at_most_max_rounds() {
    let mut run = Run::start(
        r#"nodes: [{id: again, type: loop, config: {until: "nodes.step.output == 7", max: 2}}, {id: step, type: noop, within: again}]"#,
    );
    run.gives("again[0]/step", json!(1));
    run.gives("again[1]/step", json!(2));
    assert_eq!(
        run.told()[1..],
        [
            "again[0]/step succeeded; again[0] succeeded; again[1] begins; again[1]/step out",
            "again[1]/step succeeded; again[1] succeeded; again failed: loop_max; failing; ended failed",
        ]
    );
}

#[test]
fn a_round_sees_the_result_of_the_round_before() {
    let mut run = Run::start(
        r#"nodes: [{id: again, type: loop, config: {until: "prev != null && prev.sum >= 1", result: {sum: "${ nodes.step.output }"}}},
                {id: step, type: transform, within: again, config: {value: "${ (prev == null ? 0 : prev.sum) + index }"}}]"#,
    );
    run.finish();
    // 0, then 0 + 1, then 1 + 2: `until` still sees the round before.
    assert_eq!(run.value("again"), Some(&json!({"sum": 3})));
    assert_eq!(run.told().len(), 4);
}

#[test]
fn inner_names_hide_outer_ones() {
    let mut run = Run::start(
        r#"nodes: [{id: outer, type: foreach, config: {items: [a, b], as: row, result: "${ row + string(index) }"}},
                {id: inner, type: foreach, within: outer, config: {items: [c], as: row}},
                {id: work, type: transform, within: inner, config: {value: "${ row + string(index) }"}}]"#,
    );
    assert_eq!(run.task("outer[1]/inner[0]/work").input["value"], json!("c0"));
    run.finish();
    assert_eq!(run.value("outer"), Some(&json!(["a0", "b1"])));
}

const BOTH: &str = "{id: each, type: foreach, config: {items: [1]}}, {id: work, type: noop, within: each}, {id: good, type: noop}, {id: bad, type: noop}],
    edges: [{from: each, to: good}, {from: each, to: bad, after: failure}]";

#[test]
fn a_container_settles_and_takes_its_edges_as_a_leaf_does() {
    let mut run = Run::start(&format!("nodes: [{BOTH}"));
    run.ok("each[0]/work");
    assert_eq!(
        run.told()[1..],
        [
            "each[0]/work succeeded; each[0] succeeded; each succeeded; each->bad:failure dead; each->good taken; bad skipped by dead path; good out"
        ]
    );
    let mut run = Run::start(&format!("nodes: [{BOTH}"));
    run.breaks("each[0]/work");
    assert_eq!(
        run.told()[1..],
        [
            "each[0]/work failed: broken; failing each[0]; each[0] failed; each stops; each failed: broken; each->bad:failure taken; \
          each->good dead; bad out; good skipped by dead path"
        ]
    );
}

#[test]
fn a_container_obeys_its_own_on_error() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, onError: continue, config: {items: [1]}}, {id: work, type: noop, within: each}, {id: next, type: noop}],
         edges: [{from: each, to: next}]",
    );
    run.breaks("each[0]/work");
    assert_eq!(
        run.told()[1..],
        [
            "each[0]/work failed: broken; failing each[0]; each[0] failed; each stops; each failed: broken; each->next dead; \
          next skipped by dead path; ended succeeded"
        ]
    );
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, onError: pause, config: {items: [1]}}, {id: work, type: noop, within: each}, {id: next, type: noop}],
         edges: [{from: each, to: next}]",
    );
    run.breaks("each[0]/work");
    assert!(
        matches!(run.decided(decision("each", Reply::Retry)), Verdict::Refused(..)),
        "its rounds cannot settle twice"
    );
    run.decide("each", Reply::Settle(Arc::new(json!([7]))));
    assert_eq!(
        run.told()[1..],
        [
            "each[0]/work failed: broken; failing each[0]; each[0] failed; each stops; each asks failure",
            "each refuses retry of user:bob: AOB3102",
            "each answered settle; each succeeded; each->next taken; next out",
        ]
    );
}

#[test]
fn on_error_inside_a_body_only_decides_about_the_item() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, config: {items: [1, 2], tolerate: 1}}, {id: work, type: noop, within: each},
                 {id: soft, type: noop, onError: continue, within: each}]",
    );
    run.breaks("each[0]/soft");
    run.ok("each[0]/work");
    assert_eq!(
        run.told()[1..],
        ["each[0]/soft failed: broken", "each[0]/work succeeded; each[0] succeeded"]
    );
    run.ok("each[1]/soft");
    run.breaks("each[1]/work");
    assert_eq!(
        run.told(),
        [
            "each[1]/soft succeeded",
            "each[1]/work failed: broken; failing each[1]; each[1] failed; each succeeded; ended succeeded"
        ]
    );
    assert_eq!(
        run.value("each"),
        Some(&json!([{"work": null}, {"error": {"code": "broken", "message": "it broke"}}]))
    );
}

#[test]
fn results_come_in_order_and_default_to_what_the_last_nodes_gave() {
    let mut run = Run::start(
        r#"nodes: [{id: one, type: foreach, config: {items: [1, 2], as: v}}, {id: a, type: noop, within: one},
                {id: b, type: transform, within: one, config: {value: "${ v * 10 }"}},
                {id: several, type: foreach, config: {items: [1]}}, {id: c, type: transform, within: several, config: {value: 3}},
                {id: d, type: acme.none, within: several}, {id: f, type: noop, within: several},
                {id: none, type: foreach, config: {items: [1]}}, {id: g, type: acme.none, within: none},
                {id: empty, type: foreach, config: {items: []}}, {id: h, type: noop, within: empty}],
        edges: [{from: a, to: b}]"#,
    );
    for at in ["one[1]/a", "one[1]/b", "one[0]/a", "one[0]/b"] {
        run.ok(at);
    }
    run.finish();
    assert_eq!(run.value("one"), Some(&json!([10, 20])));
    assert_eq!(
        run.value("several"),
        Some(&json!([{"c": 3, "f": null}])),
        "null is kept, what is absent is left out"
    );
    assert_eq!(run.value("none"), Some(&json!([null])), "without output the only one gives null");
    assert_eq!(run.value("empty"), Some(&json!([])));
    assert_eq!(run.outcome(), Some("succeeded"));
}
