//! The attempts under way, and how one goes: begun, kept, answered until somebody takes the answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aob_engine::catalogue::BAD_ANSWER;
use aob_engine::step::Answer;
use aob_telemetry::metrics::metrics;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::AfarOptions;
use super::ask::{Error, Gateway};
use super::said;
use crate::clock;
use crate::measure::Attempt;
use crate::node::{self, Canceller, Context, Failure, LogSink, Reason};
use crate::remote::{Handed, TaskName};

/// Lines of an attempt that may wait to be sent.
const LINES: usize = 1_024;
/// How long the last lines may take to be sent before the answer is.
const LAST_LINES: Duration = Duration::from_secs(5);
/// The first wait after an answer that nobody took, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long an answer is tried: whoever watches leases has given the task up long before.
const ANSWERED: Duration = Duration::from_secs(300);

/// What all attempts work with.
pub(super) struct Here {
    pub(super) options: AfarOptions,
    pub(super) gateway: Arc<Gateway>,
    pub(super) attempts: Attempts,
    /// Whether nothing new is begun any more.
    pub(super) stop: watch::Receiver<bool>,
}

/// The attempts under way, by run, instance and fence.
#[derive(Clone, Default)]
pub(super) struct Attempts(Arc<Mutex<BTreeMap<Key, Running>>>);

type Key = (String, String, String);

struct Running {
    task: Handed,
    canceller: Arc<Canceller>,
    answered: bool,
}

#[derive(Deserialize)]
struct Signs {
    tasks: Vec<String>,
}

impl Attempts {
    /// The name that the gateway has given an attempt.
    pub(super) fn named(&self, run: &str, instance: &str, fence: &str) -> Option<String> {
        let key = (run.to_owned(), instance.to_owned(), fence.to_owned());
        self.all().get(&key).map(|running| running.task.task.clone())
    }

    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(task: &Handed) -> Key {
    (task.run.clone(), task.instance.clone(), task.fence.clone())
}

impl Here {
    /// One attempt, to its end; the next task, if the answer has brought one.
    pub(super) async fn run(&self, task: Handed) -> Option<Handed> {
        let (canceller, cancel) = node::cancellation();
        let canceller = Arc::new(canceller);
        let running = Running { task: task.clone(), canceller: canceller.clone(), answered: false };
        self.attempts.all().insert(key(&task), running);
        let (log, lines) = LogSink::channel(LINES);
        let mut told = tokio::spawn(said::forward(self.gateway.clone(), task.clone(), lines));
        let (policy, secrets) = (self.options.policy.clone(), self.options.secrets.clone());
        let context = Context::new(policy, secrets, log, cancel);
        let measured = Attempt::begin_named(
            &self.options.nodes,
            (&task.run, &task.instance, &task.fence),
            (&task.node_type, task.attempt),
        );
        let answer = crate::work::answer(self.result(&task, &context, &canceller).await);
        measured.end(&answer);
        drop(context);
        if tokio::time::timeout(LAST_LINES, &mut told).await.is_err() {
            told.abort();
        }
        if let Some(running) = self.attempts.all().get_mut(&key(&task)) {
            running.answered = true;
        }
        let next = self.answer(&task, answer).await;
        self.attempts.all().remove(&key(&task));
        // What came while the word to stop came is another's to do.
        match next {
            Some(next) if *self.stop.borrow() => {
                self.release(&next, false).await;
                None
            }
            next => next,
        }
    }

    async fn result(
        &self,
        task: &Handed,
        context: &Context,
        canceller: &Canceller,
    ) -> Result<Value, Failure> {
        let input = node::Task {
            run: task.run.clone(),
            instance: task.instance.clone(),
            node_type: task.node_type.clone(),
            attempt: task.attempt,
            fence: task.fence.clone(),
            key: task.key.clone(),
            input: Value::clone(&task.input),
        };
        let run = self.options.nodes.run(&input, context);
        let due = TaskName::read(&task.task, "/task").ok().and_then(|name| name.due);
        let Some(due) = due else { return run.await };
        let left = Duration::from_millis(due.saturating_sub(clock::now()));
        tokio::pin!(run);
        tokio::select! {
            result = &mut run => result,
            () = tokio::time::sleep(left) => {
                canceller.cancel(Reason::Timeout);
                run.await
            }
        }
    }

    /// Hands an answer in, until it is taken or nobody wants it any more; an output brings the next task.
    async fn answer(&self, task: &Handed, answer: Answer) -> Option<Handed> {
        let named = |mut body: Value| {
            body["task"] = task.task.clone().into();
            body["fence"] = task.fence.clone().into();
            body
        };
        let failed = |code: &str, message: &str, retryable: bool| {
            let error = json!({"code": code, "message": message});
            named(json!({"error": error, "retryable": retryable}))
        };
        let (mut path, mut body) = match answer {
            Answer::Output(output) => {
                let AfarOptions { types, runners, .. } = &self.options;
                let next = json!({"types": types, "runners": runners, "max": 1});
                let next = (!*self.stop.borrow()).then_some(next);
                ("complete", named(json!({"output": output, "next": next})))
            }
            Answer::Error { error, retryable } => {
                ("fail", failed(&error.code, &error.message, retryable))
            }
        };
        let until = tokio::time::Instant::now() + ANSWERED;
        let mut pause = PAUSES.0;
        loop {
            match self.gateway.post(path, &body).await {
                Ok(mut said) => {
                    if said["result"] != "recorded" && said["result"] != "same" {
                        tracing::info!(run_id = task.run, instance = task.instance, result = %said["result"], "an answer does not count");
                    }
                    let tasks = serde_json::from_value::<Vec<Handed>>(said["tasks"].take());
                    return tasks.ok()?.into_iter().next();
                }
                Err(Error::Refused { message, .. }) if path == "complete" => {
                    // Whatever is wrong with the output, the node is told of it.
                    (path, body) = ("fail", failed(&code(), &message, false));
                }
                Err(Error::Away(why)) if tokio::time::Instant::now() < until => {
                    tracing::warn!(
                        why,
                        run_id = task.run,
                        "an answer is not taken yet; trying again"
                    );
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
                Err(error) => {
                    tracing::error!(run_id = task.run, instance = task.instance, %error, "an answer is not taken");
                    return None;
                }
            }
        }
    }

    /// Keeps what is under way, and stops what is no longer wanted.
    pub(super) async fn beat(&self) {
        let running: Vec<(Key, String)> = {
            let all = self.attempts.all();
            all.iter().map(|(key, running)| (key.clone(), running.task.task.clone())).collect()
        };
        for some in running.chunks(super::MOST) {
            let tasks: Vec<&String> = some.iter().map(|(_, task)| task).collect();
            let signs = match self.gateway.post("heartbeat", &json!({"tasks": tasks})).await {
                Ok(answer) => serde_json::from_value::<Signs>(answer).ok(),
                Err(error) => {
                    tracing::warn!(%error, "leases could not be kept");
                    continue;
                }
            };
            for ((key, _), sign) in
                some.iter().zip(signs.map(|signs| signs.tasks).into_iter().flatten())
            {
                let reason = match sign.as_str() {
                    "lost" => Reason::Lost,
                    "cancelled" => Reason::Cancelled,
                    _ => continue,
                };
                if let Some(running) = self.attempts.all().get(key).filter(|one| !one.answered) {
                    if reason == Reason::Lost {
                        metrics().leases_lost.one([]);
                    }
                    running.canceller.cancel(reason);
                }
            }
        }
    }

    /// Gives a task back.
    pub(super) async fn release(&self, task: &Handed, begun: bool) {
        let body = json!({"task": task.task, "fence": task.fence, "begun": begun});
        if let Err(error) = self.gateway.post("release", &body).await {
            tracing::warn!(run_id = task.run, instance = task.instance, %error, "a task could not be handed back");
        }
    }

    /// Gives back what did not end in time. What must not be repeated may have happened.
    pub(super) async fn abandon(&self) {
        let left = std::mem::take(&mut *self.attempts.all());
        for running in left.into_values() {
            running.canceller.cancel(Reason::Lost);
            self.release(&running.task, running.task.once).await;
        }
    }
}

/// What a refused output is called.
fn code() -> String {
    BAD_ANSWER.name.to_ascii_lowercase()
}
