//! Prints what a patch of a large run costs the engine, part by part:
//! `cargo run --release -p aob-engine --example patch_time [rounds] [nodes]`.
//!
//! Times on the wall, the median and the least, which is the one that says something on a busy machine.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aob_engine::check::Ceiling;
use aob_engine::compile::{compile, compile_after};
use aob_engine::ir::Ir;
use aob_engine::patch::{
    Checked, Ground, PatchLimits, canonical, check_patch, difference, materialize, read,
};
use aob_engine::registry::Registry;
use aob_engine::route::{apply_patch, start};
use aob_engine::state::IrSet;
use aob_engine::step::{Envelope, Now, StartRequest};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let number = |at: usize| std::env::args().nth(at).and_then(|text| text.parse().ok());
    let rounds = number(1).unwrap_or(21_usize).max(1);
    let counts = match number(2) {
        Some(nodes) => vec![nodes],
        None => vec![1_000, 9_999],
    };
    for nodes in counts {
        let document = materialize(&graph(nodes), &[])?;
        one(rounds, nodes, &document)?;
    }
    Ok(())
}

fn one(rounds: usize, nodes: usize, document: &Value) -> Result<(), Box<dyn Error>> {
    let (registry, ceiling) = (Registry::builtin(), Ceiling::default());
    let told = |issues: Vec<aob_engine::issue::Issue>| format!("{issues:?}");
    let ir = Arc::new(compile(document, &registry, &ceiling).map_err(told)?);
    let request = json!({"operations": [
        {"op": "add", "path": "/nodes/-", "value": node("new", nodes / 2)},
        {"op": "add", "path": "/edges/-", "value": {"from": id(nodes / 2), "to": "new"}},
        {"op": "replace", "path": format!("/nodes/{}/config/url", id(nodes / 2 + 7)), "value": "https://example.com/other"},
    ]});
    let request = read(&request, &PatchLimits::default()).map_err(told)?;
    let check = |ir: Option<&Ir>| -> Result<Checked, Box<dyn Error>> {
        let ground = Ground { base: document, first: 0, overlays: &[], current: document, ir };
        Ok(check_patch(&request, None, ground, &registry, &ceiling).map_err(told)?)
    };
    let checked = check(None)?;
    let operations = canonical(&request.operations, Some(document))?;
    let irs = IrSet::new(0, ir.clone());
    let run = "run_00000000000000000000000000".into();
    let begin = StartRequest::new(run, "t".into(), Arc::new(json!({})), "user:ada".into());
    let now = Now { time: 1_700_000_000_000, epoch: 1 };
    let state = start(&irs, 0, &begin, now)?.state;
    let candidate = checked.candidate("patch_1", "user:ada", &[], &[]);
    let context: BTreeMap<String, Envelope> = BTreeMap::new();
    println!("{nodes} nodes, {rounds} rounds");
    measure("checked, compiled afresh", rounds, || check(None));
    measure("checked, the graph at hand", rounds, || check(Some(&ir)));
    measure("  materialize", rounds, || materialize(document, &[&operations]));
    measure("  difference", rounds, || difference(document, &checked.document));
    measure("  compile", rounds, || compile(&checked.document, &registry, &ceiling));
    measure("  compile after", rounds, || {
        compile_after(&checked.document, &registry, &ceiling, Some(&ir))
    });
    measure("applied to the marking", rounds, || {
        apply_patch(&irs, &state, &context, &candidate, &[], now)
    });
    Ok(())
}

fn measure<T>(name: &str, rounds: usize, mut work: impl FnMut() -> T) {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let since = Instant::now();
            let result = work();
            let wall = since.elapsed();
            drop(result);
            wall
        })
        .collect();
    times.sort_unstable();
    println!("{name:28} {:8.2?} {:8.2?}", times[rounds / 2], times[0]);
}

fn id(at: usize) -> String {
    format!("n{at:05}")
}

/// Reads what its predecessor put out.
fn node(id: &str, at: usize) -> Value {
    let url = match at {
        0 => "https://example.com/rows?since=${ input.since }".to_owned(),
        at => {
            format!("https://example.com/rows?after=${{ nodes.{}.output.last }}", self::id(at - 1))
        }
    };
    json!({"id": id, "type": "http", "config": {"url": url, "method": "POST", "json": {"rows": [1, 2, 3]}}})
}

/// A chain with some edges more, behind conditions.
fn graph(nodes: usize) -> Value {
    let mut edges = Vec::new();
    for at in 1..nodes {
        edges.push(json!({"from": id(at - 1), "to": id(at)}));
        if at > 2 && at % 3 == 0 {
            let back = 2 + (at * 7919) % (at - 1).min(997);
            edges.push(json!({"from": id(at - back.min(at)), "to": id(at), "when": format!("input.x > {at}")}));
        }
    }
    let all: Vec<Value> = (0..nodes).map(|at| node(&id(at), at)).collect();
    json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "large"},
        "spec": {"limits": {"nodes": 10_000}, "nodes": all, "edges": edges}
    })
}
