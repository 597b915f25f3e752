//! Prints how long compiling large graphs takes: `cargo run --release -p aob-engine --example compile_time`.

use std::time::{Duration, Instant};

use aob_engine::check::Ceiling;
use aob_engine::compile::{compile, spec_digest};
use aob_engine::registry::Registry;
use serde_json::{Value, json};

const NODES: usize = 10_000;
const ROUNDS: usize = 15;

fn main() {
    let registry = Registry::builtin();
    let ceiling = Ceiling::default();
    println!("{NODES} nodes; median and least of {ROUNDS} compiles, the digest alone beside it");
    for (name, node, when) in [
        ("no expressions", None, false),
        ("every node reads a source", Some(1), false),
        ("every node reads 500 nodes back", Some(500), false),
        ("the same behind conditions", Some(500), true),
    ] {
        let document = graph(node, when);
        let edges = document["spec"]["edges"].as_array().map_or(0, Vec::len);
        if let Err(issues) = compile(&document, &registry, &ceiling) {
            println!("{name}: refused, {}", issues[0]);
            continue;
        }
        let (median, least) = measure(|| drop(compile(&document, &registry, &ceiling)));
        let (digest, _) = measure(|| drop(spec_digest(&document)));
        println!("{name:34} {edges} edges  {median:8.2?}  {least:8.2?}  {digest:8.2?}");
    }
}

fn measure(mut work: impl FnMut()) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[ROUNDS / 2], times[0])
}

/// Two in-edges for each node, from the one before and from one further back. `reads`: how far back each
/// node reads an output, guarded where it may be absent.
fn graph(reads: Option<usize>, when: bool) -> Value {
    let id = |at: usize| format!("n{at:05}");
    let node = |at: usize| {
        let config = match reads.filter(|back| *back <= at) {
            Some(back) if when => {
                let read = format!("nodes.{}.output", id(at - back));
                json!({"value": format!("${{ has({read}) ? {read} : {at} }}")})
            }
            Some(back) => {
                json!({"value": {"at": at, "read": format!("${{ nodes.{}.output }}", id(at - back))}})
            }
            None => json!({"value": {"at": at, "name": "plain text"}}),
        };
        json!({"id": id(at), "type": "transform", "config": config})
    };
    let nodes: Vec<Value> = (0..NODES).map(node).collect();
    let mut edges = Vec::new();
    for at in 1..NODES {
        edges.push(json!({"from": id(at - 1), "to": id(at)}));
        if at > 1 {
            // Spread without chance, so that every run measures the same graph.
            let back = 2 + (at * 7919) % (at - 1).min(997);
            let mut edge = json!({"from": id(at - back.min(at)), "to": id(at)});
            if when {
                edge["when"] = json!("input.x > 1");
            }
            edges.push(edge);
        }
    }
    json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "large"},
        "spec": {"limits": {"nodes": NODES}, "nodes": nodes, "edges": edges}
    })
}
