//! Rule 2: which edges an answer takes, and what becomes of the others.

use serde_json::json;

use super::run::{Run, refused};

const THREE: &str =
    "{from: a, to: b}, {from: a, to: c, after: always}, {from: a, to: d, after: failure}";

#[test]
fn success_takes_success_and_always_edges() {
    let mut run = Run::start(&format!(
        "nodes: [{{id: a, type: noop}}, {{id: b, type: noop}}, {{id: c, type: noop}}, {{id: d, type: noop}}], edges: [{THREE}]"
    ));
    run.ok("a");
    assert_eq!(
        run.told()[1..],
        [
            "a succeeded; a->b taken; a->c:always taken; a->d:failure dead; b out; c out; d skipped by dead path"
        ]
    );
}

#[test]
fn failure_takes_failure_and_always_edges() {
    let mut run = Run::start(&format!(
        "nodes: [{{id: a, type: noop}}, {{id: b, type: noop}}, {{id: c, type: noop}}, {{id: d, type: noop}}], edges: [{THREE}]"
    ));
    run.breaks("a");
    assert_eq!(
        run.told()[1..],
        [
            "a failed: broken; a->b dead; a->c:always taken; a->d:failure taken; b skipped by dead path; c out; d out"
        ]
    );
}

#[test]
fn passed_is_success_with_an_absent_output() {
    let mut run = Run::start(&format!(
        r#"nodes: [{{id: a, type: acme.score}}, {{id: b, type: transform, config: {{value: "${{ has(nodes.a.output) ? 'there' : nodes.a.outcome }}"}}}},
                {{id: c, type: noop}}, {{id: d, type: noop}}],
        edges: [{THREE}]"#
    ));
    assert_eq!(
        run.told(),
        [
            "started; a passed by unknown type; a->b taken; a->c:always taken; a->d:failure dead; b out; c out; d skipped by dead path"
        ]
    );
    assert_eq!(run.task("b").input["value"], json!("passed"));
    assert!(run.sim.logs[0].contains("skipped://unknown_type"), "{:?}", run.sim.logs);
    run.finish();
    assert_eq!(run.outcome(), Some("succeeded"));
}

#[test]
fn skipped_kills_all_edges_always_too() {
    let mut run = Run::start(
        r#"nodes: [{id: s, type: noop}, {id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}],
        edges: [{from: s, to: a, when: "false"}, {from: a, to: b, after: always}, {from: a, to: c}]"#,
    );
    run.ok("s");
    assert_eq!(
        run.told()[1..],
        [
            "s succeeded; s->a dead; a skipped by dead path; a->b:always dead; a->c dead; b skipped by dead path; \
          c skipped by dead path; ended succeeded"
        ]
    );
}

#[test]
fn cancelled_kills_all_edges_always_too() {
    let mut run = Run::start(
        "nodes: [{id: bad, type: noop}, {id: wait, type: delay, config: {for: 1h}}, {id: z, type: noop}],
         edges: [{from: wait, to: z, after: always}]",
    );
    run.breaks("bad");
    assert_eq!(
        run.told()[1..],
        [
            "bad failed: broken; failing; wait cancelled by drain; z cancelled by drain; wait->z:always dead; ended failed"
        ]
    );
}

#[test]
fn edges_act_after_the_last_attempt() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop, retry: {attempts: 2, backoff: 1s}}, {id: h, type: noop}],
         edges: [{from: a, to: h, after: failure}]",
    );
    run.stumbles("a");
    run.time("a");
    run.stumbles("a");
    assert_eq!(
        run.told()[1..],
        ["a backs off", "a ready; a out #2", "a failed: flaky; a->h:failure taken; h out"]
    );
}

#[test]
fn an_edge_into_a_fired_or_settled_target_is_absorbed() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}, {id: d, type: noop}, {id: first, type: noop, join: any}],
        edges: [{from: a, to: first}, {from: b, to: first}, {from: c, to: first}, {from: d, to: first, when: "false"}]"#,
    );
    for at in ["a", "b", "d", "first", "c"] {
        run.ok(at);
    }
    assert_eq!(
        run.told()[1..],
        [
            "a succeeded; a->first taken; first out",
            "b succeeded; b->first absorbed",
            "d succeeded; d->first dead",
            "first succeeded",
            "c succeeded; c->first absorbed; ended succeeded",
        ]
    );
}

#[test]
fn a_condition_is_evaluated_even_if_its_target_has_fired() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: first, type: noop, join: any}],
        edges: [{from: a, to: first}, {from: b, to: first, when: "nodes.b.output.x > 1"}]"#,
    );
    run.ok("a");
    run.gives("b", json!({}));
    assert_eq!(run.told()[2..], ["b failed: expression; failing; b->first dead"]);
    run.ok("first");
    assert_eq!(run.outcome(), Some("failed"));
}

const CHOICE: &str = r#"nodes: [{id: s, type: noop}, {id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}],
    edges: [{from: s, to: a, when: "nodes.s.output == 1"}, {from: s, to: b, when: "nodes.s.output <= 2"}, {from: s, to: c, otherwise: true}]"#;

#[test]
fn otherwise_is_taken_when_no_sibling_held() {
    let mut run = Run::start(CHOICE);
    run.gives("s", json!(3));
    assert_eq!(
        run.told()[1..],
        [
            "s succeeded; s->a dead; s->b dead; s->c taken; a skipped by dead path; b skipped by dead path; c out"
        ]
    );
    let mut run = Run::start(CHOICE);
    run.gives("s", json!(2));
    assert_eq!(
        run.told()[1..],
        [
            "s succeeded; s->a dead; s->b taken; s->c dead; a skipped by dead path; b out; c skipped by dead path"
        ]
    );
}

#[test]
fn otherwise_is_judged_among_edges_of_the_same_source_and_after() {
    let mut run = Run::start(
        r#"nodes: [{id: s, type: noop}, {id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}, {id: d, type: noop}],
        edges: [{from: s, to: a, when: "true"}, {from: s, to: b, otherwise: true},
                {from: s, to: c, after: failure, when: "false"}, {from: s, to: d, after: failure, otherwise: true}]"#,
    );
    run.breaks("s");
    assert_eq!(
        run.told()[1..],
        [
            "s failed: broken; s->a dead; s->b dead; s->c:failure dead; s->d:failure taken; a skipped by dead path; \
          b skipped by dead path; c skipped by dead path; d out"
        ]
    );
}

#[test]
fn a_sibling_that_is_absorbed_held() {
    let mut run = Run::start(
        r#"nodes: [{id: f, type: noop}, {id: s, type: noop}, {id: a, type: noop, join: any}, {id: b, type: noop}],
        edges: [{from: f, to: a}, {from: s, to: a, when: "true"}, {from: s, to: b, otherwise: true}]"#,
    );
    run.ok("f");
    run.ok("s");
    assert_eq!(run.told()[2..], ["s succeeded; s->a absorbed; s->b dead; b skipped by dead path"]);
}

#[test]
fn otherwise_is_one_per_group_never_with_a_when_and_never_alone() {
    let of = |edges: &str| {
        refused(&format!(
            "nodes: [{{id: s, type: noop}}, {{id: a, type: noop}}, {{id: b, type: noop}}, {{id: c, type: noop}}], edges: [{edges}]"
        ))
    };
    let first = r#"{from: s, to: a, when: "true"}"#;
    assert_eq!(
        of(&format!(
            "{first}, {{from: s, to: b, otherwise: true}}, {{from: s, to: c, otherwise: true}}"
        )),
        ["OTHERWISE_TWICE"]
    );
    assert_eq!(
        of(&format!(r#"{first}, {{from: s, to: b, otherwise: true, when: "false"}}"#)),
        ["OTHERWISE_ALONE"]
    );
    assert_eq!(of("{from: s, to: a}, {from: s, to: b, otherwise: true}"), ["OTHERWISE_ALONE"]);
    assert_eq!(
        of(&format!("{first}, {{from: s, to: b, after: failure, otherwise: true}}")),
        ["OTHERWISE_ALONE"]
    );
}
