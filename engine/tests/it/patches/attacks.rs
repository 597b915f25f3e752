//! Attacks that are open to anybody who may patch: each is refused with its code, the place in the request, and what
//! to do about it.

use serde_json::{Value, json};

use super::attacks_agent::{edge, found, node};
use super::subject::Subject;

/// A gate between what asks and what pays; a body with one of its own; an exit handler.
const SPEC: &str = r#"nodes: [
    {id: a, type: noop}, {id: g, type: approval, config: {title: "?"}}, {id: pay, type: noop}, {id: then, type: noop},
    {id: call, type: http, config: {url: "https://erp.example.com", bearer: "${ secrets.erp.token }"}},
    {id: each, type: foreach, config: {items: [1]}}, {id: ask, within: each, type: approval, config: {title: "?"}},
    {id: act, within: each, type: noop}, {id: tell, within: finally, type: noop}],
    edges: [{from: a, to: g}, {from: g, to: pay}, {from: pay, to: then}, {from: then, to: call}, {from: a, to: each}, {from: ask, to: act}]"#;

#[track_caller]
fn refused(operations: Value, code: &str, place: &str, remedy: &str) {
    let subject = Subject::start(SPEC);
    found(subject.ask(json!({"operations": operations})), code, place, remedy);
}

fn led(value: Value) -> Value {
    json!({"op": "add", "path": "/edges/-", "value": value})
}

fn noop(id: &str) -> Value {
    node(json!({"id": id, "type": "noop"}))
}

fn cut(name: &str) -> Value {
    json!({"op": "remove", "path": format!("/edges/{name}")})
}

const GATE: &str = "Start the edge at the approval";

#[test]
fn a_condition_before_a_gate_does_not_leave_it_out() {
    let never = json!([{"op": "add", "path": "/edges/a->g/when", "value": "false"}]);
    refused(never, "AOB2107", "/operations/0/path", GATE);
    let through = json!([
        cut("a->g"),
        noop("x"),
        edge("a", "x"),
        led(json!({"from": "x", "to": "g", "when": "false"}))
    ]);
    refused(through, "AOB2107", "/operations/3/value", GATE);
    let otherwise = json!([{"op": "add", "path": "/edges/a->g/otherwise", "value": true}, noop("x"),
        led(json!({"from": "a", "to": "x", "when": "true"}))]);
    refused(otherwise, "AOB2107", "/operations/0/path", GATE);
}

#[test]
fn no_edge_leads_round_a_gate() {
    for after in ["failure", "always"] {
        let round = json!([led(json!({"from": "g", "to": "pay", "after": after}))]);
        refused(round, "AOB2107", "/operations/0/value", GATE);
    }
    let first = json!([{"op": "add", "path": "/nodes/pay/join", "value": "any"}, edge("a", "pay")]);
    refused(first, "AOB1206", "/edges/g->pay", "");
    let any = json!([{"op": "add", "path": "/nodes/then/join", "value": "any"}, edge("a", "then")]);
    refused(any, "AOB2107", "/operations/0/path", GATE);
    let round = json!([edge("a", "then")]);
    refused(round, "AOB2107", "/nodes/then", GATE);
    let before = json!([cut("g->pay"), edge("a", "pay")]);
    refused(before, "AOB2107", "/operations/0/path", GATE);
    let copied = json!([cut("pay->then"), noop("x"), edge("a", "x"), edge("x", "then")]);
    refused(copied, "AOB2107", "/nodes/then", GATE);
}

#[test]
fn a_gate_is_not_removed_or_made_another_thing() {
    let gone =
        json!([cut("a->g"), cut("g->pay"), {"op": "remove", "path": "/nodes/g"}, edge("a", "pay")]);
    refused(gone, "AOB2107", "/operations/2/path", GATE);
    let whole =
        json!([{"op": "replace", "path": "/nodes/g", "value": {"id": "g", "type": "noop"}}]);
    refused(whole, "AOB2107", "/operations/0/value", GATE);
    for (field, value) in [
        ("onError", json!("continue")),
        ("timeout", json!("1s")),
        ("config", json!({"title": "?", "approvers": {"users": ["eve"]}})),
    ] {
        let path = format!("/nodes/g/{field}");
        let changed = json!([{"op": "add", "path": path, "value": value}]);
        refused(changed, "AOB2107", "/operations/0/path", GATE);
    }
}

/// In a body gates guard as in the root, and what they guard does not leave it.
#[test]
fn what_a_gate_of_a_body_guards_is_not_moved_out() {
    let out = json!([cut("ask->act"), {"op": "remove", "path": "/nodes/act/within"}]);
    refused(out, "AOB2107", "/operations/0/path", GATE);
    let moved = json!([cut("ask->act"), {"op": "replace", "path": "/nodes/act/within", "value": "finally"}]);
    refused(moved, "AOB2107", "/operations/0/path", GATE);
    let gate = json!([cut("ask->act"), {"op": "remove", "path": "/nodes/ask/within"}]);
    refused(gate, "AOB2107", "/operations/1/path", GATE);
}

/// A type that is almost `approval` opens nothing: every one that a slip of one letter makes, and many of two.
#[test]
fn a_type_that_looks_like_an_approval_is_none() {
    let like = json!([{"op": "replace", "path": "/nodes/g/type", "value": "aproval"}]);
    refused(like, "AOB1207", "/operations/0/value", "approval");
    // Two letters the other way round are two mistakes already.
    let once = slips("approval", true);
    let twice: Vec<String> =
        slips("approval", false).iter().step_by(20).flat_map(|word| slips(word, false)).collect();
    let mut tried = 0;
    for word in once.iter().chain(&twice) {
        if word == "approval" || !word.starts_with(|first: char| first.is_ascii_lowercase()) {
            continue;
        }
        tried += 1;
        let node = json!({"id": "x", "type": word});
        let add = json!([{"op": "add", "path": "/nodes/-", "value": node}]);
        refused(add, "AOB1207", "/operations/0/value/type", "approval");
    }
    assert!(tried > 1_000, "{tried}");
}

/// Every word that a slip makes of one: a letter left out, doubled, another one, one more, or two the other way round.
fn slips(word: &str, turned: bool) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let mut all = Vec::new();
    for at in 0..=letters.len() {
        let (before, after) = letters.split_at(at);
        let make = |middle: &[char], after: &[char]| -> String {
            before.iter().chain(middle).chain(after).collect()
        };
        for letter in "abelopqrv1_-.".chars() {
            all.push(make(&[letter], after));
            if let Some((_, rest)) = after.split_first() {
                all.push(make(&[letter], rest));
            }
        }
        if let Some((_, rest)) = after.split_first() {
            all.push(make(&[], rest));
        }
        if let (true, [one, other, rest @ ..]) = (turned, after) {
            all.push(make(&[*other, *one], rest));
        }
    }
    all
}

#[test]
fn names_that_look_alike_are_no_names() {
    // A Cyrillic a, a full-width one, a zero-width joiner, a combining accent, upper case, a control character.
    for id in [
        "\u{430}",
        "\u{ff41}",
        "a\u{200d}",
        "a\u{301}",
        "A",
        "a\u{0}",
        "a->b",
        "__proto__",
        "a/b",
        "..",
    ] {
        refused(json!([noop(id)]), "AOB2009", "/operations/0/value/id", "");
        let path = format!("/nodes/{}", id.replace('/', "~1"));
        refused(json!([{"op": "remove", "path": path}]), "AOB2011", "/operations/0/path", "");
    }
}

#[test]
fn paths_lead_nowhere_but_into_the_graph() {
    for (path, code) in [
        ("/nodes/-", "AOB2011"),
        ("/nodes/../limits", "AOB2011"),
        ("/nodes//a", "AOB2011"),
        ("/nodes/a~2", "AOB2010"),
        ("/nodes/~", "AOB2010"),
        ("/limits/agents", "AOB2012"),
        ("/metadata/name", "AOB2012"),
        ("/output", "AOB2012"),
        ("/policy", "AOB2011"),
        ("/spec/limits", "AOB2011"),
        ("", "AOB2011"),
        ("/nodes/g~1config", "AOB2011"),
        ("/nodes/99", "AOB2013"),
    ] {
        let operations =
            json!([{"op": "replace", "path": path, "value": {"id": "a", "type": "noop"}}]);
        refused(operations, code, "/operations/0/path", "");
    }
}

#[test]
fn nothing_is_renamed_doubled_or_copied() {
    let renamed =
        json!([{"op": "replace", "path": "/nodes/pay", "value": {"id": "g", "type": "noop"}}]);
    refused(renamed, "AOB2014", "/operations/0/value", "add the new one");
    let by_field = json!([{"op": "replace", "path": "/nodes/pay/id", "value": "g"}]);
    refused(by_field, "AOB2014", "/operations/0/path", "");
    let turned = json!([{"op": "replace", "path": "/edges/g->pay/from", "value": "a"}]);
    refused(turned, "AOB2014", "/operations/0/path", "");
    refused(json!([noop("g")]), "AOB2016", "/operations/0/path", "");
    let again = json!([edge("g", "pay")]);
    refused(again, "AOB2016", "/operations/0/path", "");
    let copy = json!([{"op": "copy", "from": "/nodes", "path": "/nodes/a/config/x"}]);
    refused(copy, "AOB2005", "/operations/0/op", "whole value");
}

#[test]
fn huge_and_deep_values_are_not_taken() {
    let mut deep = json!(1);
    for _ in 0..70 {
        deep = json!([deep]);
    }
    let deep = json!([{"op": "add", "path": "/nodes/pay/config", "value": {"x": deep}}]);
    refused(deep, "AOB2008", "", "Flatten");
    let long =
        json!([{"op": "add", "path": "/nodes/pay/description", "value": "x".repeat(300 << 10)}]);
    refused(long, "AOB2007", "", "shorter");
    let many: Vec<Value> = (0..300).map(|at| noop(&format!("n{at}"))).collect();
    refused(json!(many), "AOB2006", "/operations", "several patches");
}

/// What stands in a graph is the reference: a test tells whether it is that one, and nothing of what it stands for.
#[test]
fn a_test_tells_nothing_of_a_secret() {
    let guess = json!([{"op": "test", "path": "/nodes/call/config/bearer", "value": "hunter2"}]);
    refused(guess, "AOB2017", "/operations/0/value", "");
    for path in ["/secrets/erp/token", "/nodes/call/config/bearer/erp"] {
        let subject = Subject::start(SPEC);
        let request = json!({"operations": [{"op": "test", "path": path, "value": "x"}]});
        assert!(subject.ask(request).is_err(), "{path}");
    }
    let compared = json!([{"op": "add", "path": "/edges/then->call/when", "value": "secrets.erp.token.startsWith('a')"}]);
    refused(compared, "AOB1105", "/operations/0/value", "");
}

/// A marker is made by the engine alone: in data and in templates its characters are others when it is rendered.
#[test]
fn a_template_forges_no_secret() {
    let forged = "\u{e000}secret:erp/token\u{e001}";
    for value in
        [json!(forged), json!(format!("${{ '{forged}' }}")), json!(format!("x{forged}${{ 1 }}"))]
    {
        let mut subject = Subject::start(SPEC);
        let add =
            json!([node(json!({"id": "x", "type": "transform", "config": {"value": value}}))]);
        subject.patch(add).expect("it is a text like another");
        let rendered = (*subject.task("x").input).clone();
        assert!(aob_engine::expr::find_secrets(&rendered).is_empty(), "{rendered}");
    }
}

/// No author's handler is lost by taking all that has not started away.
#[test]
fn a_gate_is_in_the_way_of_ending_a_run_by_taking_everything_away() {
    let operations: Vec<Value> = ["a->g", "g->pay", "pay->then", "then->call"]
        .map(cut)
        .into_iter()
        .chain(
            ["g", "pay", "then", "call"]
                .map(|id| json!({"op": "remove", "path": format!("/nodes/{id}")})),
        )
        .collect();
    refused(json!(operations), "AOB2107", "/operations/4/path", GATE);
}

/// No schema is fetched, and no expression is without end.
#[test]
fn neither_a_remote_schema_nor_an_endless_expression_is_let_in() {
    let config = json!({"title": "?", "data": {"$ref": "https://evil.example/schema"}});
    let remote = json!([node(json!({"id": "x", "type": "approval", "config": config}))]);
    refused(remote, "AOB1301", "/operations/0/value/config/data", "");
    let bomb = format!("${{ {}1 }}", "1 + ".repeat(5_000));
    let bomb = json!([node(json!({"id": "x", "type": "transform", "config": {"value": bomb}}))]);
    refused(bomb, "AOB1104", "/operations/0/value/config/value", "");
}

/// Many small ones do what one large one may not: no.
#[test]
fn ten_thousand_small_patches_are_not_taken() {
    let mut subject = Subject::start("limits: {patches: 20}, nodes: [{id: a, type: noop}]");
    for at in 0..20 {
        subject.patch(json!([noop(&format!("n{at}"))])).expect("within the limit");
    }
    for _ in 0..20 {
        found(subject.patch(json!([noop("more")])), "AOB2110", "", "raise the limit");
    }
}
