//! The worker protocol and registered types, on both stores: two doors on one store, as two gateways have.

mod agents;
mod calls;
mod lambda;
mod protocol;
mod types;

use std::sync::Arc;
use std::time::Duration;

use aob_e2e::answer::TENANT;
use aob_runner::remote::{ClaimAsk, Completion, Failing, Handed, Remote};
use aob_runner::runs::Runs;
use aob_runner::service::Service;
use aob_store::Store;
use aob_store::embedded::Embedded;
use aob_store::testing::RedisServer;
use serde_json::{Value, json};

use crate::local::{PATIENCE, one_at_a_time, redis, runs, server};

/// Two processes' parts on one store, and what coordinates.
struct Place {
    runs: [Arc<Runs>; 2],
    doors: [Arc<Remote>; 2],
    service: Service,
    _server: Option<RedisServer>,
}

/// On the embedded store.
fn embedded() -> Place {
    let store: Arc<dyn Store> = Arc::new(Embedded::volatile());
    place([store.clone(), store], None)
}

/// On a Redis server: each process with connections of its own.
async fn on_redis() -> Place {
    let server = server();
    let stores: [Arc<dyn Store>; 2] = [redis(&server, 4).await, redis(&server, 4).await];
    place(stores, Some(server))
}

fn place(stores: [Arc<dyn Store>; 2], server: Option<RedisServer>) -> Place {
    let runs = stores.map(runs);
    let lease = Duration::from_secs(2);
    let doors = runs.clone().map(|runs| Remote::new(runs, lease));
    let mut options = one_at_a_time(&runs[0]);
    options.lease = lease;
    Place { doors, service: Service::spawn(&options), runs, _server: server }
}

/// The document of a type that is run so.
fn node_type(name: &str, effect: &str, run: Value) -> Value {
    json!({
        "apiVersion": "aob.dev/v1alpha1",
        "kind": "NodeType",
        "metadata": {"name": name},
        "spec": {
            "config": {
                "type": "object",
                "additionalProperties": false,
                "properties": {"n": {"type": "integer"}, "text": {"type": "string"}},
            },
            "effect": effect,
            "run": run,
        },
    })
}

impl Place {
    async fn register(&self, name: &str, effect: &str) {
        let document = node_type(name, effect, json!({"worker": {}}));
        self.runs[0].put_type(&document, None).await.unwrap();
    }

    /// Tasks through one of the doors, at least one.
    async fn claim(&self, door: usize, name: &str, max: usize) -> Vec<Handed> {
        let tasks = self.doors[door].claim(TENANT, &ask(name, max, PATIENCE)).await.unwrap();
        assert!(!tasks.is_empty(), "no task of {name}");
        tasks
    }
}

fn ask(name: &str, max: usize, wait: Duration) -> ClaimAsk {
    ClaimAsk { types: vec![name.to_owned()], runners: None, max, wait }
}

fn done(task: &Handed, output: Value) -> Completion {
    let (task, fence) = (task.task.clone(), task.fence.clone());
    Completion { task, fence, output: Arc::new(output), patch: None, next: None }
}

fn failed(task: &Handed, retryable: bool) -> Failing {
    Failing {
        task: task.task.clone(),
        fence: task.fence.clone(),
        code: "no_luck".into(),
        message: "the dice said no".into(),
        retryable,
    }
}

/// A test on each store.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::worker::embedded()).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::worker::on_redis().await).await;
            })*
        }
    };
}
use on_both;
