//! The node types a worker serves, and what surrounds each attempt.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use aob_engine::catalogue::{NODE_OUTPUT_LIMIT, NODE_PANIC, NOT_SERVED};
use futures::FutureExt as _;
use serde_json::Value;

use super::exec::Exec;
use super::http::Http;
use super::noop::Noop;
use super::transform::Transform;
use super::{Context, Desk, Failure, NodeType, Policy, Task};
use crate::secret::{Redactor, Secrets};

/// Node types by name.
pub struct Registry {
    types: BTreeMap<&'static str, Box<dyn NodeType>>,
    /// Runs every other type that has a dot in its name.
    others: OnceLock<Box<dyn NodeType>>,
    output: usize,
}

impl Registry {
    /// `noop`, `transform`, `http` and `exec` under these rules; give the same ones in every [`Context`].
    #[must_use]
    pub fn built_in(policy: &Arc<Policy>) -> Self {
        Self { types: BTreeMap::new(), others: OnceLock::new(), output: policy.output }
            .with(Box::new(Noop))
            .with(Box::new(Transform))
            .with(Box::new(Http::new(policy)))
            .with(Box::new(Exec))
    }

    /// Also this type, in place of one of the same name.
    #[must_use]
    pub fn with(mut self, node: Box<dyn NodeType>) -> Self {
        self.types.insert(node.name(), node);
        self
    }

    /// Also types that are registered while the process runs, by what is said of them then.
    pub fn serve_others(&self, node: Box<dyn NodeType>) {
        // Whoever was first serves them.
        let _ = self.others.set(node);
    }

    /// The runs whose tasks it is given: for types that ask something of them.
    pub(crate) fn attach(&self, runs: &Arc<dyn Desk>) {
        self.types.values().for_each(|node| node.attach(runs));
    }

    /// The names of all types, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.types.keys().copied()
    }

    /// The names of those types that the rules allow to do anything, sorted: `exec` only where it is on.
    pub fn allowed(&self, policy: &Policy) -> impl Iterator<Item = &'static str> {
        self.types.values().filter(|node| node.is_allowed(policy)).map(|node| node.name())
    }

    /// The name of a type that is served here, else `other`: what may be a metric's label.
    pub(crate) fn known(&self, node_type: &str) -> &'static str {
        self.types.get_key_value(node_type).map_or("other", |(name, _)| name)
    }

    /// Whether tasks of this type can go to [`Registry::run_now`].
    #[must_use]
    pub fn is_immediate(&self, node_type: &str) -> bool {
        self.types.get(node_type).is_some_and(|node| node.is_immediate())
    }

    /// Runs an attempt of an immediate type on the caller's thread.
    ///
    /// # Errors
    /// The node's failure.
    pub fn run_now(&self, task: &Task) -> Result<Value, Failure> {
        let node = self.find(task)?;
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| node.run_now(task)));
        let redactor = Redactor::default();
        self.outgoing(result.unwrap_or_else(|cause| Err(panicked(&*cause))), &redactor)
    }

    /// Runs one attempt: secrets in, the node, secrets out. It ends at the latest [`Policy::grace`] after
    /// `cx.cancel`.
    ///
    /// # Errors
    /// The node's failure, without secrets.
    pub async fn run(&self, task: &Task, cx: &Context) -> Result<Value, Failure> {
        let node = self.find(task)?;
        if node.is_immediate() {
            return self.run_now(task);
        }
        let (input, redactor) = resolved(task, cx).await?;
        let redactor = Arc::new(redactor);
        let task = Task { input, ..task.clone() };
        let cx = Context {
            log: cx.log.of(&task, &redactor),
            redactor: Arc::clone(&redactor),
            ..cx.clone()
        };

        let overdue = async {
            let reason = cx.cancel.cancelled().await;
            tokio::time::sleep(cx.policy.grace).await;
            reason
        };
        let result = tokio::select! {
            biased;
            ended = AssertUnwindSafe(node.run(&task, &cx)).catch_unwind() => ended.unwrap_or_else(|cause| Err(panicked(&*cause))),
            reason = overdue => Err(reason.failure()),
        };
        self.outgoing(result, &redactor)
    }

    fn find(&self, task: &Task) -> Result<&dyn NodeType, Failure> {
        let node = self.types.get(task.node_type.as_str());
        let others = || self.others.get().filter(|_| task.node_type.contains('.'));
        node.or_else(others).map(AsRef::as_ref).ok_or_else(|| {
            let served = self.names().collect::<Vec<_>>().join(", ");
            Failure::new(
                &NOT_SERVED,
                format!("this worker serves {served}, not `{}`", task.node_type),
            )
        })
    }

    fn outgoing(
        &self,
        result: Result<Value, Failure>,
        redactor: &Redactor,
    ) -> Result<Value, Failure> {
        let output = redactor.value(result.map_err(|failure| redactor.failure(failure).bounded())?);
        let size = size(&output);
        if size > self.output {
            let message =
                format!("the output is {size} bytes of JSON; at most {} are kept", self.output);
            return Err(Failure::new(&NODE_OUTPUT_LIMIT, message));
        }
        Ok(output)
    }
}

/// The task's input with its secrets. Their files are read off the runtime's threads.
async fn resolved(task: &Task, cx: &Context) -> Result<(Value, Redactor), Failure> {
    if !Secrets::mentioned(&task.input) {
        return Ok((task.input.clone(), Redactor::default()));
    }
    let (secrets, input) = (Arc::clone(&cx.secrets), task.input.clone());
    let reading = tokio::task::spawn_blocking(move || secrets.resolve(&input));
    reading.await.unwrap_or_else(|error| {
        Err(Failure::new(&NODE_PANIC, format!("reading secrets stopped: {error}")))
    })
}

fn panicked(cause: &(dyn Any + Send)) -> Failure {
    let text = cause
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    Failure::new(&NODE_PANIC, format!("the node type panicked: {}", text.unwrap_or("no message")))
}

/// The length of a value as JSON, in bytes, without writing it.
fn size(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{context, task};
    use super::super::{LogSink, Reason, Stream, cancellation};
    use super::*;
    use async_trait::async_trait;
    use serde_json::json;
    use std::time::Duration;

    /// A worker's own type: does what its input says.
    struct Scripted;

    #[async_trait]
    impl NodeType for Scripted {
        fn name(&self) -> &'static str {
            "acme.scripted"
        }
        async fn run(&self, task: &Task, cx: &Context) -> Result<Value, Failure> {
            cx.log.line(Stream::Node, &task.input.to_string());
            match task.input["do"].as_str().unwrap_or_default() {
                "panic" => panic!("at {}", task.input["token"]),
                "hang" => std::future::pending().await,
                "fail" => {
                    Err(Failure::new(&NOT_SERVED, format!("no {}", task.input["token"]))
                        .retryable())
                }
                _ => Ok(task.input.clone()),
            }
        }
    }

    fn registry() -> Registry {
        Registry::built_in(&Arc::default()).with(Box::new(Scripted))
    }

    #[test]
    fn types_are_found_by_name() {
        let policy = Policy::default();
        assert_eq!(
            registry().names().collect::<Vec<_>>(),
            ["acme.scripted", "exec", "http", "noop", "transform"]
        );
        assert_eq!(
            registry().allowed(&policy).collect::<Vec<_>>(),
            ["acme.scripted", "http", "noop", "transform"]
        );
        assert!(
            registry().is_immediate("noop")
                && !registry().is_immediate("http")
                && !registry().is_immediate("x")
        );
        assert_eq!(registry().run_now(&task("noop", json!({}))), Ok(Value::Null));
        assert_eq!(registry().run_now(&task("http", json!({}))).unwrap_err().code, "not_served");
        assert_eq!(registry().run_now(&task("agent", json!({}))).unwrap_err().code, "not_served");
    }

    #[tokio::test]
    async fn immediate_types_also_run_as_others_do() {
        let output = registry()
            .run(&task("transform", json!({"value": 7})), &context(Policy::default()))
            .await;
        assert_eq!(output, Ok(json!(7)));
    }

    #[tokio::test]
    async fn secrets_go_in_and_never_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("erp")).unwrap();
        std::fs::write(dir.path().join("erp/token"), "hunter2-hunter2").unwrap();
        let (log, mut lines) = LogSink::channel(8);
        let cx = Context {
            secrets: Arc::new(Secrets::in_folder(dir.path())),
            log,
            ..context(Policy::default())
        };
        let token = "\u{E000}secret:erp/token\u{E001}";
        for (what, shown) in
            [("echo", ""), ("fail", "no \"***\""), ("panic", "the node type panicked: at \"***\"")]
        {
            let result = registry()
                .run(&task("acme.scripted", json!({"do": what, "token": token})), &cx)
                .await;
            match result {
                Ok(output) => assert_eq!(output["token"], "***"),
                Err(failure) => assert_eq!(failure.message, shown),
            }
            assert_eq!(
                lines.try_recv().unwrap().text,
                format!("{{\"do\":\"{what}\",\"token\":\"***\"}}")
            );
        }
        let missing = task("acme.scripted", json!({"token": "\u{E000}secret:erp/other\u{E001}"}));
        assert_eq!(registry().run(&missing, &cx).await.unwrap_err().code, "secret_missing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_does_not_stop_is_dropped() {
        let (canceller, cancel) = cancellation();
        let cx = Context {
            cancel,
            ..context(Policy { grace: Duration::from_secs(3), ..Policy::default() })
        };
        canceller.cancel(Reason::Timeout);
        let failure =
            registry().run(&task("acme.scripted", json!({"do": "hang"})), &cx).await.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.retryable), ("node_timeout", true));
    }

    #[tokio::test]
    async fn outputs_have_a_limit() {
        let cx = context(Policy::default());
        let fits =
            registry().run(&task("acme.scripted", json!("x".repeat(256 * 1024 - 2))), &cx).await;
        assert!(fits.is_ok());
        let failure = registry()
            .run(&task("acme.scripted", json!("x".repeat(256 * 1024 - 1))), &cx)
            .await
            .unwrap_err();
        assert_eq!(failure.code, "node_output_limit");
    }
}
