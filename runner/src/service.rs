//! Everything that moves runs in one process: lanes, coordinators, sweepers, the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aob_store::LogLine;
use aob_telemetry::metrics::metrics;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::clock;
use crate::coordinate::coordinate;
use crate::node::{self, Called, LogSink, Stream};
use crate::runs::Runs;
use crate::secret::Secrets;
use crate::sweep::sweep;
use crate::work::{LaneOptions, lane};

/// How a process takes part.
#[derive(Clone)]
pub struct ServiceOptions {
    /// Where runs are.
    pub runs: Arc<Runs>,
    /// What it can execute.
    pub nodes: Arc<node::Registry>,
    /// What nodes may do here.
    pub policy: Arc<node::Policy>,
    /// Where secrets come from.
    pub secrets: Arc<Secrets>,
    /// Types it claims; none: it executes nothing.
    pub types: Vec<Arc<str>>,
    /// Whether it coordinates and sweeps.
    pub coordinate: bool,
    /// Lanes of each shard.
    pub lanes: usize,
    /// Tasks at once in each lane.
    pub slots: usize,
    /// Lease length.
    pub lease: Duration,
    /// Longest pause between two sweeps of a shard.
    pub sweep: Duration,
    /// How long an idle claim waits in the store, and so how long a stop of an idle lane may take.
    pub idle: Duration,
    /// How long running tasks may go on after the word to stop.
    pub drain: Duration,
}

/// How often registered types are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// The parts of a service that are to run until it is stopped.
#[derive(Clone, Default)]
pub struct Parts {
    begun: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
}

/// One of them, for as long as it runs.
struct Running(Arc<AtomicUsize>);

impl Parts {
    /// Whether all run.
    ///
    /// # Errors
    /// How many are left, and what helps.
    pub fn check(&self) -> Result<(), String> {
        let (begun, running) =
            (self.begun.load(Ordering::Relaxed), self.running.load(Ordering::Relaxed));
        if running >= begun {
            return Ok(());
        }
        Err(format!(
            "{running} of {begun} lanes, coordinators and sweepers run; a restart of this process helps"
        ))
    }

    fn begin(&self) -> Running {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(self.running.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A process's part in moving runs.
pub struct Service {
    parts: Parts,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    log: tokio::task::JoinHandle<()>,
}

impl Service {
    /// Begins.
    pub fn spawn(options: &ServiceOptions) -> Self {
        let (stop, stopped) = watch::channel(false);
        let parts = Parts::default();
        let mut tasks = JoinSet::new();
        let mut spawn = |part: BoxFuture<'static, ()>| {
            let running = parts.begin();
            tasks.spawn(async move {
                part.await;
                drop(running);
            });
        };
        let (sink, lines) = LogSink::channel(4_096);
        let log = tokio::spawn(keep_log(options.runs.clone(), lines));
        let process = format!("{}-{:08x}", std::process::id(), rand::random::<u32>());
        let types: Arc<[Arc<str>]> = options.types.clone().into();
        let (told, known) = watch::channel(types);
        let runs: Arc<dyn node::Desk> = options.runs.clone();
        options.nodes.attach(&runs);
        // Who makes requests for workflows makes those of registered types too.
        if options.types.iter().any(|name| **name == *"http") {
            let called = Called::new(options.runs.clone(), &options.policy);
            options.nodes.serve_others(Box::new(called));
            let (runs, own) = (options.runs.clone(), options.types.clone());
            spawn(Box::pin(serve_registered(runs, own, false, told, stopped.clone())));
        } else if options.types.iter().any(|name| **name == *"job") {
            // And who makes Jobs for workflows makes those of registered types.
            let (runs, own) = (options.runs.clone(), options.types.clone());
            spawn(Box::pin(serve_registered(runs, own, true, told, stopped.clone())));
        }
        for shard in 0..options.runs.store().shards() {
            let lanes = if options.types.is_empty() { 0 } else { options.lanes };
            for number in 0..lanes {
                let own = LaneOptions {
                    runs: options.runs.clone(),
                    nodes: options.nodes.clone(),
                    policy: options.policy.clone(),
                    secrets: options.secrets.clone(),
                    log: sink.clone(),
                    consumer: format!("{process}-{shard}-{number}").into(),
                    types: known.clone(),
                    shard,
                    slots: options.slots,
                    lease: options.lease,
                    idle: options.idle,
                    drain: options.drain,
                };
                spawn(Box::pin(lane(own, stopped.clone())));
            }
            if options.coordinate {
                let consumer: Arc<str> = format!("{process}-c{shard}").into();
                spawn(Box::pin(coordinate(options.runs.clone(), shard, consumer, stopped.clone())));
                let runs = options.runs.clone();
                spawn(Box::pin(sweep(runs, shard, options.lease, options.sweep, stopped.clone())));
            }
        }
        Self { parts, stop, tasks, log }
    }

    /// What of it is to run until it is stopped.
    pub fn parts(&self) -> Parts {
        self.parts.clone()
    }

    /// Ends: nothing new is claimed, running tasks finish or are handed back.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        if let Err(error) = self.log.await {
            tracing::warn!(%error, "the log did not end in order");
        }
    }
}

/// Adds the registered types that a process executes to its own, as they come and go.
async fn serve_registered(
    runs: Arc<Runs>,
    own: Vec<Arc<str>>,
    jobs: bool,
    told: watch::Sender<Arc<[Arc<str>]>>,
    mut stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        match runs.served_types(jobs).await {
            Ok(more) => {
                let more = more.into_iter().filter(|name| !own.contains(name));
                let all: Arc<[Arc<str>]> = own.iter().cloned().chain(more).collect();
                told.send_if_modified(|known| {
                    let changed = *known != all;
                    *known = all;
                    changed
                });
            }
            Err(error) => tracing::warn!(%error, "registered types cannot be read"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Writes log lines in batches, until every lane is gone.
async fn keep_log(runs: Arc<Runs>, mut lines: mpsc::Receiver<node::LogLine>) {
    let mut batch = Vec::new();
    while lines.recv_many(&mut batch, 256).await > 0 {
        let mut by_run: std::collections::BTreeMap<String, Vec<LogLine>> =
            std::collections::BTreeMap::new();
        for line in batch.drain(..) {
            let from = match line.stream {
                Stream::Stdout => "out",
                Stream::Stderr => "err",
                Stream::Node => "aob",
            };
            let kept = LogLine {
                t: clock::now(),
                at: line.origin.instance.clone(),
                from: from.to_owned(),
                text: line.text,
            };
            by_run.entry(line.origin.run.clone()).or_default().push(kept);
        }
        for (run, lines) in by_run {
            if let Err(error) = runs.store().log(&run, &lines).await {
                metrics().log_lines_dropped.add([], lines.len() as u64);
                tracing::warn!(run_id = %run, %error, "log lines could not be kept");
            }
        }
    }
}
