//! Commands that functions call, told apart from those of clients by MONITOR.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use aob_store::testing::RedisServer;

use super::workers;
use crate::documents::chain;
use crate::local::{finish, publish, redis, runs, server, start_many};
use crate::turn::Turn;

/// Calls that a hop of a busy worker may make.
const MOST: u32 = 6;
/// Nodes of each chain.
const LENGTH: usize = 40;
/// Two lengths of a chain that is alone: what one costs more than the other is what its further hops cost.
const ALONE: (usize, usize) = (20, 60);

/// Chains, moved by workers that commit and claim in one call; in each hop its share of the run's end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_fused_hop() {
    let _turn = Turn::take("calls of a hop").await;
    for (shards, chains) in [(1, 16), (4, 16), (4, 64)] {
        let calls = calls(shards, chains, LENGTH).await;
        let hops = (chains * LENGTH) as u32;
        assert!(calls <= MOST * hops, "{calls} calls in {hops} hops on {shards} shards");
    }
}

/// One chain and nobody to share a call with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_fused_hop_alone() {
    let _turn = Turn::take("calls of a hop alone").await;
    let (short, long) = (calls(1, 1, ALONE.0).await, calls(1, 1, ALONE.1).await);
    let hops = (ALONE.1 - ALONE.0) as u32;
    println!("{} calls in {hops} further hops", long.saturating_sub(short));
    // A task that the worker waits for in the store is claimed by no commit: a call less, in either of them.
    assert!(long.saturating_sub(short) <= MOST * hops + 1, "{short} and {long}");
    assert!(long.saturating_sub(short) + 2 * hops > MOST * hops, "not all was counted");
}

/// How often the commit function called anything until all of these chains had ended.
async fn calls(shards: u32, chains: usize, length: usize) -> u32 {
    let server = server();
    let runs = runs(redis(&server, shards).await);
    let digest = publish(&runs, &chain(length)).await;
    let all = start_many(&runs, &digest, chains).await;
    let monitor = Monitor::start(&server);
    finish(&workers(&runs, 64), &all).await;
    let (commits, within, others) = monitor.stop();
    let calls: u32 = within.values().sum();
    let per_hop = f64::from(calls) / (chains * length) as f64;
    println!(
        "{chains} chains of {length} on {shards} shards: {per_hop:.2} calls per hop in {commits} commits: {within:?}; beside: {others:?}"
    );
    assert!(within.get("rpush").is_some_and(|events| *events > 0), "nothing was counted");
    calls
}

/// Hears every command of a server.
struct Monitor {
    stream: UnixStream,
    lines: JoinHandle<Vec<String>>,
}

type Counts = BTreeMap<String, u32>;

impl Monitor {
    fn start(server: &RedisServer) -> Self {
        let mut stream =
            UnixStream::connect(server.url().strip_prefix("unix://").unwrap()).unwrap();
        stream.write_all(b"MONITOR\r\n").unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "+OK\r\n");
        let lines = std::thread::spawn(move || {
            // Values of hashes are not text.
            let lines = reader.split(b'\n').map_while(Result::ok);
            lines
                .map(|line| String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned())
                .collect()
        });
        Self { stream, lines }
    }

    /// How often the function of commits was called, what it called, and what was called beside.
    fn stop(self) -> (u32, Counts, Counts) {
        let mut stream = self.stream;
        stream.write_all(b"QUIT\r\n").unwrap();
        let lines = self.lines.join().unwrap();
        let (mut commits, mut within, mut others) = (0, Counts::new(), Counts::new());
        let mut in_commit = false;
        for line in &lines {
            let Some((source, command)) = line.split_once("] \"") else { continue };
            let name = command.split('"').next().unwrap_or_default().to_ascii_lowercase();
            if source.ends_with(" lua") {
                let counts = if in_commit { &mut within } else { &mut others };
                *counts.entry(name).or_default() += 1;
                continue;
            }
            // A function is told of before what it calls.
            in_commit = command.starts_with(r#"FCALL" "aob1_commit""#);
            commits += u32::from(in_commit);
            if !in_commit {
                *others.entry(name).or_default() += 1;
            }
        }
        (commits, within, others)
    }
}
