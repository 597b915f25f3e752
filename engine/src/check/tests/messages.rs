//! What is said: the path that shows it, the near miss, the remedy.

use serde_json::{Value, json};

use super::{edge, graph, judged, noop, plus, reader, workflow};

/// Every finding as one text.
fn said(document: &Value) -> String {
    let found = judged(document);
    let mut text = String::new();
    for issue in found.issues.iter().chain(&found.warnings) {
        text.push_str(&format!("{} {}: {}\n", issue.entry.name, issue.pointer, issue.message));
        for detail in &issue.details {
            text.push_str(&format!("  | {detail}\n"));
        }
        if let Some(remedy) = &issue.remedy {
            text.push_str(&format!("  > {remedy}\n"));
        }
    }
    text
}

#[test]
fn a_race_shows_a_way_round() {
    let join = plus(reader("d", "nodes.b.outcome"), json!({"join": "any"}));
    let edges = json!([edge("a", "b"), edge("a", "c"), edge("b", "d"), edge("c", "d")]);
    let said = said(&graph(json!([noop("a"), noop("b"), noop("c"), join]), edges));
    insta::assert_snapshot!(said, @r"
    READ_RACE /spec/nodes/3/config/value: `nodes.b.outcome` is read, but `b` may not have settled when `d` starts
      | `d` can start without it: a -> c -> d
      > Add `- {from: b, to: d}`, or make the join `all`.
    ");
}

#[test]
fn a_race_with_a_later_node_shows_the_path_to_it() {
    let said = said(&graph(
        json!([reader("a", "nodes.c.output"), noop("b"), noop("c")]),
        json!([edge("a", "b"), edge("b", "c")]),
    ));
    insta::assert_snapshot!(said, @r"
    READ_RACE /spec/nodes/0/config/value: `nodes.c.output` is read, but `c` may not have settled when `a` starts
      | `c` settles only after `a`: a -> b -> c
      > Read it in a node after `c`, or turn the edges round.
    ");
}

#[test]
fn an_absent_output_shows_the_path_without_it() {
    let edges = json!([
        plus(edge("a", "b"), json!({"when": "input.x"})),
        edge("a", "c"),
        edge("b", "d"),
        edge("c", "d")
    ]);
    let said = said(&graph(
        json!([noop("a"), noop("b"), noop("c"), reader("d", "nodes.b.output")]),
        edges,
    ));
    insta::assert_snapshot!(said, @r"
    READ_ABSENT /spec/nodes/3/config/value: `nodes.b.output` is read without a guard, but `b` does not certainly have an output there
      | possible without it: a -> c -> d
      | `b` is skipped if `a->b` is not taken
      > Guard it: `has(nodes.b.output) ? nodes.b.output : <default>`.
    ");
}

#[test]
fn near_misses_are_named() {
    let spec = json!({
        "nodes": [
            plus(noop("fetch"), json!({"retri": {}})),
            {"id": "save", "type": "http", "config": {"uri": "https://x"}, "onError": "paus"},
            reader("show", "nodes.fecht.output"),
        ],
        "edges": [edge("fetch", "sav"), {"from": "save", "to": "show", "when": "inputs.x"}],
    });
    insta::assert_snapshot!(said(&workflow(spec)), @r#"
    BAD_SHAPE /spec/nodes/0/retri: `spec.nodes[0]` has no field `retri`; did you mean `retry`?
      > Use one of config, description, effect, id, join, labels, onError, retry, timeout, type, ui, within, or remove it.
    BAD_SHAPE /spec/nodes/1/onError: `spec.nodes[1].onError` is "paus", but must be one of fail, continue, pause; did you mean `pause`?
    BAD_CONFIG /spec/nodes/1/config/uri: the config of `save` (http): it has no field `uri`; did you mean `url`?
      > Use one of bearer, body, expect, headers, json, method, query, url, or remove it.
    BAD_CONFIG /spec/nodes/1/config: the config of `save` (http): it has no `url`, which it needs
      > Write it like `{"query":{"since":"${ input.since }"},"url":"https://erp.example.com/invoices"}`.
    UNKNOWN_NODE /spec/edges/0/to: the edge `fetch->sav` names the node `sav`, which does not exist; did you mean `save`?
    UNKNOWN_NODE /spec/nodes/2/config/value: `nodes.fecht.output` reads the node `fecht`, which does not exist; did you mean `fetch`?
    UNKNOWN_NAME /spec/edges/1/when: there is no name `inputs` here; did you mean `input`?
      | known here: input, nodes, run
    "#);
}

#[test]
fn outside_text_is_bounded_and_printable() {
    let long = "x".repeat(100_000);
    let escape = "\u{1b}[31mred";
    let spec = json!({
        "nodes": [
            {"id": escape, "type": long},
            {"id": long, "type": "noop", "timeout": long, "within": long, escape: 1, "join": escape},
            {"id": "a", "type": "http", "config": {"url": "https://x", &long: 1, "method": long}},
        ],
        "edges": [{"from": long, "to": escape, "after": long}, {"from": "a", "to": long, "when": long}],
        "output": format!("${{ {long} }}"),
    });
    let found = judged(&workflow(spec));
    for issue in found.issues.iter().chain(&found.warnings) {
        assert!(issue.message.len() < 700, "{}: {}", issue.entry.name, issue.message.len());
        let lines = issue.details.iter().chain(&issue.remedy).chain([&issue.message]);
        for line in lines {
            assert!(line.len() < 700 && !line.contains('\u{1b}'), "{line:?}");
        }
        assert!(issue.pointer.len() < 200, "{}", issue.pointer.len());
    }
}
