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
const MOST: f64 = 6.0;
/// Nodes of each chain.
const LENGTH: usize = 40;

/// Sixteen chains at once, moved by a worker that commits and claims in one call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_fused_hop() {
    let _turn = Turn::take("calls of a hop").await;
    for (shards, chains) in [(1, 16), (1, 1), (4, 16), (4, 64)] {
        let server = server();
        let runs = runs(redis(&server, shards).await);
        let digest = publish(&runs, &chain(LENGTH)).await;
        let all = start_many(&runs, &digest, chains).await;
        let monitor = Monitor::start(&server);
        finish(&workers(&runs, 64), &all).await;
        let (functions, within, clients) = monitor.stop();
        let hops = (chains * LENGTH) as f64;
        let calls: u32 = within.values().sum();
        let per_hop = f64::from(calls) / hops;
        println!(
            "{chains} chains on {shards} shards: {per_hop:.2} calls per hop in {functions} functions: {within:?}; by clients: {clients:?}"
        );
        if (shards, chains) == (1, 16) {
            assert!(per_hop <= MOST, "{per_hop}");
        }
    }
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

    /// How many functions were called, what they called, and what clients called beside.
    fn stop(self) -> (u32, Counts, Counts) {
        let mut stream = self.stream;
        stream.write_all(b"QUIT\r\n").unwrap();
        let lines = self.lines.join().unwrap();
        let (mut functions, mut within, mut clients) = (0, Counts::new(), Counts::new());
        for line in &lines {
            let Some((source, command)) = line.split_once("] \"") else { continue };
            let name = command.split('"').next().unwrap_or_default().to_ascii_lowercase();
            if source.ends_with(" lua") {
                *within.entry(name).or_default() += 1;
            } else if name == "fcall" {
                functions += 1;
            } else {
                *clients.entry(name).or_default() += 1;
            }
        }
        (functions, within, clients)
    }
}
