//! Limits of a run: agents and their starts, instances, sizes.

use aob_engine::check::Ceiling;
use serde_json::{Value, json};

use super::run::{Run, refused, request};

const ASK: &str = "type: agent, config: {model: openai/gpt-5.6, prompt: hello}";

#[test]
fn more_agents_than_allowed_are_refused_at_compile() {
    assert_eq!(
        refused(&format!("limits: {{agents: 1}}, nodes: [{{id: a, {ASK}}}, {{id: b, {ASK}}}]")),
        ["LIMIT"]
    );
}

#[test]
fn beyond_its_starts_an_agent_is_passed_over_and_the_run_goes_on() {
    let mut run = Run::start(&format!(
        "limits: {{agentStarts: 2}}, nodes: [{{id: each, type: foreach, config: {{items: [1, 2, 3], concurrency: 1}}}}, {{id: ask, within: each, {ASK}}}, {{id: next, type: noop}}],
         edges: [{{from: each, to: next}}]"
    ));
    run.gives("each[0]/ask", json!({"text": "one"}));
    run.gives("each[1]/ask", json!({"text": "two"}));
    assert_eq!(
        run.told()[2..],
        [
            "each[1]/ask succeeded; each[1] succeeded; each[2] begins; each[2]/ask passed by agent limit; each[2] succeeded; \
          each succeeded; each->next taken; next out"
        ]
    );
    assert_eq!(run.value("each"), Some(&json!([{"text": "one"}, {"text": "two"}, null])));
    assert!(
        run.sim.logs.iter().any(|line| line.contains("skipped://agent_limit")),
        "{:?}",
        run.sim.logs
    );
}

#[test]
fn retries_and_lost_attempts_of_agents_count_as_starts() {
    let mut run = Run::start(&format!(
        "limits: {{agentStarts: 2}}, nodes: [{{id: a, {ASK}, retry: {{attempts: 5, backoff: 1s}}}}]"
    ));
    run.stumbles("a");
    run.time("a");
    run.lost("a", false);
    assert_eq!(
        run.told()[1..],
        ["a backs off", "a ready; a out #2", "a lost; a passed by agent limit; ended succeeded"]
    );
}

#[test]
fn instances_are_bounded_over_all_iterations() {
    let ceiling = Ceiling { instances: 6, ..Ceiling::default() };
    let mut run = Run::under(
        "nodes: [{id: each, type: foreach, config: {items: [1, 2, 3, 4], concurrency: 1}}, {id: a, type: noop, within: each},
                 {id: b, type: noop, within: each}]",
        &ceiling,
    );
    run.finish();
    assert_eq!(run.outcome(), Some("failed"));
    assert_eq!(run.code("each"), Some("limit".to_owned()));
    assert!(!run.told().join("; ").contains("each[2]"), "1 and twice 2 fit, one more does not");
}

#[test]
fn an_output_above_256_kib_fails_its_node() {
    let mut run = Run::start("nodes: [{id: a, type: noop}, {id: b, type: noop}]");
    run.gives("a", text(256 * 1024));
    run.gives("b", text(256 * 1024 + 1));
    assert_eq!(
        run.told()[1..],
        ["a succeeded", "b failed: output_too_large; failing; ended failed"]
    );
}

#[test]
fn all_outputs_together_are_bounded() {
    let nodes: Vec<String> =
        (0..66).map(|at| format!("{{id: a{at:02}, type: noop, onError: continue}}")).collect();
    let mut run = Run::start(&format!("nodes: [{}]", nodes.join(", ")));
    let big = text(250 * 1024);
    for _ in 0..66 {
        let at = run.out().remove(0);
        run.gives(&at, big.clone());
    }
    assert_eq!(run.code("a64"), None);
    assert_eq!(run.code("a65"), Some("outputs_too_large".to_owned()));
}

#[test]
fn what_an_item_or_a_round_gives_is_bounded_like_an_output() {
    let doubled = r#"result: "${ nodes.work.output + nodes.work.output }""#;
    let mut run = Run::start(&format!(
        "nodes: [{{id: each, type: foreach, config: {{items: [1, 2], tolerate: 1, {doubled}}}}}, {{id: work, type: noop, within: each}}]"
    ));
    run.gives("each[0]/work", text(200 * 1024));
    run.gives("each[1]/work", json!("ab"));
    let output = run.value("each").expect("an output");
    assert_eq!(
        (&output[0]["error"]["code"], &output[1]),
        (&json!("output_too_large"), &json!("abab"))
    );
    let mut run = Run::start(&format!(
        r#"nodes: [{{id: again, type: loop, config: {{until: "true", {doubled}}}}}, {{id: work, type: noop, within: again}}]"#
    ));
    run.gives("again[0]/work", text(200 * 1024));
    assert_eq!(run.code("again"), Some("output_too_large".to_owned()));
}

#[test]
fn the_run_s_output_is_bounded_like_a_node_s() {
    let mut run = Run::start(
        r#"output: "${ nodes.a.output + nodes.a.output }", nodes: [{id: a, type: noop}]"#,
    );
    run.gives("a", text(200 * 1024));
    assert_eq!(run.told()[1..], ["a succeeded; ended failed"]);
    assert_eq!(run.failure().map(|(code, _)| code), Some("output_too_large".to_owned()));
    assert_eq!(run.sim.output(), None);
}

#[test]
fn an_input_that_is_too_large_or_does_not_fit_starts_nothing() {
    let spec = "input: {type: object, required: [since]}, nodes: []";
    let ir = super::run::compiled(spec, &Ceiling::default()).expect("it compiles");
    let irs = aob_engine::state::IrSet::new(0, std::sync::Arc::new(ir));
    let now = aob_engine::step::Now { time: 1, epoch: 1 };
    for input in [json!({}), json!({"since": text(256 * 1024)})] {
        let refusal =
            aob_engine::route::start(&irs, 0, &request(input), now).expect_err("it is refused");
        let aob_engine::step::Refusal::Start(issues) = refusal else { panic!("{refusal}") };
        assert_eq!(issues[0].entry.name, "BAD_INPUT");
    }
}

#[test]
fn an_input_is_told_everything_that_does_not_fit() {
    let spec = "input: {type: object, required: [a], properties: {b: {type: integer}, c: {type: string}}}, nodes: []";
    let ir = super::run::compiled(spec, &Ceiling::default()).expect("it compiles");
    let irs = aob_engine::state::IrSet::new(0, std::sync::Arc::new(ir));
    let now = aob_engine::step::Now { time: 1, epoch: 1 };
    let input = request(json!({"b": "x", "c": 1}));
    let refusal = aob_engine::route::start(&irs, 0, &input, now).expect_err("it is refused");
    let aob_engine::step::Refusal::Start(issues) = refusal else { panic!("{refusal}") };
    let mut places: Vec<&str> = issues.iter().map(|issue| &*issue.pointer).collect();
    places.sort_unstable();
    assert_eq!(places, ["", "/b", "/c"]);
}

/// Of this many bytes as JSON.
fn text(bytes: usize) -> Value {
    Value::String("x".repeat(bytes - 2))
}
