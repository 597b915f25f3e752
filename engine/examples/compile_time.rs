//! Prints how long compiling large graphs takes: `cargo run --release -p aob-engine --example compile_time`.
//!
//! Beside the time on the wall it prints the time this thread had a processor, which on a busy machine is
//! the one that says something; it needs Linux.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::{Duration, Instant};

use aob_engine::check::Ceiling;
use aob_engine::compile::{compile, compile_after, spec_digest};
use aob_engine::registry::Registry;
use serde_json::{Value, json};

const NODES: usize = 10_000;

/// Takes the number of rounds, 15 if none is given, and a word of the graphs to measure, all if none.
fn main() {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(15).max(1);
    let wanted = std::env::args().nth(2).unwrap_or_default();
    let registry = Registry::builtin();
    let ceiling = Ceiling::default();
    println!(
        "{NODES} nodes, medians of {rounds} rounds: compile (on processor), compile after a patch of one node, digest alone"
    );
    for (name, node, when) in [
        ("no expressions", None, false),
        ("every node reads a source", Some(1), false),
        ("every node reads 500 nodes back", Some(500), false),
        ("the same behind conditions", Some(500), true),
    ] {
        if !name.contains(&wanted) {
            continue;
        }
        let document = graph(node, when);
        let edges = document["spec"]["edges"].as_array().map_or(0, Vec::len);
        let before = match compile(&document, &registry, &ceiling) {
            Ok(ir) => ir,
            Err(issues) => {
                println!("{name}: refused, {}", issues[0]);
                continue;
            }
        };
        let mut patched = document.clone();
        patched["spec"]["nodes"][NODES / 2]["timeout"] = json!("7s");
        let (wall, busy) = measure(rounds, || compile(&document, &registry, &ceiling));
        let (after_wall, after_busy) =
            measure(rounds, || compile_after(&patched, &registry, &ceiling, Some(&before)));
        let (digest_wall, digest_busy) = measure(rounds, || spec_digest(&document));
        println!(
            "{name:32} {edges} edges  {wall:8.2?} ({busy:8.2?})  {after_wall:8.2?} ({after_busy:8.2?})  {digest_wall:8.2?} ({digest_busy:8.2?})"
        );
    }
}

/// Without the time that dropping the result takes.
fn measure<T>(rounds: usize, mut work: impl FnMut() -> T) -> (Duration, Duration) {
    let (mut walls, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (start, before) = (Instant::now(), on_processor());
        let result = work();
        walls.push(start.elapsed());
        busy.push(on_processor().saturating_sub(before));
        drop(result);
    }
    walls.sort_unstable();
    busy.sort_unstable();
    (walls[rounds / 2], busy[rounds / 2])
}

fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0))
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
