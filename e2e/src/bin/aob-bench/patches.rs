//! What live patches cost: the time from asking for one to its first new node's end on a large run under load, and
//! what a patched tenth of all runs takes from the throughput of the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aob_runner::runs::{PatchAsk, Runs, StartOptions, What};
use aob_store::id;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::Result;
use crate::cell::{Shape, System, milliseconds};
use crate::fleet::Fleet;
use crate::graph::TENANT;
use crate::product::Product;

/// Clients that keep the server busy meanwhile.
const CLIENTS: u32 = 16;
/// Patches of a run; a further one begins another run.
const OF_A_RUN: u32 = 50;
/// Pause between two patches.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the load outlasts the last patch: its node is to end under it.
const LAST: Duration = Duration::from_secs(3);
/// What is patched while throughput is measured: every so many runs.
const EVERY: usize = 10;

/// Measures and prints; JSON of what came out.
pub(crate) async fn measure(fleet: &Fleet, seconds: f64) -> Result<Value> {
    let mut results = Vec::new();
    for system in [System::RedisAlways, System::Embedded] {
        let Some(product) = fleet.product(system) else { continue };
        for nodes in [1_000, 10_000] {
            let latency = latency(product, nodes, Duration::from_secs_f64(seconds * 3.0)).await?;
            crate::say(&format!("{}: {nodes} nodes: {latency}", system.name()));
            results.push(json!({"system": system, "nodes": nodes, "latency": latency}));
        }
        let (without, with) = throughput(product, Duration::from_secs_f64(seconds)).await?;
        let loss = 100.0 * (1.0 - with / without);
        crate::say(&format!(
            "{}: {without:.0} hops/s, {with:.0} while one run in ten is patched each second: {loss:.1} % less",
            system.name()
        ));
        results.push(json!({"system": system, "hops": without, "patched": with, "loss": loss}));
    }
    Ok(results.into())
}

/// A run with a root that has ended and so many nodes behind a gate.
async fn large(product: &Product, nodes: u32) -> Result<Arc<str>> {
    let mut all = vec![
        json!({"id": "root", "type": "noop"}),
        json!({"id": "gate", "type": "approval", "config": {"title": "Go on?"}}),
    ];
    let mut edges = vec![json!({"from": "root", "to": "gate"})];
    for number in 2..nodes {
        let id = format!("n{number}");
        let from = if number == 2 { "gate".to_owned() } else { format!("n{}", number / 2 + 1) };
        edges.push(json!({"from": from, "to": id}));
        all.push(json!({"id": id, "type": "noop"}));
    }
    let document = json!({
        "apiVersion": "aob.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": format!("large-{nodes}")},
        "spec": {"limits": {"nodes": 10_000, "patches": 100}, "nodes": all, "edges": edges}
    });
    let digest = product.runs.publish(TENANT, &document, None).await?.digest;
    Ok(product.runs.start(&options(digest)).await?.run)
}

fn options(digest: String) -> StartOptions {
    StartOptions::new(TENANT, digest, json!({}), "user:bench")
}

/// A new node behind `from`.
fn addition(from: &str, id: &str) -> PatchAsk {
    let operations = json!([
        {"op": "add", "path": "/nodes/-", "value": {"id": id, "type": "noop"}},
        {"op": "add", "path": "/edges/-", "value": {"from": from, "to": id}},
    ]);
    PatchAsk {
        id: format!("patch_{}", id::body(0, rand::random(), 0)).into(),
        what: What::Request(json!({"operations": operations})),
        by: "user:bench".to_owned(),
        groups: Vec::new(),
        approves: Vec::new(),
        dry_run: false,
    }
}

/// Times of patches on large runs while clients run chains of ten.
async fn latency(product: &Product, nodes: u32, window: Duration) -> Result<Value> {
    let nodes = if nodes >= 10_000 { nodes - OF_A_RUN } else { nodes };
    let runs = product.runs.clone();
    let mut run = large(product, nodes).await?;
    let load = product.measure(Shape::Chain(10), CLIENTS, window + LAST);
    let patches = async {
        let (mut answered, mut ended) = (Vec::new(), Vec::new());
        let until = Instant::now() + window;
        while Instant::now() < until {
            if answered.len() % OF_A_RUN as usize == 0 {
                run = large(product, nodes).await?;
                settled(&runs, &run, "root").await?;
            }
            let id = format!("new{}", answered.len());
            let since = Instant::now();
            let patched = runs.patch(&run, &addition("root", &id)).await?;
            answered.push(since.elapsed());
            if patched.record.accepted().is_none() {
                return Err(format!("a patch was refused: {:?}", patched.record).into());
            }
            settled(&runs, &run, &id).await?;
            ended.push(since.elapsed());
            tokio::time::sleep(PAUSE).await;
        }
        Result::Ok((answered, ended))
    };
    let (_, times) = tokio::join!(load, patches);
    let (mut answered, mut ended) = times?;
    Ok(json!({
        "patches": answered.len(),
        "answered_ms": percentiles(&mut answered),
        "first_node_ended_ms": percentiles(&mut ended),
    }))
}

/// Waits until an instance has an output.
async fn settled(runs: &Runs, run: &str, instance: &str) -> Result<()> {
    let mut seq = 0;
    for _ in 0..10_000 {
        let kept = runs.store().context(run, &[instance.to_owned()]).await?;
        if !kept.is_empty() {
            return Ok(());
        }
        seq = runs.store().watch(run, seq, Duration::from_millis(50)).await?;
    }
    Err(format!("{instance} of {run} does not end").into())
}

fn percentiles(times: &mut [Duration]) -> Value {
    times.sort_unstable();
    let at = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).max(1);
        times.get(rank - 1).copied().map(milliseconds)
    };
    json!({"p50": at(50), "p99": at(99), "max": at(100)})
}

/// Hops per second without and with patches; windows in turn, the sum of each counts.
async fn throughput(product: &Product, window: Duration) -> Result<(f64, f64)> {
    let (mut without, mut with) = (0.0, 0.0);
    for _ in 0..3 {
        for patched in [false, true] {
            let patcher = if patched { Some(patcher(product).await?) } else { None };
            let sample = product.measure(Shape::Chain(10), 64, window / 3).await?;
            if let Some((stop, patcher)) = patcher {
                stop.send_replace(true);
                patcher.await??;
            }
            let rate = sample.work * 10.0 / sample.window.as_secs_f64();
            if patched { with += rate / 3.0 } else { without += rate / 3.0 }
        }
    }
    Ok((without, with))
}

type Patcher = (tokio::sync::watch::Sender<bool>, JoinHandle<Result<()>>);

/// Patches runs that wait, one for each ten clients' runs, each once a second.
async fn patcher(product: &Product) -> Result<Patcher> {
    let mut waiting = Vec::new();
    for _ in 0..64_usize.div_ceil(EVERY) {
        waiting.push(large(product, 12).await?);
    }
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let runs = product.runs.clone();
    let task = tokio::spawn(async move {
        let mut number = 0_u64;
        let pause = Duration::from_secs(1) / u32::try_from(waiting.len().max(1)).unwrap_or(1);
        let mut tick = tokio::time::interval(pause);
        loop {
            tokio::select! {
                _ = stopped.changed() => return Ok(()),
                _ = tick.tick() => {}
            }
            let Some(run) = waiting.get(number as usize % waiting.len()) else { return Ok(()) };
            runs.patch(run, &addition("gate", &format!("p{number}"))).await?;
            number += 1;
        }
    });
    Ok((stop, task))
}
