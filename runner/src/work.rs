//! A worker lane: claims tasks of one shard, runs them, routes and commits their results itself.
//!
//! A busy lane hands in a batch and claims as many in the same call; an idle one waits in the store. A
//! blocked claim is never abandoned half-way (its tasks would wait for their lease), so it has a task of
//! its own.

mod attempt;
mod lease;

use std::sync::Arc;
use std::time::Duration;

use aob_engine::step::{Answer, Input};
use aob_store::{Claim, Signal, Task, TaskRef};
use futures::FutureExt as _;
use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, watch};

use crate::clock;
use crate::node;
use crate::runs::{Busy, Done, Progress, Runs, Work};
use crate::secret::Secrets;

use attempt::Attempts;

/// Most results committed at once.
const BATCH: usize = 128;

/// What a lane needs.
#[derive(Clone)]
pub struct LaneOptions {
    /// Where runs are.
    pub runs: Arc<Runs>,
    /// What it can execute.
    pub nodes: Arc<node::Registry>,
    /// What nodes may do here.
    pub policy: Arc<node::Policy>,
    /// Where secrets come from.
    pub secrets: Arc<Secrets>,
    /// Takes log lines.
    pub log: node::LogSink,
    /// Names this process and lane; new at every start.
    pub consumer: Arc<str>,
    /// Types it claims.
    pub types: Arc<[Arc<str>]>,
    /// The shard it serves.
    pub shard: u32,
    /// Tasks at once.
    pub slots: usize,
    /// Lease length.
    pub lease: Duration,
    /// How long an idle claim waits in the store, and so how long a stop of an idle lane may take.
    pub idle: Duration,
    /// How long running tasks may go on after the word to stop.
    pub drain: Duration,
}

/// A task's end.
pub(crate) struct Finished {
    pub(crate) at: TaskRef,
    pub(crate) answer: Answer,
}

/// What reaches a lane.
pub(crate) enum Message {
    /// From the waiting claim.
    Claimed(Vec<Task>),
    /// From an attempt.
    Finished(Finished),
    /// From an attempt that was not ours to begin.
    Refused(TaskRef),
    /// From a beat, whatever came of it: tasks that are no longer ours, and ones it did not name.
    Beaten { lost: Vec<TaskRef>, unnamed: Vec<Task> },
}

/// Runs a lane until `stop` becomes true and its tasks have ended or been handed back.
pub async fn lane(options: LaneOptions, mut stop: watch::Receiver<bool>) {
    let (sender, mut messages) = mpsc::channel(options.slots * 2 + 16);
    let (want, wanted) = mpsc::channel(1);
    let claimer = tokio::spawn(claimer(options.clone(), wanted, sender.clone()));
    let mut attempts = Attempts::new(options.clone(), sender.clone());
    let mut finished: Vec<Finished> = Vec::new();
    let mut waiting = false;
    let mut beat = tokio::time::interval(options.lease / 3);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut deadline: Option<tokio::time::Instant> = None;
    let mut busy = None;
    loop {
        let stopping = *stop.borrow();
        if stopping && deadline.is_none() {
            deadline = Some(tokio::time::Instant::now() + options.drain);
        }
        if stopping && !waiting && finished.is_empty() && attempts.is_empty() {
            break;
        }
        let free = options.slots.saturating_sub(attempts.len());
        // Results that never cease must not keep the lane from its other duties.
        if beat.tick().now_or_never().is_some() {
            attempts.beat();
        }
        if finished.is_empty() {
            busy = busy.and_then(Busy::end);
        } else if busy.is_none() {
            busy = options.runs.busy(options.shard);
        }
        if busy.is_some() || !finished.is_empty() {
            let batch: Vec<_> = finished.drain(..finished.len().min(BATCH)).collect();
            let most = if stopping { 0 } else { free.min(BATCH) };
            for task in hand_in(&options, batch, claim(&options, most)).await {
                finished.extend(attempts.begin(task));
            }
            take_all(&mut messages, &mut attempts, &mut finished, &mut waiting);
            continue;
        }
        if !stopping && !waiting && free > 0 && want.try_send(free.min(BATCH)).is_ok() {
            waiting = true;
        }
        let until = deadline;
        tokio::select! {
            message = messages.recv() => {
                let Some(message) = message else { break };
                take(message, &mut attempts, &mut finished, &mut waiting);
            }
            _ = beat.tick() => attempts.beat(),
            _ = stop.changed(), if !stopping => {}
            () = sleep_until(until), if until.is_some() => {
                hand_back(&options, attempts.abandon()).await;
                break;
            }
        }
        take_all(&mut messages, &mut attempts, &mut finished, &mut waiting);
    }
    drop(want);
    // A claim that waits in the store ends within `idle`; what it still brings is handed back.
    if claimer.await.is_err() {
        tracing::warn!("the waiting claim did not end in order");
    }
    while let Ok(message) = messages.try_recv() {
        if let Message::Claimed(tasks) = message {
            hand_back(&options, tasks.into_iter().map(|task| (task.at, false)).collect()).await;
        }
    }
}

fn take(
    message: Message,
    attempts: &mut Attempts,
    finished: &mut Vec<Finished>,
    waiting: &mut bool,
) {
    match message {
        Message::Claimed(tasks) => {
            *waiting = false;
            for task in tasks {
                finished.extend(attempts.begin(task));
            }
        }
        Message::Finished(result) => {
            attempts.ended(&result.at);
            finished.push(result);
        }
        Message::Refused(task) => attempts.lose(&task),
        Message::Beaten { lost, unnamed } => {
            for task in &lost {
                attempts.lose(task);
            }
            for task in attempts.unknown(unnamed, finished) {
                finished.extend(attempts.begin(task));
            }
        }
    }
}

/// Takes what has come meanwhile, up to a batch of results.
fn take_all(
    messages: &mut mpsc::Receiver<Message>,
    attempts: &mut Attempts,
    finished: &mut Vec<Finished>,
    waiting: &mut bool,
) {
    while finished.len() < BATCH {
        let Ok(message) = messages.try_recv() else { break };
        take(message, attempts, finished, waiting);
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn claim(options: &LaneOptions, max: usize) -> Claim {
    Claim {
        consumer: options.consumer.clone(),
        types: options.types.clone(),
        shard: options.shard,
        max,
    }
}

/// Commits results, one event per run; answers what was claimed with it. Never gives up a result: a store that
/// is away is waited for, a race that is lost too often goes to the coordinators.
async fn hand_in(options: &LaneOptions, batch: Vec<Finished>, claim: Claim) -> Vec<Task> {
    let mut by_run: FxHashMap<Arc<str>, Vec<Finished>> = FxHashMap::default();
    for finished in batch {
        by_run.entry(finished.at.run.clone()).or_default().push(finished);
    }
    let by_run: Vec<(Arc<str>, Vec<Finished>)> = by_run.into_iter().collect();
    let works: Vec<Work> = by_run
        .iter()
        .map(|(run, results)| Work {
            run: run.clone(),
            inputs: results.iter().map(input).collect(),
            signals: Vec::new(),
        })
        .collect();
    let mut progress = Progress::new(works.len(), Some(claim));
    let mut wait = Duration::from_millis(20);
    loop {
        match options.runs.commit_on(&works, &mut progress).await {
            Ok(()) => {
                let (done, tasks) = progress.end();
                for (done, (run, results)) in done.into_iter().zip(by_run) {
                    match done {
                        Done::Decided(_) | Done::NoRun => {}
                        Done::Raced => report(options, &results).await,
                        Done::Failed(error) => {
                            tracing::error!(run_id = %run, %error, "a result cannot be routed");
                            report(options, &results).await;
                        }
                    }
                }
                return tasks;
            }
            Err(error) => {
                tracing::warn!(%error, "the store does not take results; trying again");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(2));
            }
        }
    }
}

fn input(finished: &Finished) -> Input {
    Input::Settled {
        instance: finished.at.instance.clone(),
        fence: finished.at.fence,
        result: finished.answer.clone(),
    }
}

/// Leaves results to the coordinators. A result that were given up here would be kept by this lane's own beats, and
/// then be taken for a task that was never begun.
async fn report(options: &LaneOptions, results: &[Finished]) {
    for finished in results {
        let signal =
            Signal { run: finished.at.run.clone(), input: input(finished), t: clock::now() };
        let mut wait = Duration::from_millis(20);
        while let Err(error) =
            options.runs.store().report(&options.consumer, &finished.at, &signal).await
        {
            tracing::warn!(run_id = %finished.at.run, instance = %finished.at.instance, %error, "a result cannot be reported; trying again");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }
}

/// Gives tasks back that this process will not finish.
async fn hand_back(options: &LaneOptions, tasks: Vec<(TaskRef, bool)>) {
    for (task, begun) in tasks {
        let input = Input::Returned { instance: task.instance.clone(), fence: task.fence, begun };
        let signal = Signal { run: task.run.clone(), input, t: clock::now() };
        if let Err(error) = options.runs.store().report(&options.consumer, &task, &signal).await {
            tracing::warn!(run_id = %task.run, instance = %task.instance, %error, "a task could not be handed back");
        }
    }
}

/// Waits in the store when the lane is idle.
async fn claimer(
    options: LaneOptions,
    mut wanted: mpsc::Receiver<usize>,
    sender: mpsc::Sender<Message>,
) {
    while let Some(max) = wanted.recv().await {
        let tasks = match options.runs.store().claim(&claim(&options, max), options.idle).await {
            Ok(tasks) => tasks,
            Err(error) => {
                if !matches!(error, aob_store::Error::Epoch) {
                    tracing::warn!(%error, "no tasks can be claimed; trying again");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Vec::new()
            }
        };
        if sender.send(Message::Claimed(tasks)).await.is_err() {
            return;
        }
    }
}

/// What the engine is told of an attempt's end.
pub(crate) fn answer(result: Result<serde_json::Value, node::Failure>) -> Answer {
    match result {
        Ok(output) => Answer::Output(Arc::new(output)),
        Err(failure) => Answer::Error {
            error: aob_engine::state::NodeError::new(failure.code, failure.message),
            retryable: failure.retryable,
        },
    }
}
