//! Rule 4: when a node starts, and when it never will.

use super::run::{Run, refused};

#[test]
fn all_waits_for_every_edge_and_needs_one_taken() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}],
        edges: [{from: a, to: c, when: "false"}, {from: b, to: c}]"#,
    );
    run.ok("b");
    run.ok("a");
    assert_eq!(run.told()[1..], ["b succeeded; b->c taken", "a succeeded; a->c dead; c out"]);
}

#[test]
fn any_starts_at_the_first_taken_and_absorbs_later_ones() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}, {id: d, type: noop, join: any}],
        edges: [{from: a, to: d, when: "false"}, {from: b, to: d}, {from: c, to: d}]"#,
    );
    run.ok("a");
    run.ok("b");
    run.ok("c");
    assert_eq!(
        run.told()[1..],
        ["a succeeded; a->d dead", "b succeeded; b->d taken; d out", "c succeeded; c->d absorbed"]
    );
}

#[test]
fn nodes_without_in_edges_start_with_their_scope() {
    let run = Run::start(
        "nodes: [{id: a, type: noop}, {id: each, type: foreach, config: {items: [1]}}, {id: b, type: noop, within: each},
                 {id: c, type: noop, within: each}, {id: d, type: noop}]",
    );
    assert_eq!(run.out(), ["a", "d", "each[0]/b", "each[0]/c"]);
}

#[test]
fn a_run_without_nodes_succeeds() {
    let mut run = Run::start("nodes: []");
    assert_eq!(run.told(), ["started; ended succeeded"]);
    let mut run = Run::start(r#"output: "${ 1 + 1 }", nodes: []"#);
    assert_eq!(run.told(), ["started; ended succeeded"]);
    assert_eq!(run.sim.output(), Some(&serde_json::json!(2)));
}

#[test]
fn a_body_without_nodes_is_refused() {
    assert_eq!(refused("nodes: [{id: each, type: foreach, config: {items: [1]}}]"), ["EMPTY_BODY"]);
}

#[test]
fn a_node_whose_join_can_no_longer_be_met_is_skipped() {
    for join in ["all", "any"] {
        let mut run = Run::start(&format!(
            r#"nodes: [{{id: a, type: noop}}, {{id: b, type: noop}}, {{id: c, type: noop, join: {join}}}, {{id: d, type: noop, join: {join}}}],
            edges: [{{from: a, to: c, when: "false"}}, {{from: b, to: c, when: "false"}}, {{from: c, to: d}}]"#
        ));
        run.ok("a");
        assert_eq!(run.state("c"), "idle");
        run.ok("b");
        assert_eq!(
            run.told()[1..],
            [
                "a succeeded; a->c dead",
                "b succeeded; b->c dead; c skipped by dead path; c->d dead; d skipped by dead path; ended succeeded",
            ]
        );
    }
}

#[test]
fn several_edges_between_two_nodes_start_it_once() {
    for join in ["all", "any"] {
        let mut run = Run::start(&format!(
            "nodes: [{{id: a, type: noop}}, {{id: b, type: noop, join: {join}}}],
             edges: [{{from: a, to: b}}, {{from: a, to: b, after: always}}, {{from: a, to: b, after: failure}}]"
        ));
        run.ok("a");
        assert_eq!(
            run.told()[1..],
            ["a succeeded; a->b taken; a->b:failure dead; a->b:always taken; b out"]
        );
    }
}
