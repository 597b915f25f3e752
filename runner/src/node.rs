//! Executes one task of a node: what a worker lane calls. No store and no routing here.
//!
//! A lane hands a [`Task`] and a [`Context`] to a [`Registry`], which resolves secrets, runs the
//! [`NodeType`], and returns an output or a [`Failure`] from which every secret has been taken out.

mod agent;
mod called;
mod cancel;
mod egress;
mod exec;
mod failure;
mod http;
mod log;
mod noop;
mod policy;
mod registry;
mod transform;

pub(crate) use agent::before_answer;
pub use agent::{Agent, Closing, Desk, Finished, Granted, Judged, Mind, Scene};
pub(crate) use called::Called;
pub use called::RunSource;
pub use cancel::{Cancel, Canceller, Reason, cancellation};
pub use egress::{Allowed, Guard, Lookup, Network, Private, Refused};
pub use failure::Failure;
pub use log::{LogLine, LogSink, Origin, Stream};
pub use policy::{ExecPolicy, HttpLimits, Policy};
pub use registry::Registry;

use std::fmt;
use std::sync::Arc;

use aob_engine::catalogue::NOT_SERVED;
use async_trait::async_trait;
use serde_json::Value;

use crate::secret::{Redactor, Secrets};

/// One attempt of one node instance.
#[derive(Clone)]
pub struct Task {
    /// The run's id.
    pub run: String,
    /// The instance's path: `fetch`, `each[3]/fetch`.
    pub instance: String,
    /// The node's type: `http`.
    pub node_type: String,
    /// From 1.
    pub attempt: u32,
    /// Names this attempt to the store.
    pub fence: String,
    /// The idempotency key `run/instance`, the same over all attempts.
    pub key: String,
    /// The node's config, rendered; secrets are references until the registry resolves them.
    pub input: Value,
}

/// What surrounds a task: the runner's rules, its secrets, where log lines go, and the word to stop.
#[derive(Debug, Clone)]
pub struct Context {
    /// What nodes may do on this runner.
    pub policy: Arc<Policy>,
    /// Where secrets come from.
    pub secrets: Arc<Secrets>,
    /// Takes the task's log lines.
    pub log: LogSink,
    /// Tells the task to stop.
    pub cancel: Cancel,
    /// Hides the task's secrets; empty until the registry has resolved them.
    pub redactor: Arc<Redactor>,
}

impl Context {
    /// The context a lane gives to [`Registry::run`].
    #[must_use]
    pub fn new(policy: Arc<Policy>, secrets: Arc<Secrets>, log: LogSink, cancel: Cancel) -> Self {
        Self { policy, secrets, log, cancel, redactor: Arc::default() }
    }
}

/// A type of node. Implement [`NodeType::run`], or for pure and synchronous ones `is_immediate` and `run_now`.
#[async_trait]
pub trait NodeType: Send + Sync {
    /// `http`; other people's have a dot: `acme.enrich`.
    fn name(&self) -> &'static str;

    /// Runs one attempt; `task.input` has its secrets in place. It should return soon after
    /// `cx.cancel`, else it is dropped after [`Policy::grace`]: dropping must release all it holds.
    ///
    /// # Errors
    /// The node's failure; secrets in it are hidden by the registry.
    async fn run(&self, task: &Task, _cx: &Context) -> Result<Value, Failure> {
        self.run_now(task)
    }

    /// Whether `run_now` does all there is: pure, and quick enough for the lane's own thread.
    fn is_immediate(&self) -> bool {
        false
    }

    /// Runs one attempt of an immediate type. Its input holds no secrets.
    ///
    /// # Errors
    /// The node's failure; `not_served` from a type that is not immediate.
    fn run_now(&self, task: &Task) -> Result<Value, Failure> {
        Err(Failure::new(&NOT_SERVED, format!("`{}` is not an immediate type", task.node_type)))
    }

    /// The runs whose tasks it is given, before the first of them.
    fn attach(&self, _runs: &Arc<dyn Desk>) {}

    /// Whether this runner's rules let the type do anything at all; a runner may leave tasks of types that
    /// it does not allow to others.
    fn is_allowed(&self, _policy: &Policy) -> bool {
        true
    }
}

/// Without the input, which may hold secrets.
impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, instance, node_type, attempt, .. } = self;
        write!(f, "Task({run} {instance}: {node_type}, attempt {attempt})")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn task(node_type: &str, input: Value) -> Task {
        Task {
            run: "run_1".into(),
            instance: "n".into(),
            node_type: node_type.into(),
            attempt: 1,
            fence: "f".into(),
            key: "run_1/n".into(),
            input,
        }
    }

    pub(crate) fn context(policy: Policy) -> Context {
        Context::new(
            Arc::new(policy),
            Arc::new(Secrets::none()),
            LogSink::discard(),
            Cancel::never(),
        )
    }

    #[test]
    fn a_printed_task_shows_no_input() {
        let shown = format!("{:?}", task("http", Value::from("hunter2")));
        assert_eq!(shown, "Task(run_1 n: http, attempt 1)");
    }
}
