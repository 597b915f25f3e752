//! Many live runs: started as others end, followed to their end, and then held against the witness.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aob_e2e::answer::{self, TENANT};
use aob_e2e::witness::{self, Execution};
use aob_engine::check::Ceiling;
use aob_runner::runs::Runs;
use aob_store::testing::RedisServer;
use futures::StreamExt as _;
use redis::aio::MultiplexedConnection;
use serde_json::json;
use tokio::time::Instant;

use super::Shared;
use crate::documents::{nodes, witnessed_chain, witnessed_fan};
use crate::effects::{Again, Tally, check};
use crate::local::{PATIENCE, publish, request};

/// How often it is looked how the runs stand.
const LOOK: Duration = Duration::from_millis(150);
/// Starts at once.
const STARTS: usize = 32;
/// Every so many runs are verified event by event.
const VERIFIED: usize = 5;

pub(super) struct Crowd {
    runs: Arc<Runs>,
    client: redis::Client,
    connection: Option<MultiplexedConnection>,
    shapes: Vec<Shape>,
    /// Of each run, by its number, the id.
    started: Vec<Arc<str>>,
    open: BTreeSet<Arc<str>>,
    answered: usize,
}

struct Shape {
    digest: String,
    nodes: Vec<String>,
}

impl Crowd {
    pub(super) async fn new(store: Shared, server: &RedisServer) -> Self {
        let runs = Runs::new(store, witness::registry().unwrap(), Ceiling::default());
        let mut shapes = Vec::new();
        for document in [witnessed_chain(), witnessed_fan()] {
            let digest = publish(&runs, &document).await;
            shapes.push(Shape { digest, nodes: nodes(&document) });
        }
        let client = redis::Client::open(server.url()).unwrap();
        let (started, open) = (Vec::new(), BTreeSet::new());
        Self { runs, client, connection: None, shapes, started, open, answered: 0 }
    }

    /// Keeps `live` runs under way until then.
    pub(super) async fn keep(&mut self, live: usize, until: Instant) {
        while Instant::now() < until {
            let missing = live.saturating_sub(self.open.len());
            let first = self.started.len();
            let this = &*self;
            let starts = (first..first + missing).map(|number| this.start(number));
            let started: Vec<Arc<str>> =
                futures::stream::iter(starts).buffered(STARTS).collect().await;
            self.open.extend(started.iter().cloned());
            self.started.extend(started);
            self.look().await;
        }
    }

    /// Waits until all have ended; one that has not after a minute is stuck.
    pub(super) async fn finish(&mut self, said: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.open.is_empty() {
            if Instant::now() > until {
                let mut states = Vec::new();
                for run in self.open.iter().take(3) {
                    states.push(self.runs.store().load(run).await);
                }
                panic!("{} runs are stuck: {states:#?}; {said}", self.open.len());
            }
            self.look().await;
        }
    }

    /// Starts run number `number`, however often that takes: it is the same run.
    async fn start(&self, number: usize) -> Arc<str> {
        let digest = &self.shapes[number % self.shapes.len()].digest;
        let request = request(digest, json!({}), Some(format!("run-{number}")));
        let until = Instant::now() + PATIENCE;
        loop {
            match self.runs.start(&request).await {
                Ok(started) => return started.run,
                Err(error) => assert!(Instant::now() < until, "no run starts: {error}"),
            }
        }
    }

    /// Takes out what has ended, and answers questions. A server that is away is asked again later.
    async fn look(&mut self) {
        tokio::time::sleep(LOOK).await;
        match self.ended().await {
            Ok(ended) => self.open.retain(|run| !ended.contains(run)),
            Err(_) => self.connection = None,
        }
        self.answered += answer::unknown_outcomes(&self.runs).await.unwrap_or(0);
    }

    async fn ended(&mut self) -> redis::RedisResult<BTreeSet<Arc<str>>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.client.get_multiplexed_async_connection().await?),
        };
        let mut pipeline = redis::pipe();
        for run in &self.open {
            let shard = aob_store::id::shard(run).unwrap() % self.runs.store().shards();
            pipeline.cmd("HGET").arg(format!("aob:{{s{shard}}}:run:{run}")).arg("status");
        }
        let all: Vec<Option<String>> = pipeline.query_async(connection).await?;
        let over =
            |status: &Option<String>| matches!(status.as_deref(), Some("succeeded" | "failed"));
        let ended = self.open.iter().zip(all).filter(|(_, status)| over(status));
        Ok(ended.map(|(run, _)| run.clone()).collect())
    }

    /// Holds every run against what was executed.
    pub(super) async fn check(&self, witness: &Path) {
        let mut by_run = BTreeMap::<String, Vec<Execution>>::new();
        for execution in witness::read(witness).unwrap() {
            by_run.entry(execution.run.clone()).or_default().push(execution);
        }
        let (mut tally, mut wrong, mut verified) = (Tally::default(), Vec::new(), 0);
        for (number, run) in self.started.iter().enumerate() {
            let shape = &self.shapes[number % self.shapes.len()];
            let executions = by_run.remove(&**run).unwrap_or_default();
            if let Err(why) =
                check(&self.runs, run, &shape.nodes, &executions, Again::Never, &mut tally).await
            {
                wrong.push(format!("{run}: {why}"));
            }
            if number % VERIFIED == 0 {
                verified += 1;
                if let Err(why) = self.runs.verify(run).await.unwrap() {
                    wrong.push(format!("{run}: {why}"));
                }
            }
        }
        println!("{tally:?}, {verified} verified, {} answered", self.answered);
        let count = wrong.len();
        wrong.truncate(5);
        assert!(count == 0, "{count} of {} runs: {wrong:#?}", self.started.len());
        // About one attempt in twenty is lost here, so one node in 200,000 four times.
        assert!(tally.given_up <= 1 + tally.runs / 2_000, "too many are given up: {tally:?}");
        assert!(by_run.is_empty(), "runs that nobody started: {:?}", by_run.keys());
        assert_eq!(
            self.listed().await,
            self.started.iter().cloned().collect(),
            "a start counts once"
        );
        let left = self.runs.store().backlog().await.unwrap();
        assert!(left.is_empty(), "tasks of runs that have ended: {left:?}");
    }

    /// Every run that the store lists.
    async fn listed(&self) -> BTreeSet<Arc<str>> {
        let (mut all, mut cursor) = (BTreeSet::new(), None);
        loop {
            let (page, next) =
                self.runs.store().runs(TENANT, cursor.as_deref(), 1_000).await.unwrap();
            all.extend(page.into_iter().map(|summary| Arc::from(summary.run)));
            cursor = next;
            if cursor.is_none() {
                return all;
            }
        }
    }
}
