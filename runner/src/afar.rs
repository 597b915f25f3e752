//! A runner that reaches no store: it asks a gateway for tasks, over the worker protocol, with a token that proves whose
//! it is. It is given what runners of its tenant execute, and nothing else; what it is asked to do is the same as
//! elsewhere, only where its answers go is another matter.

mod ask;
mod attempt;
mod desk;
mod said;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aob_telemetry::health::Health;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::clock;
use crate::node::{self, Policy};
use crate::remote::Handed;
use crate::secret::Secrets;
use ask::Gateway;
use attempt::{Attempts, Here};
use desk::FarDesk;

/// How long one claim waits at the gateway: it is never given up half-way, so a stop may take as long.
const WAIT: Duration = Duration::from_secs(5);
/// Most tasks of one claim.
const MOST: usize = 64;
/// The first wait after a claim that came to nothing, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// After so many milliseconds without an answer to a claim it is said that the gateway is away.
const AWAY: u64 = 30_000;

/// What it asks, and what it executes.
#[derive(Clone)]
pub struct AfarOptions {
    /// `https://aob-gateway.aob-system`.
    pub gateway: String,
    /// Certificates in PEM by which it is trusted, beside the machine's.
    pub trusted: Option<Vec<u8>>,
    /// The file of the token; it is read again as it is renewed.
    pub token: PathBuf,
    /// The name of the workflows' `spec.runner` that it serves ([`aob_engine::pool::name`]).
    pub runners: String,
    /// What it can execute.
    pub nodes: Arc<node::Registry>,
    /// What nodes may do here.
    pub policy: Arc<Policy>,
    /// Where secrets come from.
    pub secrets: Arc<Secrets>,
    /// Types it claims, 1 to 32.
    pub types: Vec<Arc<str>>,
    /// Tasks at once.
    pub slots: usize,
    /// How long running tasks may go on after the word to stop.
    pub drain: Duration,
}

/// The runner, at work.
pub struct Afar {
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    gateway: Arc<Gateway>,
}

/// An answer to a claim.
#[derive(Deserialize)]
struct Tasks {
    tasks: Vec<Handed>,
    lease: f64,
}

impl Afar {
    /// Begins.
    ///
    /// # Errors
    /// If the gateway's address, its certificates or the token cannot be used.
    pub fn spawn(options: AfarOptions) -> Result<Self, String> {
        let gateway = Gateway::open(&options.gateway, options.trusted.as_deref(), &options.token)?;
        let gateway = Arc::new(gateway);
        let (stop, stopped) = watch::channel(false);
        let attempts = Attempts::default();
        let desk: Arc<dyn node::Desk> = Arc::new(FarDesk::new(gateway.clone(), attempts.clone()));
        options.nodes.attach(&desk);
        let here = Here { options, gateway: gateway.clone(), attempts, stop: stopped };
        let serving = tokio::spawn(serve(Arc::new(here)));
        Ok(Self { stop, serving, gateway })
    }

    /// Tells the admin port how to ask whether the gateway answers.
    pub fn watch(&self, health: &Health) {
        let gateway = self.gateway.clone();
        health.ready("gateway", move || {
            let answers = clock::now().saturating_sub(gateway.heard()) <= AWAY;
            let why =
                || "the gateway has answered nothing in 30 s: see this process's log".to_owned();
            Box::pin(async move { answers.then_some(()).ok_or_else(why) })
        });
    }

    /// Ends: nothing new is claimed, running tasks finish or are handed back.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.serving.await {
            tracing::warn!(%error, "the runner did not end in order");
        }
    }
}

async fn serve(here: Arc<Here>) {
    let mut stop = here.stop.clone();
    let room = Arc::new(Semaphore::new(here.options.slots.max(1)));
    let mut running: JoinSet<()> = JoinSet::new();
    let (lease, leased) = watch::channel(Duration::from_secs(30));
    let beats = tokio::spawn(beat(here.clone(), leased));
    let mut pause = PAUSES.0;
    while !*stop.borrow() {
        let first = tokio::select! {
            permit = room.clone().acquire_owned() => permit,
            _ = stop.changed() => continue,
        };
        let Ok(first) = first else { break };
        let permits = more(&room, first);
        while running.try_join_next().is_some() {}
        match claim(&here, permits.len()).await {
            Ok(Tasks { tasks, lease: seconds }) => {
                pause = PAUSES.0;
                if let Ok(told) = Duration::try_from_secs_f64(seconds) {
                    lease.send_replace(told.max(Duration::from_millis(300)));
                }
                // What came while the word to stop came is another's to do.
                let stopping = *stop.borrow();
                for (task, permit) in tasks.into_iter().zip(permits) {
                    if stopping {
                        here.release(&task, false).await;
                    } else {
                        running.spawn(work(here.clone(), task, permit));
                    }
                }
            }
            Err(why) => {
                drop(permits);
                tracing::warn!(why, "no tasks can be claimed; trying again");
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = stop.changed() => {}
                }
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
    let drained = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(here.options.drain, drained).await.is_err() {
        running.abort_all();
        here.abandon().await;
    }
    beats.abort();
}

/// As many places as are free, at least the one that is held.
fn more(room: &Arc<Semaphore>, first: OwnedSemaphorePermit) -> Vec<OwnedSemaphorePermit> {
    let mut permits = vec![first];
    while permits.len() < MOST
        && let Ok(permit) = room.clone().try_acquire_owned()
    {
        permits.push(permit);
    }
    permits
}

async fn claim(here: &Here, max: usize) -> Result<Tasks, String> {
    let ask = json!({
        "types": here.options.types,
        "runners": here.options.runners,
        "max": max,
        "wait": format!("{}s", WAIT.as_secs()),
    });
    let answer = here.gateway.post("claim", &ask).await.map_err(|error| error.to_string())?;
    serde_json::from_value(answer).map_err(|error| format!("what the gateway answers: {error}"))
}

/// One attempt after the other, as long as an answer brings the next.
async fn work(here: Arc<Here>, task: Handed, _place: OwnedSemaphorePermit) {
    let mut next = Some(task);
    while let Some(task) = next {
        next = here.run(task).await;
    }
}

/// Says that the attempts under way are alive.
async fn beat(here: Arc<Here>, lease: watch::Receiver<Duration>) {
    loop {
        let pause = *lease.borrow() / 3;
        tokio::time::sleep(pause).await;
        here.beat().await;
    }
}
