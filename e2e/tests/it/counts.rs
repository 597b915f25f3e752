//! What a hop and a run cost the server, counted from outside while whole services work.

mod calls;
mod syncs;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aob_runner::clock;
use aob_runner::runs::Runs;
use aob_runner::service::{Service, ServiceOptions};
use aob_store::testing::{RedisServer, ServerOptions};
use redis::{Connection, cmd};
use serde_json::json;
use tokio::time::Instant;

use crate::documents::{chain, in_a_row, workflow};
use crate::local::{
    PATIENCE, finish, one_at_a_time, publish, redis as store, runs, server, start_many,
};
use crate::turn::{Turn, number};

/// Bytes that an idle run of ten nodes may take.
const IDLE_RUN: u64 = 3 * 1024;

fn connection(server: &RedisServer) -> Connection {
    redis::Client::open(server.url()).unwrap().get_connection().unwrap()
}

/// Executes and routes, and writes nothing else.
fn workers(runs: &Arc<Runs>, slots: usize) -> ServiceOptions {
    ServiceOptions { coordinate: false, slots, ..one_at_a_time(runs) }
}

/// An idle run, just begun and half-way at a gate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_of_an_idle_run() {
    let _turn = Turn::take("memory of an idle run").await;
    let server = server();
    let runs = runs(store(&server, 4).await);
    let mut connection = connection(&server);
    let begun = publish(&runs, &chain(10)).await;
    let mut nodes = chain(10)["spec"]["nodes"].as_array().unwrap().clone();
    nodes[5] = json!({"id": "gate", "type": "approval", "config": {"title": "Go on?"}});
    let waiting = publish(&runs, &workflow("waiting", &nodes, &in_a_row(&nodes))).await;
    let options = workers(&runs, 16);
    // Streams, groups and lists are there with the first runs.
    let (first, second) =
        (start_many(&runs, &waiting, 8).await, start_many(&runs, &begun, 8).await);
    wait_at_gates(&options, &first).await;
    finish(&options, &second).await;
    let mut per_run = Vec::new();
    for digest in [&waiting, &begun] {
        let before = memory(&mut connection);
        let all = start_many(&runs, digest, 200).await;
        if digest == &waiting {
            wait_at_gates(&options, &all).await;
        }
        let after = memory(&mut connection);
        let grown = |(kind, bytes): (&String, &u64)| {
            (kind.clone(), (bytes.saturating_sub(*before.get(kind).unwrap_or(&0))) / 200)
        };
        let kinds: BTreeMap<String, u64> =
            after.iter().map(grown).filter(|(_, bytes)| *bytes > 0).collect();
        let total: u64 = kinds.values().sum();
        println!("an idle run of 10 nodes takes {total} bytes: {kinds:?}");
        per_run.push(total);
    }
    assert!(per_run[1] <= IDLE_RUN, "just begun: {}", per_run[1]);
    println!("half-way at a gate, with the outputs of 5 nodes and 6 events: {} bytes", per_run[0]);
}

/// Moves runs until all of them wait for a person.
async fn wait_at_gates(options: &ServiceOptions, all: &[Arc<str>]) {
    let service = Service::spawn(options);
    let until = Instant::now() + PATIENCE;
    for run in all {
        let mut state = options.runs.view(run).await.unwrap().state;
        while state.status() != "waiting" {
            assert!(Instant::now() < until, "{state:?}");
            options.runs.store().watch(run, state.head.seq, PATIENCE).await.unwrap();
            state = options.runs.view(run).await.unwrap().state;
        }
    }
    service.stop().await;
}

/// Bytes of all keys, by kind.
fn memory(connection: &mut Connection) -> BTreeMap<String, u64> {
    let keys: Vec<String> = cmd("KEYS").arg("*").query(connection).unwrap();
    let mut kinds = BTreeMap::new();
    for keys in keys.chunks(500) {
        let mut pipeline = redis::pipe();
        for key in keys {
            pipeline.cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(0);
        }
        let sizes: Vec<u64> = pipeline.query(connection).unwrap();
        for (key, bytes) in keys.iter().zip(sizes) {
            *kinds.entry(key.split(':').nth(2).unwrap_or_default().to_owned()).or_insert(0) +=
                bytes;
        }
    }
    kinds
}

/// Runs that are dropped with their end leave no memory behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_runs_leave_nothing() {
    let _turn = Turn::take("memory after short runs").await;
    let count = number("AOB_SHORT_RUNS").map_or(20_000, |runs| usize::try_from(runs).unwrap());
    // Memory is the matter here: without a file it is over sooner, and without a table of latencies for each command
    // that is called for the first time.
    let arguments = ["--latency-tracking", "no"].map(str::to_owned).to_vec();
    let options = ServerOptions { appendfsync: None, arguments, ..ServerOptions::default() };
    let server = RedisServer::start(options).unwrap();
    drop_all(&server, 2_000).await;
    let before = used(&server);
    let since = Instant::now();
    drop_all(&server, count).await;
    let rate = count as f64 / since.elapsed().as_secs_f64();
    let more = |after: u64| after as f64 / before as f64 - 1.0;
    let mut after = used(&server);
    // What the server lets go of a little later is gone within some readings; what is lost stays.
    for _ in 0..4 {
        if more(after) > 0.01 {
            after = used(&server);
        }
    }
    let more = more(after);
    println!(
        "{count} runs, {rate:.0} a second: {before} bytes before, {after} after, {:+.2} %",
        100.0 * more
    );
    let left: Vec<String> = cmd("KEYS").arg("*run_*").query(&mut connection(&server)).unwrap();
    assert_eq!(left, Vec::<String>::new());
    assert!(more <= 0.01, "{before} bytes before, {after} after");
}

/// Starts so many runs and waits until they are gone; then this process is no client any more.
async fn drop_all(server: &RedisServer, count: usize) {
    let runs = runs(store(server, 4).await);
    let mut document = chain(1);
    document["spec"]["retention"] = json!({"succeeded": "0s", "failed": "0s"});
    let digest = publish(&runs, &document).await;
    let service = Service::spawn(&ServiceOptions { coordinate: true, ..workers(&runs, 64) });
    for _ in 0..count / 500 {
        start_many(&runs, &digest, 500).await;
    }
    let mut connection = connection(server);
    let until = Instant::now() + PATIENCE;
    loop {
        let left: Vec<String> = cmd("KEYS").arg("*:run:*").query(&mut connection).unwrap();
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < until, "{} runs are left", left.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    service.stop().await;
    // Ended tasks are acknowledged many at a time; a sweep settles those that a server keeps for the next ones.
    for shard in 0..runs.store().shards() {
        runs.store().sweep(shard, PATIENCE, clock::now()).await.unwrap();
    }
    runs.store().close().await.unwrap();
}

/// What the server uses when nobody but the caller is its client, without its table of slow commands.
fn used(server: &RedisServer) -> u64 {
    let mut connection = connection(server);
    cmd("SLOWLOG").arg("RESET").exec(&mut connection).unwrap();
    // Tables that have become too large shrink step by step, and clients go one by one: the least of some readings.
    let readings = (0..30).map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let info: String = cmd("INFO").arg("memory").query(&mut connection).unwrap();
        let field = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        field.unwrap().trim().parse::<u64>().unwrap()
    });
    readings.min().unwrap()
}
