//! Tasks of registered types that others run: a signed request to a server, or a call of a Lambda function.

mod lambda;
mod server;
mod sigv4;

use std::sync::Arc;

use aob_engine::catalogue::{NODE_PANIC, NOT_SERVED};
use aob_engine::registry::RunBy;
use async_trait::async_trait;
use serde_json::{Value, json};

use super::http::Http;
use super::{Context, Failure, NodeType, Policy, Task};

/// Knows how registered types are run.
#[async_trait]
pub trait RunSource: Send + Sync {
    /// How a type is run as it is registered now; none if it is not.
    ///
    /// # Errors
    /// Why that is not to be had, in words.
    async fn run_by(&self, node_type: &str) -> Result<Option<RunBy>, String>;

    /// The name under which a server answers a task later.
    fn name(&self, task: &Task) -> String;
}

/// Every registered type that is run by a request.
pub(crate) struct Called {
    source: Arc<dyn RunSource>,
    http: Http,
}

impl Called {
    pub(crate) fn new(source: Arc<dyn RunSource>, policy: &Arc<Policy>) -> Self {
        Self { source, http: Http::new(policy) }
    }

    async fn call(&self, task: &Task, cx: &Context) -> Result<Value, Failure> {
        let kind = &task.node_type;
        let run = self.source.run_by(kind).await.map_err(|error| {
            Failure::new(&NOT_SERVED, format!("how `{kind}` is run is not to be had: {error}"))
                .retryable()
        })?;
        match run {
            Some(RunBy::Http(run)) => {
                server::call(&self.http, &run, task, self.source.name(task), cx).await
            }
            Some(RunBy::Lambda(run)) => lambda::invoke(&self.http, &run, task, cx).await,
            Some(RunBy::Worker | RunBy::Job) | None => {
                Err(Failure::new(&NOT_SERVED, format!("no runner serves `{kind}` now")))
            }
        }
    }
}

#[async_trait]
impl NodeType for Called {
    fn name(&self) -> &'static str {
        "*"
    }

    async fn run(&self, task: &Task, cx: &Context) -> Result<Value, Failure> {
        tokio::select! {
            biased;
            reason = cx.cancel.cancelled() => Err(reason.failure()),
            ended = self.call(task, cx) => ended,
        }
    }
}

/// What is sent of a task.
fn told(task: &Task) -> Value {
    json!({
        "run": task.run,
        "instance": task.instance,
        "type": task.node_type,
        "attempt": task.attempt,
        "key": task.key,
        "input": task.input,
    })
}

/// A secret of the runner's folder. Files are read off the runtime's threads.
async fn secret(cx: &Context, name: &str, key: &str) -> Result<String, Failure> {
    let (secrets, name, key) = (cx.secrets.clone(), name.to_owned(), key.to_owned());
    let reading = tokio::task::spawn_blocking(move || secrets.text(&name, &key));
    reading.await.unwrap_or_else(|error| {
        Err(Failure::new(&NODE_PANIC, format!("reading secrets stopped: {error}")))
    })
}

/// Milliseconds since 1970.
fn now() -> u64 {
    crate::clock::now()
}
