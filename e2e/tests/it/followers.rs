//! Many followers of one run at one gateway: all see everything in order, whoever else reads slowly or not at all.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aob_engine::step::{Decision, Input, Reply, Verdict};
use aob_runner::runs::Runs;
use aob_runner::service::Service;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Barrier;

use crate::documents::{in_a_row, workflow};
use crate::gateway::Gateway;
use crate::local::{PATIENCE, one_at_a_time, publish, redis, runs, server, start};
use crate::turn::{Turn, number};

/// Nodes behind the gate, as many as a graph may have: each is an event.
const NODES: usize = 999;
/// One of so many followers reads slowly.
const SLOW: usize = 20;

fn followers() -> usize {
    number("AOB_FOLLOWERS").map_or(1_000, |count| usize::try_from(count).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_see_everything() {
    let turn = Turn::take("followers").await;
    measure(&turn, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_delay_nobody() {
    let turn = Turn::take("followers, one of twenty at 1 KB/s").await;
    measure(&turn, followers() / SLOW).await;
}

/// Follows a run that waits at a gate, opens it, and reads until the end. `slow` more followers read 1 KB a second.
async fn measure(_turn: &Turn, slow: usize) {
    let server = server();
    let runs = runs(redis(&server, 4).await);
    let digest = gated(&runs, NODES).await;
    let service = Service::spawn(&one_at_a_time(&runs));
    let run = start(&runs, &digest, json!({})).await;
    let gateway = Gateway::start(&server.url(), None, &["--rate", "1000000"]);
    let alone = gateway.resident();

    let count = followers();
    let ready = Arc::new(Barrier::new(count + 1));
    let mut readers = Vec::with_capacity(count);
    for _ in 0..count {
        let (stream, ready) = (follow(&gateway, &run, None).await, ready.clone());
        readers.push(tokio::spawn(read(stream, ready)));
    }
    let mut slow_ones = Vec::with_capacity(slow);
    for _ in 0..slow {
        let stream = follow(&gateway, &run, Some(4_096)).await;
        slow_ones.push(tokio::spawn(read_slowly(stream)));
    }
    tokio::time::timeout(PATIENCE * 2, ready.wait()).await.unwrap();
    let waiting = gateway.resident();

    go_on(&runs, &run).await;
    let mut delays = Vec::new();
    let mut last = None;
    for reader in readers {
        let seen = tokio::time::timeout(PATIENCE * 4, reader).await.unwrap().unwrap();
        let numbers: Vec<u64> = seen.iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "a gap or a double");
        assert_eq!(*last.get_or_insert(numbers.len()), numbers.len());
        delays.extend(seen.into_iter().skip(2).map(|(_, delay)| delay));
    }
    let busy = gateway.resident();
    assert!(last.unwrap() > NODES, "{last:?}");
    // Whoever reads slowly is far behind when all others have read everything.
    assert!(slow_ones.iter().all(|reader| !reader.is_finished()));
    delays.sort_unstable();
    let at = |part: usize| delays[(delays.len() - 1) * part / 100];
    println!(
        "{count} followers and {slow} slow ones: {} events each; delay p50 {} ms, p99 {} ms, most {} ms; \
         {} bytes of the gateway's memory for each follower when waiting, {} at the end",
        last.unwrap(),
        at(50),
        at(99),
        at(100),
        waiting.saturating_sub(alone) / (count + slow) as u64,
        busy.saturating_sub(alone) / (count + slow) as u64,
    );
    for reader in slow_ones {
        reader.abort();
    }
    service.stop().await;
}

/// Publishes a workflow that waits at a gate, with so many nodes behind it.
pub(crate) async fn gated(runs: &Runs, count: usize) -> String {
    let mut nodes: Vec<_> =
        (0..count).map(|n| json!({"id": format!("n{n}"), "type": "noop"})).collect();
    nodes.insert(0, json!({"id": "gate", "type": "approval", "config": {"title": "Go on?"}}));
    publish(runs, &workflow("followed", &nodes, &in_a_row(&nodes))).await
}

/// Opens the run's gate.
pub(crate) async fn go_on(runs: &Runs, run: &str) {
    let decision = Decision {
        instance: "gate".to_owned(),
        ticket: None,
        answer: Reply::Approve(None),
        by: "user:bob".to_owned(),
        groups: Vec::new(),
        reason: None,
    };
    let verdicts = runs.apply(run, vec![Input::Decision(decision)]).await.unwrap();
    assert_eq!(verdicts, [Verdict::Applied]);
}

/// Asks to follow.
pub(crate) async fn follow(gateway: &Gateway, run: &str, buffer: Option<u32>) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(buffer) = buffer {
        socket.set_recv_buffer_size(buffer).unwrap();
    }
    let mut stream = socket.connect(gateway.address().parse().unwrap()).await.unwrap();
    let request = format!(
        "GET /api/v1/runs/{run}/events HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\n\r\n",
        gateway.address(),
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Number and delay in milliseconds of each event, until the run's end. A frame is never split by the transfer coding.
pub(crate) async fn read(stream: TcpStream, ready: Arc<Barrier>) -> Vec<(u64, u64)> {
    let mut lines = BufReader::new(stream);
    let mut status = String::new();
    lines.read_line(&mut status).await.unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK\r\n");
    let mut seen = Vec::new();
    let (mut line, mut number, mut is_ready) = (String::new(), 0, false);
    loop {
        line.clear();
        assert!(lines.read_line(&mut line).await.unwrap() > 0, "it was cut after {number}");
        if let Some(id) = line.strip_prefix("id: ") {
            number = id.trim().parse().unwrap();
        } else if let Some(data) = line.strip_prefix("data: ").filter(|data| data.contains("\"n\""))
        {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
            seen.push((number, now.saturating_sub(time(data))));
        } else if line.starts_with("event: end") {
            return seen;
        }
        // The run's start, and that it waits.
        if !is_ready && number >= 1 {
            is_ready = true;
            ready.wait().await;
        }
    }
}

/// The event's time, milliseconds since 1970.
fn time(data: &str) -> u64 {
    let (_, rest) = data.split_once("\"t\":\"").unwrap();
    aob_engine::time::instant(rest.split('"').next().unwrap()).unwrap()
}

async fn read_slowly(mut stream: TcpStream) {
    let mut some = [0; 1_024];
    while stream.read(&mut some).await.is_ok_and(|read| read > 0) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
