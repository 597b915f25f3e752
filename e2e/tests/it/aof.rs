//! The append-only file of a server, cut: it recovers to a whole number of commits.

mod log;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aob_engine::state::RunOutcome;
use aob_store::redis::RedisStore;
use aob_store::testing::RedisServer;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use crate::documents::chain;
use crate::local::{ended, finish, one_at_a_time, publish, redis, runs, server, start_many};
use crate::past::Past;
use crate::turn::{Turn, number};
use log::Log;

/// Commits whose commands are cut at their borders, and whose bytes are.
const LAST: (usize, usize) = (200, 3);
/// Cuts at random.
const RANDOM: usize = 500;
/// How long cuts are tried, unless all of them are to be.
const TIME: Duration = Duration::from_secs(40);
/// Fewest cuts.
const FEWEST: usize = 200;
/// Every so many cuts the runs go on.
const GO_ON: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_anywhere() {
    let turn = Turn::take("append-only file cut").await;
    let mut random = turn.random();
    let recording = Arc::new(Recording::new().await);
    let mut cuts = recording.log.cuts(&mut random);
    cuts.shuffle(&mut random);
    let all = number("AOB_AOF_ALL").is_some();
    // The server's start is mostly waiting: two at a time.
    let cuts = Arc::new(cuts);
    let tries =
        (0..2).map(|part| tokio::spawn(try_cuts(recording.clone(), cuts.clone(), part, all)));
    let mut tried = 0;
    for part in tries.collect::<Vec<_>>() {
        tried += part.await.unwrap();
    }
    println!(
        "{tried} of {} cuts of {} bytes with {} commits",
        cuts.len(),
        recording.log.bytes.len(),
        recording.log.commits.len()
    );
    assert!(tried >= FEWEST.min(cuts.len()) && (!all || tried == cuts.len()));
}

/// The same cut in a log whose commits are not transactions is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_commit_is_noticed() {
    let _turn = Turn::take("append-only file without transactions").await;
    let mut recording = Recording::new().await;
    recording.log = recording.log.without_transactions();
    let commits = &recording.log.commits;
    let (before, last) = (commits[commits.len() - 2], commits[commits.len() - 1]);
    let within = recording.log.borders.iter().filter(|border| (before..last).contains(border));
    let within: Vec<usize> = within.copied().collect();
    let mut server = server();
    let mut noticed = 0;
    for &cut in &within {
        server = recording.restart(server, cut).await;
        let store = redis(&server, 1).await;
        let held = recording.past.held(&*store).await;
        noticed += usize::from(held.is_err());
    }
    println!("{noticed} of {} cuts within a commit are noticed", within.len());
    assert!(noticed > 0);
}

/// A log, and what led to it.
struct Recording {
    log: Log,
    past: Past,
}

impl Recording {
    /// Eight runs of thirty nodes, moved by one lane that commits one result at a time.
    async fn new() -> Self {
        let mut server = server();
        let runs = runs(redis(&server, 1).await);
        let digest = publish(&runs, &chain(30)).await;
        let all = start_many(&runs, &digest, 8).await;
        finish(&one_at_a_time(&runs), &all).await;
        let past = Past::of(&runs, &all).await;
        server.kill9();
        let log = Log::read(&file(&server));
        assert_eq!(log.commits.len(), past.events(), "an event for each commit");
        Self { log, past }
    }
}

/// Every second cut; how many there was time for.
async fn try_cuts(
    recording: Arc<Recording>,
    cuts: Arc<Vec<usize>>,
    part: usize,
    all: bool,
) -> usize {
    // A server that has held nothing yet: its manifest and base are those of every other.
    let mut server = server();
    let until = Instant::now() + TIME;
    let mut tried = 0;
    for &cut in cuts.iter().skip(part).step_by(2) {
        if !all && tried >= FEWEST / 2 && Instant::now() > until {
            break;
        }
        server = recording.restart(server, cut).await;
        let store = redis(&server, 1).await;
        let expected = recording.log.commits.iter().filter(|end| **end <= cut).count();
        assert_eq!(recording.past.held(&*store).await, Ok(expected), "cut at {cut}");
        if tried % GO_ON == 0 {
            go_on(&recording.past, &store).await;
        }
        tried += 1;
    }
    tried
}

impl Recording {
    /// Starts the server on the first bytes of the log.
    async fn restart(&self, mut server: RedisServer, cut: usize) -> RedisServer {
        let bytes = self.log.bytes[..cut].to_vec();
        let started = tokio::task::spawn_blocking(move || {
            server.kill9();
            std::fs::write(file(&server), bytes).unwrap();
            server.restart().unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            server
        });
        started.await.unwrap()
    }
}

/// Moves every run that is there to its end.
async fn go_on(past: &Past, store: &Arc<RedisStore>) {
    let runs = runs(store.clone());
    let present = past.present(&**store).await;
    finish(&one_at_a_time(&runs), &present).await;
    for run in &present {
        assert_eq!(ended(&runs, run).await.head.outcome, Some(RunOutcome::Succeeded));
        runs.verify(run).await.unwrap().unwrap();
    }
}

/// The part of the append-only file that grows.
fn file(server: &RedisServer) -> PathBuf {
    server.dir().join("appendonlydir/appendonly.aof.1.incr.aof")
}

impl Log {
    /// Where it is to be cut: at every command border of the last commits and one byte beside it, at every byte of
    /// the very last ones, and at random.
    fn cuts(&self, random: &mut StdRng) -> Vec<usize> {
        let end = self.bytes.len();
        let begin = |last: usize| self.commits[self.commits.len() - 1 - last];
        let borders = self.borders.iter().filter(|border| **border >= begin(LAST.0));
        let mut cuts: BTreeSet<usize> =
            borders.flat_map(|border| [border - 1, *border, border + 1]).collect();
        cuts.extend(begin(LAST.1)..=end);
        cuts.extend((0..RANDOM).map(|_| random.random_range(0..end)));
        cuts.retain(|cut| *cut <= end);
        cuts.into_iter().collect()
    }
}
