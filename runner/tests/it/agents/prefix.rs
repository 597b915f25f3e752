//! What stands first in every question of an agent, as its node puts it together run after run.

use std::time::Duration;

use aob_provider::{Dialect, Provider, prefix_bytes};
use aob_runner::runs::StartOptions;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng};
use serde_json::json;

use super::scripted::{Bench, Scripted, call, text, workflow};

const RUNS: usize = 1_000;

/// Whatever a run is given, whoever starts it and whatever its tools say: each of its questions begins with the bytes that
/// the first question of the first run began with, in every dialect.
#[tokio::test]
async fn a_thousand_runs_of_one_workflow_begin_with_the_same_bytes() {
    let seed = std::env::var("AOB_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random::<u64>);
    println!("AOB_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mind = Scripted::new(|ask, n| match (n % 3, ask.turns.len()) {
        (0, 1) => call("outputs", json!({"node": "note"})),
        _ => text("done"),
    });
    let bench = Bench::new(&mind);
    let document = workflow(json!({
        "nodes": [
            {"id": "note", "type": "transform", "config": {"value": "${ input.note }"}},
            {"id": "think", "type": "agent", "config": {
                "model": "a/b", "prompt": "${ input.question }", "system": "You check invoices.",
                "tools": ["outputs", "http:api.example.com"], "patch": {"allow": ["transform"], "maxNodes": 3}}}
        ],
        "edges": [{"from": "note", "to": "think"}]
    }));
    let digest = bench.runs.publish("default", &document, None).await.expect("kept").digest;
    let mut runs = Vec::new();
    for n in 0..RUNS {
        let note: Vec<u32> = (0..random.random_range(0..20)).map(|_| random.random()).collect();
        let question = format!("{} of {n}?", "why ".repeat(random.random_range(1..30)));
        let input = json!({"question": question, "note": note});
        let by = format!("user:{}", random.random::<u32>());
        let options = StartOptions::new("default", digest.clone(), input, by);
        runs.push(bench.runs.start(&options).await.expect("it starts").run);
    }
    for run in &runs {
        let state = bench.runs.wait(run, Duration::from_secs(60)).await.expect("a state");
        assert!(state.is_ended(), "seed {seed}: {:?}", state.head);
    }
    bench.stop().await;
    let asked = mind.asked.lock().unwrap();
    assert!(asked.len() > RUNS, "seed {seed}: some ask twice, {} in all", asked.len());
    for dialect in [Dialect::Chat, Dialect::Responses, Dialect::Messages] {
        let provider =
            Provider::new(dialect, "https://models.example/v1".parse().expect("an address"));
        let bytes = |ask| prefix_bytes(&provider, ask).expect("it renders");
        let first = bytes(&asked[0]);
        assert!(first.len() > 2_000, "{dialect:?}: {} bytes", first.len());
        println!(
            "{dialect:?}: {} questions begin with the same {} bytes",
            asked.len(),
            first.len()
        );
        for (n, ask) in asked.iter().enumerate() {
            assert!(
                bytes(ask) == first,
                "seed {seed}: question {n} begins otherwise ({dialect:?})"
            );
        }
    }
}
