//! The IR of chosen documents, and what holds for that of any.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{compile, spec_digest};
use crate::check::{Ceiling, check};
use crate::ir::{After, Effect, Ir, Join, Kind, Limits, OnError, ROOT, Retry};
use crate::registry::Registry;

static BUILTIN: LazyLock<Registry> = LazyLock::new(Registry::builtin);

fn workflow(spec: Value) -> Value {
    json!({"apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "test"}, "spec": spec})
}

fn compiled(document: &Value) -> Ir {
    compile(document, &BUILTIN, &Ceiling::default()).unwrap()
}

/// A document that uses most of the language.
fn nested() -> Value {
    workflow(json!({
        "output": "${ nodes.z.outcome }",
        "nodes": [
            {"id": "tidy", "type": "foreach", "within": "finally", "config": {"items": "${ [1] }"}},
            {"id": "tidy_one", "type": "noop", "within": "tidy"},
            {"id": "z", "type": "noop", "join": "any"},
            {"id": "each", "type": "foreach", "config": {"items": "${ input.rows }", "as": "row", "tolerate": 2}},
            {"id": "again", "type": "loop", "within": "each", "config": {"until": "nodes.check.output", "max": 3}},
            {"id": "check", "type": "transform", "within": "again", "config": {"value": "${ row }", "assert": "value == row"}},
            {"id": "first", "type": "noop", "within": "each"},
            {"id": "a", "type": "http", "config": {"url": "https://x"}, "timeout": "30s",
                "retry": {"attempts": 4, "backoff": "2s", "factor": 3, "maxBackoff": "1m"}},
            {"id": "odd", "type": "acme.odd", "config": {"x": "${ ) }"}, "onError": "pause", "timeout": "1s"},
        ],
        "edges": [
            {"from": "first", "to": "again"},
            {"from": "each", "to": "z"},
            {"from": "odd", "to": "z", "after": "always"},
            {"from": "a", "to": "each", "when": "nodes.a.output.status == 200"},
            {"from": "a", "to": "odd", "otherwise": true},
            {"from": "a", "to": "z", "after": "failure"},
        ],
    }))
}

#[test]
fn bodies_come_root_first_and_finally_last() {
    let ir = compiled(&nested());
    let ids: Vec<&str> = ir.nodes.iter().map(|node| &*node.id).collect();
    assert_eq!(ids, ["a", "each", "odd", "z", "again", "first", "check", "tidy_one", "tidy"]);
    let containers: Vec<_> =
        ir.bodies.iter().map(|body| body.container.map(|ix| ids[ix as usize])).collect();
    assert_eq!(containers, [None, Some("each"), Some("again"), Some("tidy"), None]);
    assert_eq!(ir.finally, Some(4));
    assert_eq!(ir.node(ir.find("again").unwrap()).kind.body(), Some(2));
    assert_eq!(ir.body(1).last, [ir.find("again").unwrap()]);
    assert_eq!(ir.body(ROOT).last, [ir.find("z").unwrap()]);
    assert_eq!(ir.body(ROOT).digest, ir.digest);
    assert_eq!(ir.digest, spec_digest(&nested()));
}

#[test]
fn nodes_have_what_is_written_and_defaults_for_the_rest() {
    let ir = compiled(&nested());
    let node = |id: &str| ir.node(ir.find(id).unwrap());
    assert_eq!(
        node("a").retry,
        Retry { attempts: 4, backoff: 2000, factor: 3.0, max_backoff: 60_000 }
    );
    assert_eq!(node("a").timeout, Some(30_000));
    assert_eq!(node("a").effect, Effect::Idempotent);
    assert_eq!(
        node("first").retry,
        Retry { attempts: 1, backoff: 1000, factor: 2.0, max_backoff: 300_000 }
    );
    assert_eq!(node("z").join, Join::Any);
    let odd = node("odd");
    assert!(matches!(odd.kind, Kind::Unknown));
    assert_eq!((odd.on_error, odd.timeout, odd.effect), (OnError::Fail, None, Effect::Pure));
    let Kind::Foreach { name, concurrency, tolerate, result, .. } = &node("each").kind else {
        panic!()
    };
    assert_eq!((&**name, concurrency.source(), tolerate.source()), ("row", &json!(10), &json!(2)));
    assert!(result.is_none());
    let Kind::Loop { until, max, .. } = &node("again").kind else { panic!() };
    assert_eq!((until.source(), max.source()), ("nodes.check.output", &json!(3)));
    let Kind::Task { config, asserts, agent } = &node("check").kind else { panic!() };
    assert_eq!((config.source(), asserts.len(), *agent), (&json!({"value": "${ row }"}), 1, false));
    assert_eq!(ir.warnings.len(), 1);
    assert_eq!(ir.output.as_ref().unwrap().source(), &json!("${ nodes.z.outcome }"));
}

#[test]
fn limits_are_the_smaller_of_both() {
    let limits = json!({"agents": 3, "patches": 9999, "duration": "2h", "spend": {"usd": "2.5"}});
    let found = compiled(&workflow(json!({"nodes": [], "limits": limits}))).limits;
    let wanted = Limits {
        agents: 3,
        agent_starts: 50,
        nodes: 1000,
        instances: 1_000_000,
        patches: 1000,
        duration: 7_200_000,
        spend: Some(2_500_000),
    };
    assert_eq!(found, wanted);
    let capped = Ceiling { spend: Some(1_000_000), ..Ceiling::default() };
    let document = workflow(json!({"nodes": [], "limits": limits}));
    assert_eq!(compile(&document, &BUILTIN, &capped).unwrap().limits.spend, Some(1_000_000));
}

#[test]
fn edges_are_found_by_identity() {
    let ir = compiled(&nested());
    let (a, z) = (ir.find("a").unwrap(), ir.find("z").unwrap());
    let found = ir.find_edge(a, z, After::Failure).unwrap();
    assert_eq!(ir.edge_name(found), "a->z:failure");
    assert_eq!(ir.find_edge(a, z, After::Success), None);
    assert_eq!(ir.find("nobody"), None);
}

#[test]
fn what_is_refused_has_no_ir() {
    let broken =
        workflow(json!({"nodes": [{"id": "a", "type": "http"}, {"id": "u", "type": "acme.u"}]}));
    let issues = compile(&broken, &BUILTIN, &Ceiling::default()).unwrap_err();
    assert_eq!(issues.len(), 1);
    assert_eq!(issues[0].entry.name, "BAD_CONFIG");
    assert!(compile(&json!(null), &BUILTIN, &Ceiling::default()).is_err());
}

#[test]
fn the_digest_is_that_of_the_spec_as_written() {
    let node = json!({"id": "a", "type": "noop", "labels": {"x": "y"}});
    let spec = json!({"nodes": [node]});
    let digest = spec_digest(&workflow(spec.clone()));
    assert_eq!(digest, crate::canonical::digest(&spec));
    // A list of no edges is as none.
    let mut empty = spec.clone();
    empty["edges"] = json!([]);
    assert_eq!(spec_digest(&workflow(empty)), digest);
    // Also of what no rule would let pass.
    for spec in [
        json!({"nodes": [], "edges": [{"from": "a\"\n", "to": "\\"}]}),
        json!({}),
        json!(null),
        json!({"nodes": 1, "é": 2}),
    ] {
        assert_eq!(spec_digest(&workflow(spec.clone())), crate::canonical::digest(&spec));
    }
    // Reserved fields: `ui` is left out, the others are not.
    let mut with_ui = spec.clone();
    with_ui["nodes"][0]["ui"] = json!({"x": 1});
    assert_eq!(spec_digest(&workflow(with_ui)), digest);
    let mut described = spec.clone();
    described["nodes"][0]["description"] = json!("what it is for");
    assert_ne!(spec_digest(&workflow(described)), digest);
    // No default is filled in, and nothing outside the spec counts.
    let mut default = spec.clone();
    default["nodes"][0]["join"] = json!("all");
    assert_ne!(spec_digest(&workflow(default)), digest);
    let mut renamed = workflow(spec.clone());
    renamed["metadata"]["name"] = json!("other");
    assert_eq!(spec_digest(&renamed), digest);
    // A config may have a field of that name.
    let mut config = spec;
    config["nodes"][0]["config"] = json!({"ui": 1});
    assert_ne!(spec_digest(&workflow(config)), digest);
}

#[test]
fn a_body_s_digest_is_about_that_body() {
    let before = compiled(&nested());
    let mut changed = nested();
    changed["spec"]["nodes"][6]["description"] = json!("changed");
    let after = compiled(&changed);
    let same: Vec<bool> =
        before.bodies.iter().zip(&after.bodies).map(|(a, b)| a.digest == b.digest).collect();
    assert_eq!(same, [false, false, true, true, true]);
    // What lies deeper counts too.
    let mut changed = nested();
    changed["spec"]["nodes"][5]["description"] = json!("changed");
    let after = compiled(&changed);
    let same: Vec<bool> =
        before.bodies.iter().zip(&after.bodies).map(|(a, b)| a.digest == b.digest).collect();
    assert_eq!(same, [false, false, false, true, true]);
}

/// Any document of the right shape: many are refused by some rule.
fn any_document() -> impl Strategy<Value = Value> {
    const KINDS: &[&str] = &[
        "noop",
        "noop",
        "noop",
        "transform",
        "approval",
        "acme.x",
        "foreach",
        "loop",
        "http",
        "agent",
        "workflow",
    ];
    const READS: &[&str] = &[
        "input.x",
        "nodes.n0.output",
        "has(nodes.n1.output) ? nodes.n1.output : 0",
        "nodes.n2.outcome",
        "item",
        "prev",
        "1 +",
    ];
    let node =
        (prop::sample::select(KINDS), prop::sample::select(READS), 0..12u8, any::<bool>(), 0..6u8);
    let edge = (0..12u8, 0..12u8, 0..4u8, 0..8u8, prop::sample::select(READS));
    let lists =
        (prop::collection::vec(node, 0..12), prop::collection::vec(edge, 0..16), any::<bool>());
    lists.prop_map(|(nodes, edges, forward)| {
        let count = u8::try_from(nodes.len().max(1)).unwrap();
        let written: Vec<Value> = (0..)
            .zip(nodes)
            .map(|(at, (kind, read, within, any, on_error)): (u8, _)| {
                let template = format!("${{ {read} }}");
                let config = match kind {
                    "transform" => json!({"value": template}),
                    "approval" => json!({"title": "x"}),
                    "foreach" => json!({"items": "${ [1, 2] }"}),
                    "loop" => json!({"until": read}),
                    "http" => json!({"url": "https://x", "json": template}),
                    "agent" => json!({"model": "x/y", "prompt": template}),
                    "workflow" => json!({"name": "child", "input": template}),
                    _ => json!({}),
                };
                let mut node = json!({"id": format!("n{at}"), "type": kind, "config": config});
                match within {
                    0..4 => node["within"] = json!(format!("n{within}")),
                    4 => node["within"] = json!("finally"),
                    _ => {}
                }
                if any {
                    node["join"] = json!("any");
                }
                if on_error == 0 {
                    node["onError"] = json!("pause");
                }
                node
            })
            .collect();
        let links: Vec<Value> = edges
            .into_iter()
            .map(|(from, to, after, branch, read)| {
                let (from, to) = (from % count, to % count);
                let (from, to) = if forward { (from.min(to), from.max(to)) } else { (from, to) };
                let mut edge = json!({"from": format!("n{from}"), "to": format!("n{to}")});
                match after {
                    0 => edge["after"] = json!("failure"),
                    1 => edge["after"] = json!("always"),
                    2 => edge["after"] = json!("success"),
                    _ => {}
                }
                match branch {
                    0 => edge["when"] = json!(read),
                    1 => edge["otherwise"] = json!(true),
                    _ => {}
                }
                edge
            })
            .collect();
        workflow(json!({"nodes": written, "edges": links, "output": "${ has(nodes.n0.output) ? 1 : 2 }"}))
    })
}

/// A document of the root scope without mistakes.
fn valid_document() -> impl Strategy<Value = Value> {
    let edge = (0..30usize, 0..30usize, 0..3usize);
    (1..30usize, prop::collection::vec(edge, 0..60)).prop_map(|(count, edges)| {
        let mut seen = BTreeSet::new();
        let nodes: Vec<Value> = (0..count)
            .map(|at| json!({"id": format!("n{at}"), "type": "transform", "config": {"value": "${ input }"}, "ui": {"x": at}}))
            .collect();
        let edges: Vec<Value> = edges
            .into_iter()
            .map(|(from, to, after)| (from % count, to % count, ["success", "failure", "always"][after]))
            .filter(|(from, to, after)| from < to && seen.insert((*from, *to, *after)))
            .map(|(from, to, after)| json!({"from": format!("n{from}"), "to": format!("n{to}"), "after": after}))
            .collect();
        workflow(json!({ "nodes": nodes, "edges": edges }))
    })
}

fn check_ir(ir: &Ir) {
    let key = |ix: u32| (ir.node(ix).body, ir.node(ix).id.clone());
    for ix in 1..u32::try_from(ir.nodes.len()).unwrap() {
        assert!(key(ix - 1) < key(ix));
    }
    for (ix, edge) in (0..).zip(&ir.edges) {
        assert_eq!(ir.node(edge.from).body, ir.node(edge.to).body);
        assert!(ir.node(edge.to).ins.contains(&ix) && ir.node(edge.from).outs.contains(&ix));
        assert!(ir.body(ir.node(edge.to).body).edges.contains(&ix));
        assert_eq!(ir.find_edge(edge.from, edge.to, edge.after), Some(ix));
    }
    let ins: usize = ir.nodes.iter().map(|node| node.ins.len()).sum();
    let outs: usize = ir.nodes.iter().map(|node| node.outs.len()).sum();
    assert_eq!((ins, outs), (ir.edges.len(), ir.edges.len()));
    for (ix, node) in (0..).zip(&ir.nodes) {
        assert_eq!(ir.find(&node.id), Some(ix));
        assert!(ir.body(node.body).nodes.contains(&ix));
        if let Some(body) = node.kind.body() {
            assert_eq!(ir.body(body).container, Some(ix));
            assert!(!ir.body(body).nodes.is_empty());
        }
    }
    for body in &ir.bodies {
        assert!(body.digest.len() == 71 && body.digest.starts_with("sha256:"));
    }
}

fn turned(document: &Value, by: usize) -> Value {
    let mut document = document.clone();
    for list in ["nodes", "edges"] {
        let list = document["spec"][list].as_array_mut().unwrap();
        let by = by % list.len().max(1);
        list.rotate_left(by);
        list.reverse();
        if let Some(last) = list.last_mut() {
            last["ui"] = json!({"turned": by});
        }
    }
    for edge in document["spec"]["edges"].as_array_mut().unwrap() {
        edge.as_object_mut().unwrap().remove("ui");
    }
    document
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_document_is_compiled_or_refused(document in any_document()) {
        let found = check(&document, &BUILTIN, &Ceiling::default());
        match compile(&document, &BUILTIN, &Ceiling::default()) {
            Ok(ir) => {
                prop_assert!(found.issues.is_empty());
                check_ir(&ir);
            }
            Err(issues) => {
                prop_assert_eq!(issues.len(), found.issues.len());
                for issue in issues {
                    prop_assert!(document.pointer(&issue.pointer).is_some(), "{}", issue);
                }
            }
        }
    }

    #[test]
    fn the_order_of_nodes_and_edges_means_nothing(document in valid_document(), by in 0..30usize) {
        let ir = compiled(&document);
        check_ir(&ir);
        let other = turned(&document, by);
        let again = compiled(&other);
        prop_assert_eq!(&ir.digest, &again.digest);
        prop_assert_eq!(format!("{:?}", ir), format!("{:?}", again));
    }
}
