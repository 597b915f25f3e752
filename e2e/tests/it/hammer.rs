//! Requests of any kind against a running gateway: bodies and headers that no client would send, beside those that one
//! might. It answers each, never with a fault of its own, stays small, and serves others meanwhile.
//! `AOB_HAMMER_SECONDS` says how long, `AOB_SEED` which requests.

mod answer;
mod bodies;
mod requests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aob_runner::service::Service;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::documents::workflow;
use crate::gateway::Gateway;
use crate::local::{one_at_a_time, publish, redis, runs, server, start};
use crate::turn::{Turn, number};
use requests::{Known, Requests};

/// Clients at once.
const CLIENTS: u64 = 12;
/// The most memory that the gateway may come to have, in bytes.
const MEMORY: u64 = 400 << 20;
/// Longest wait for one answer: beyond every limit of the gateway's own.
const PATIENCE: Duration = Duration::from_secs(90);

/// What came of it.
#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    fine: AtomicU64,
    refused: AtomicU64,
    closed: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_sent_is_answered() {
    let _turn = Turn::take("hammer").await;
    let seconds = number("AOB_HAMMER_SECONDS").unwrap_or(60);
    let seed = number("AOB_SEED").unwrap_or_else(rand::random);
    println!("seed {seed}, {seconds} s");
    let server = server();
    let runs = runs(redis(&server, 2).await);
    let service = Service::spawn(&one_at_a_time(&runs));
    let nodes = [
        json!({"id": "a", "type": "transform", "config": {"value": 1}}),
        json!({"id": "gate", "type": "approval", "config": {"title": "Go on?"}}),
        json!({"id": "b", "type": "noop"}),
    ];
    let edges = [json!({"from": "a", "to": "gate"}), json!({"from": "gate", "to": "b"})];
    let digest = publish(&runs, &workflow("hammered", &nodes, &edges)).await;
    let run = start(&runs, &digest, json!({})).await;
    let gateway = Gateway::start(&server.url(), None, &["--rate", "1000000"]);
    let openapi = get(&gateway, "/api/v1/openapi.json").await;
    let known = Arc::new(Known::new(&openapi, &run, &digest));
    let (counts, until) =
        (Arc::new(Counts::default()), Instant::now() + Duration::from_secs(seconds));
    let early = gateway.resident();
    let mut most = early;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let own = seed.wrapping_add(client);
        let (address, known, counts) =
            (gateway.address().to_owned(), known.clone(), counts.clone());
        clients.spawn(async move {
            let mut requests = Requests::new(StdRng::seed_from_u64(own), known);
            while Instant::now() < until {
                let request = requests.next();
                ask(&address, &request, own, &counts).await;
            }
        });
    }
    while Instant::now() < until {
        // Others are served meanwhile, and soon.
        let began = Instant::now();
        assert!(get(&gateway, &format!("/api/v1/runs/{run}")).await["status"].is_string());
        assert!(began.elapsed() < Duration::from_secs(10), "seed {seed}: {:?}", began.elapsed());
        most = most.max(gateway.resident());
        assert!(most < MEMORY, "seed {seed}: {most} bytes of memory");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "{} requests: {} done, {} refused, {} connections closed; memory {} MiB at first, {} at most",
        count(&counts.sent),
        count(&counts.fine),
        count(&counts.refused),
        count(&counts.closed),
        early >> 20,
        most >> 20
    );
    assert!(count(&counts.fine) > 0 && count(&counts.refused) > 0, "both kinds were sent");
    assert!(runs.verify(&run).await.unwrap().is_ok(), "seed {seed}: the run's history is whole");
    service.stop().await;
}

/// Sends bytes and judges what comes back.
async fn ask(address: &str, request: &[u8], seed: u64, counts: &Counts) {
    counts.sent.fetch_add(1, Ordering::Relaxed);
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut said = Vec::new();
        // Whoever is refused early may find the way closed while it still writes.
        let _ = stream.write_all(request).await;
        let _ = stream.shutdown().await;
        let mut part = [0; 16 * 1_024];
        while let Ok(read @ 1..) = stream.read(&mut part).await {
            said.extend_from_slice(&part[..read]);
            if said.len() > 4 << 20 {
                break;
            }
        }
        said
    };
    let Ok(said) = tokio::time::timeout(PATIENCE, exchange).await else {
        panic!("seed {seed}: no answer to {}", shown(request));
    };
    match answer::judge(&said, request.starts_with(b"HEAD ")) {
        Ok(answer::Kind::Fine) => counts.fine.fetch_add(1, Ordering::Relaxed),
        Ok(answer::Kind::Refused) => counts.refused.fetch_add(1, Ordering::Relaxed),
        Ok(answer::Kind::Closed) => counts.closed.fetch_add(1, Ordering::Relaxed),
        Err(why) => panic!("seed {seed}: {why}\nto {}\nit said {}", shown(request), shown(&said)),
    };
}

/// A request that anybody would send.
async fn get(gateway: &Gateway, path: &str) -> Value {
    let answer = reqwest::get(format!("{}{path}", gateway.url())).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

fn shown(bytes: &[u8]) -> String {
    let part = &bytes[..bytes.len().min(2_000)];
    format!("{} bytes: {}", bytes.len(), part.escape_ascii())
}

/// One of them.
fn pick<'a, T>(rng: &mut StdRng, all: &'a [T]) -> &'a T {
    &all[rng.random_range(0..all.len())]
}
