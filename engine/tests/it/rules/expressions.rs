//! Rule 8: an expression that fails at run time fails what it belongs to, without retry.

use serde_json::json;

use super::run::Run;

#[test]
fn a_config_that_fails_fails_its_node_without_retry() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: transform, config: {value: "${ input.missing }"}, retry: {attempts: 3}}]"#,
    );
    assert_eq!(run.told(), ["started; a failed: expression; failing; ended failed"]);
}

#[test]
fn a_config_that_fails_can_be_handled() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: transform, config: {value: "${ input.missing }"}}, {id: h, type: noop}],
        edges: [{from: a, to: h, after: failure}]"#,
    );
    assert_eq!(run.told(), ["started; a failed: expression; a->h:failure taken; h out"]);
}

#[test]
fn configs_of_delays_and_gates_fail_them_too() {
    for config in [
        r#"type: delay, config: {for: "${ input.wait }"}"#,
        r#"type: approval, config: {title: "?", deadline: "${ input.wait }"}"#,
    ] {
        for (input, code) in [
            (json!({}), "expression"),
            (json!({"wait": "soon"}), "config"),
            (json!({"wait": 3}), "config"),
        ] {
            let mut run = Run::with(&format!("nodes: [{{id: a, {config}}}]"), input);
            assert_eq!(run.told(), [format!("started; a failed: {code}; failing; ended failed")]);
        }
    }
}

#[test]
fn a_when_that_fails_fails_its_source_and_other_edges_are_judged_afresh() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}, {id: d, type: noop},
                {id: h, type: transform, config: {value: "${ has(nodes.a.output) ? nodes.a.output : 'lost' }"}}],
        edges: [{from: a, to: b, when: "nodes.a.output.x > 1"}, {from: a, to: c}, {from: a, to: d, after: always},
                {from: a, to: h, after: failure, when: "nodes.a.outcome == 'failed'"}]"#,
    );
    run.gives("a", json!({"other": 1}));
    assert_eq!(
        run.told()[1..],
        [
            "a failed: expression; a->b dead; a->c dead; a->d:always taken; a->h:failure taken; b skipped by dead path; \
          c skipped by dead path; d out; h out"
        ]
    );
    assert_eq!(run.task("h").input["value"], json!({"other": 1}), "its output is kept");
    run.finish();
    assert_eq!(run.outcome(), Some("succeeded"));
}

#[test]
fn a_when_that_fails_on_a_failed_source_is_false() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: h, type: noop}],
        edges: [{from: a, to: b, when: "nodes.a.output.x > 1"},
                {from: a, to: h, after: failure, when: "has(nodes.a.output) && nodes.a.output.y == 1"}]"#,
    );
    run.gives("a", json!({}));
    assert_eq!(
        run.told()[1..],
        [
            "a failed: expression; failing; a->b dead; a->h:failure dead; b skipped by dead path; h skipped by dead path; ended failed"
        ]
    );
}

#[test]
fn a_when_that_fails_is_not_retried() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop, retry: {attempts: 3}}, {id: b, type: noop}], edges: [{from: a, to: b, when: "1 / 0 == 1"}]"#,
    );
    run.ok("a");
    assert_eq!(
        run.told()[1..],
        ["a failed: expression; failing; a->b dead; b skipped by dead path; ended failed"]
    );
}

#[test]
fn a_foreach_s_result_fails_its_item_and_a_loop_s_the_loop() {
    let mut run = Run::start(
        r#"nodes: [{id: each, type: foreach, config: {items: [1, 2], tolerate: 1, result: "${ nodes.work.output.x }"}}, {id: work, type: noop, within: each}]"#,
    );
    run.gives("each[0]/work", json!({}));
    run.gives("each[1]/work", json!({"x": 5}));
    assert_eq!(
        run.told()[1..],
        [
            "each[0]/work succeeded; each[0] failed",
            "each[1]/work succeeded; each[1] succeeded; each succeeded; ended succeeded",
        ]
    );
    let output = run.value("each").expect("an output");
    assert_eq!((&output[0]["error"]["code"], &output[1]), (&json!("expression"), &json!(5)));
    let mut run = Run::start(
        r#"nodes: [{id: again, type: loop, config: {until: "true", result: "${ nodes.step.output.x }"}}, {id: step, type: noop, within: again}]"#,
    );
    run.gives("again[0]/step", json!({}));
    assert_eq!(
        run.told()[1..],
        [
            "again[0]/step succeeded; again[0] failed; again stops; again failed: expression; failing; ended failed"
        ]
    );
}

#[test]
fn until_fails_the_loop_also_by_its_type() {
    for (until, code) in [("nodes.step.output.x > 1", "expression"), ("nodes.step.output", "type")]
    {
        let mut run = Run::start(&format!(
            r#"nodes: [{{id: again, type: loop, config: {{until: "{until}"}}}}, {{id: step, type: noop, within: again}}]"#
        ));
        run.gives("again[0]/step", json!({}));
        assert_eq!(
            run.told()[1..],
            [format!(
                "again[0]/step succeeded; again[0] succeeded; again stops; again failed: {code}; failing; ended failed"
            )]
        );
    }
}

#[test]
fn items_and_the_numbers_of_a_container_fail_it() {
    for (config, code) in [
        (r#"items: "${ input.missing }""#, "expression"),
        (r#"items: "${ {'a': 1} }""#, "type"),
        (r#"items: "${ 'ab' }""#, "type"),
        (r#"items: [1], concurrency: "${ 0 }""#, "type"),
        (r#"items: [1], concurrency: "${ 1001 }""#, "type"),
        (r#"items: [1], tolerate: "${ -1 }""#, "type"),
        (r#"items: [1], tolerate: "${ '1' }""#, "type"),
        (r#"items: [1], concurrency: "${ 1.5 }""#, "type"),
    ] {
        let mut run = Run::start(&format!(
            "nodes: [{{id: each, type: foreach, config: {{{config}}}}}, {{id: work, type: noop, within: each}}]"
        ));
        assert_eq!(
            run.told(),
            [format!("started; each failed: {code}; failing; ended failed")],
            "{config}"
        );
    }
}

#[test]
fn the_output_fails_the_run() {
    let mut run = Run::start(r#"output: "${ nodes.a.output.x }", nodes: [{id: a, type: noop}]"#);
    run.gives("a", json!({}));
    assert_eq!(run.told()[1..], ["a succeeded; ended failed"]);
    assert_eq!(run.failure().map(|(code, _)| code), Some("expression".to_owned()));
    assert_eq!(run.sim.output(), None);
}

#[test]
fn a_condition_of_the_wrong_type_is_such_a_failure() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}], edges: [{from: a, to: b, when: "nodes.a.output"}]"#,
    );
    run.gives("a", json!("true"));
    assert_eq!(
        run.told()[1..],
        ["a failed: type; failing; a->b dead; b skipped by dead path; ended failed"]
    );
}

#[test]
fn an_assertion_that_cannot_be_judged_fails_its_node() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: transform, config: {value: {x: 1}, assert: "value.y == 1"}, retry: {attempts: 3}}]"#,
    );
    assert_eq!(run.told(), ["started; a failed: expression; failing; ended failed"]);
}

#[test]
fn the_first_error_stays() {
    let mut run = Run::start("nodes: [{id: a, type: noop}, {id: b, type: noop}]");
    run.breaks("b");
    run.stumbles("a");
    assert_eq!(run.failure(), Some(("broken".to_owned(), "b".to_owned())));
}

#[test]
fn reading_a_passed_node_s_absent_output_fails_the_reader() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: acme.score}, {id: b, type: transform, config: {value: "${ nodes.a.output }"}}], edges: [{from: a, to: b}]"#,
    );
    assert_eq!(
        run.told(),
        ["started; a passed by unknown type; a->b taken; b failed: absent; failing; ended failed"]
    );
}

#[test]
fn in_a_when_on_its_own_edge_it_counts_as_false() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: acme.score}, {id: b, type: noop}, {id: c, type: noop}],
        edges: [{from: a, to: b, when: "nodes.a.output > 10"}, {from: a, to: c, otherwise: true}]"#,
    );
    assert_eq!(
        run.told(),
        ["started; a passed by unknown type; a->b dead; a->c taken; b skipped by dead path; c out"]
    );
}

#[test]
fn in_a_when_on_a_later_edge_it_fails_that_edge_s_source() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: acme.score}, {id: b, type: noop}, {id: c, type: noop}],
        edges: [{from: a, to: b}, {from: b, to: c, when: "nodes.a.output > 10"}]"#,
    );
    run.ok("b");
    assert_eq!(
        run.told()[1..],
        ["b failed: absent; failing; b->c dead; c skipped by dead path; ended failed"]
    );
}

/// Passed is success: another condition on its edges that fails makes it a failure.
#[test]
fn a_passed_node_fails_by_another_condition() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: acme.score}, {id: b, type: noop}], edges: [{from: a, to: b, when: "input.missing"}]"#,
    );
    assert_eq!(
        run.told(),
        ["started; a failed: expression; failing; a->b dead; b skipped by dead path; ended failed"]
    );
}

#[test]
fn the_message_of_an_assertion_is_rendered() {
    let run = Run::with(
        r#"nodes: [{id: a, type: transform, config: {value: 3, assert: [{that: "value > 3", message: "${ input.name } is few"}]}}]"#,
        json!({"name": "rows"}),
    );
    assert_eq!(run.task("a").input["assert"][0]["message"], json!("rows is few"));
}

#[test]
fn what_is_known_of_a_run_depends_on_the_place() {
    for field in ["outcome", "idd"] {
        let spec = format!(
            r#"nodes: [{{id: a, type: transform, config: {{value: "${{ run.{field} }}"}}}}]"#
        );
        assert_eq!(super::run::refused(&spec), ["UNKNOWN_NAME"]);
    }
}
