//! The attempts that a lane has under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aob_store::{Task, TaskRef};
use tokio::sync::mpsc;

use super::{Finished, LaneOptions, Message, answer, lease};
use crate::measure::Attempt;
use crate::node::{self, Canceller, Reason};

/// Attempts under way.
pub(super) struct Attempts {
    options: LaneOptions,
    sender: mpsc::Sender<Message>,
    running: BTreeMap<String, Running>,
    /// Whether a beat is under way.
    beating: bool,
    /// What the last beat found to be ours though nothing here knows of it, and has not come since.
    missed: BTreeSet<String>,
}

struct Running {
    at: TaskRef,
    once: bool,
    canceller: Arc<Canceller>,
    task: tokio::task::JoinHandle<()>,
}

impl Attempts {
    pub(super) fn new(options: LaneOptions, sender: mpsc::Sender<Message>) -> Self {
        Self { options, sender, running: BTreeMap::new(), beating: false, missed: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Takes what a beat did not name and answers what of it is to be begun: tasks whose claim was answered to
    /// nobody. Most are none of these: they were claimed after the beat's names were gathered, and may have been
    /// answered by now. Only what the beat before found too, and nobody has heard of in between, was really missed.
    pub(super) fn unknown(&mut self, unnamed: Vec<Task>, finished: &[Finished]) -> Vec<Task> {
        self.beating = false;
        let before = std::mem::take(&mut self.missed);
        let mut missed = Vec::new();
        for task in unnamed {
            let name = name(&task.at);
            if self.running.contains_key(&name)
                || finished.iter().any(|result| result.at == task.at)
            {
                continue;
            }
            if before.contains(&name) {
                missed.push(task);
            } else {
                self.missed.insert(name);
            }
        }
        missed
    }

    /// Begins an attempt; one that takes no time is finished at once.
    pub(super) fn begin(&mut self, task: Task) -> Option<Finished> {
        let at = task.at.clone();
        if !self.missed.is_empty() {
            self.missed.remove(&name(&at));
        }
        if self.options.nodes.is_immediate(at.kind()) {
            let measured = Attempt::begin(&self.options.nodes, &task, false);
            let answer = answer(self.options.nodes.run_now(&attempt(&task)));
            measured.end(&answer);
            return Some(Finished { at, answer });
        }
        if self.running.contains_key(&name(&at)) {
            return None;
        }
        let (canceller, cancel) = node::cancellation();
        let canceller = Arc::new(canceller);
        let (policy, secrets) = (self.options.policy.clone(), self.options.secrets.clone());
        let context = node::Context::new(policy, secrets, self.options.log.clone(), cancel);
        let (options, sender, once) = (self.options.clone(), self.sender.clone(), task.once);
        let timeout = task.timeout.map(Duration::from_millis);
        let (named, stopper) = (at.clone(), canceller.clone());
        let handle = tokio::spawn(async move {
            let at = task.at.clone();
            if once && !lease::begin(&options, &at).await {
                // Another one holds it, or nobody knows: then it must not begin here.
                return drop(sender.send(Message::Refused(at)).await);
            }
            let measured = Attempt::begin(&options.nodes, &task, true);
            let input = attempt(&task);
            let run = options.nodes.run(&input, &context);
            let result = match timeout {
                None => run.await,
                Some(timeout) => {
                    tokio::pin!(run);
                    tokio::select! {
                        result = &mut run => result,
                        () = tokio::time::sleep(timeout) => {
                            stopper.cancel(Reason::Timeout);
                            run.await
                        }
                    }
                }
            };
            let answer = answer(result);
            measured.end(&answer);
            drop(sender.send(Message::Finished(Finished { at, answer })).await);
        });
        self.running.insert(name(&named), Running { at: named, once, canceller, task: handle });
        None
    }

    pub(super) fn ended(&mut self, at: &TaskRef) {
        self.running.remove(&name(at));
    }

    /// An attempt is no longer ours: what it returns does not count.
    pub(super) fn lose(&mut self, at: &TaskRef) {
        if let Some(running) = self.running.remove(&name(at)) {
            running.canceller.cancel(Reason::Lost);
        }
    }

    /// Keeps the leases, and tells attempts of runs that are being cancelled.
    pub(super) fn beat(&mut self) {
        if self.running.is_empty() || self.beating {
            return;
        }
        self.beating = true;
        let tasks: Vec<TaskRef> = self.running.values().map(|running| running.at.clone()).collect();
        for running in self.running.values() {
            let ending =
                |state: &aob_engine::state::State| state.is_ended() || state.head.cancel.is_some();
            if self.options.runs.peek(&running.at.run).is_some_and(|state| ending(&state)) {
                running.canceller.cancel(Reason::Cancelled);
            }
        }
        tokio::spawn(lease::beat(self.options.clone(), tasks, self.sender.clone()));
    }

    /// Ends all attempts; answers which, and whether they had begun for good.
    pub(super) fn abandon(&mut self) -> Vec<(TaskRef, bool)> {
        std::mem::take(&mut self.running)
            .into_values()
            .map(|running| {
                running.canceller.cancel(Reason::Lost);
                running.task.abort();
                (running.at, running.once)
            })
            .collect()
    }
}

fn name(at: &TaskRef) -> String {
    format!("{}/{}#{}.{}", at.run, at.instance, at.fence.0, at.fence.1)
}

fn attempt(task: &Task) -> node::Task {
    node::Task {
        run: task.at.run.to_string(),
        instance: task.at.instance.clone(),
        node_type: task.at.kind().to_owned(),
        attempt: task.attempt,
        fence: task.at.fence.to_string(),
        key: format!("{}/{}", task.at.run, task.at.instance),
        input: serde_json::Value::clone(&task.input),
    }
}
