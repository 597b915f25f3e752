//! Prints how long it takes to apply 100 patches to a graph of 1,000 nodes:
//! `cargo run --release -p aob-engine --example materialize_time [rounds] [nodes]`.
//!
//! On a busy machine the median on the wall says little. Beside it stand the least, and the mean of the
//! time this thread had a processor, dropping the results included; that one needs Linux.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::{Duration, Instant};

use aob_engine::compile::spec_digest;
use aob_engine::patch::{
    Op, Operation, PatchError, canonical, difference, materialize, materialize_from,
    operations_between,
};
use serde_json::{Value, json};

const PATCHES: usize = 100;

fn main() -> Result<(), PatchError> {
    let number = |at: usize| std::env::args().nth(at).and_then(|text| text.parse().ok());
    let rounds = number(1).unwrap_or(50_usize).max(1);
    let nodes = number(2).unwrap_or(1000_usize).max(PATCHES * 3);
    let document = graph(nodes);
    let overlays: Vec<Vec<Operation>> =
        (0..PATCHES).map(|at| canonical(&patch(at), None)).collect::<Result<_, _>>()?;
    let overlays: Vec<&[Operation]> = overlays.iter().map(Vec::as_slice).collect();
    let sorted = materialize(&document, &[])?;
    let patched = materialize(&document, &overlays)?;
    let edges = document["spec"]["edges"].as_array().map_or(0, Vec::len);
    println!(
        "{nodes} nodes, {edges} edges, {PATCHES} patches of 6 operations, {rounds} rounds: median, least, on processor"
    );
    measure("materialize all patches", rounds, || materialize(&document, &overlays));
    // As a run does it: from a document that was read for it.
    let read: Vec<Value> = (0..rounds).map(|_| document.clone()).collect();
    let mut read = read.into_iter();
    measure("the same, of what is read", rounds, || {
        read.next().map(|document| materialize_from(document, &overlays))
    });
    measure("materialize one patch", rounds, || materialize(&document, &overlays[..1]));
    measure("the same on a sorted graph", rounds, || materialize(&sorted, &overlays[..1]));
    measure("difference", rounds, || difference(&sorted, &patched));
    measure("operations between", rounds, || operations_between(&sorted, &patched));
    measure("digest", rounds, || spec_digest(&patched));
    Ok(())
}

fn measure<T>(name: &str, rounds: usize, mut work: impl FnMut() -> T) {
    let before = on_processor();
    let mut walls: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            let result = work();
            let wall = start.elapsed();
            drop(result);
            wall
        })
        .collect();
    let busy = on_processor().saturating_sub(before) / u32::try_from(rounds).unwrap_or(1);
    walls.sort_unstable();
    println!("{name:28} {:8.2?} {:8.2?} {busy:8.2?}", walls[rounds / 2], walls[0]);
}

fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0))
}

/// Puts a node between two, changes the config of a third, and tests a fourth.
fn patch(at: usize) -> Vec<Operation> {
    let (from, to, new) = (id(at * 3), id(at * 3 + 1), format!("new{at}"));
    let operation = |op, path: String, value| Operation { op, path, value };
    vec![
        operation(Op::Test, format!("/nodes/{to}/type"), Some(json!("http"))),
        operation(Op::Add, "/nodes/-".to_owned(), Some(node(&new))),
        operation(Op::Remove, format!("/edges/{from}->{to}"), None),
        operation(Op::Add, "/edges/-".to_owned(), Some(json!({"from": from, "to": new}))),
        operation(Op::Add, "/edges/-".to_owned(), Some(json!({"from": new, "to": to}))),
        operation(
            Op::Replace,
            format!("/nodes/{to}/config/url"),
            Some(json!("https://example.com/other")),
        ),
    ]
}

fn id(at: usize) -> String {
    format!("n{at:05}")
}

fn node(id: &str) -> Value {
    json!({
        "id": id, "type": "http", "timeout": "30s", "retry": {"attempts": 3, "backoff": "1s"},
        "config": {"url": "https://example.com/rows?since=${ input.since }", "method": "POST", "json": {"rows": [1, 2, 3], "name": id}},
        "ui": {"x": 120, "y": 40}
    })
}

/// Two in-edges for each node, from the one before and from one further back.
fn graph(nodes: usize) -> Value {
    let mut edges = Vec::new();
    for at in 1..nodes {
        edges.push(json!({"from": id(at - 1), "to": id(at)}));
        if at > 2 {
            let back = 2 + (at * 7919) % (at - 1).min(997);
            edges.push(json!({"from": id(at - back.min(at)), "to": id(at), "when": "input.x > 1"}));
        }
    }
    let nodes: Vec<Value> = (0..nodes).map(|at| node(&id(at))).collect();
    json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "large"},
        "spec": {"nodes": nodes, "edges": edges}
    })
}
