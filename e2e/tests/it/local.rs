//! A process's part in this process.

use std::sync::Arc;
use std::time::Duration;

use aob_e2e::answer::TENANT;
use aob_e2e::serve;
use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_engine::state::State;
use aob_runner::node::{self, ExecPolicy, Policy, Private};
use aob_runner::runs::{Runs, StartOptions, Tagged};
use aob_runner::service::{Service, ServiceOptions};
use aob_store::Store;
use aob_store::redis::{Options, RedisStore};
use aob_store::testing::{RedisServer, ServerOptions};
use serde_json::{Value, json};

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that syncs every commit.
pub(crate) fn server() -> RedisServer {
    RedisServer::start(ServerOptions::default()).unwrap()
}

/// A store of so many shards on a server.
pub(crate) async fn redis(server: &RedisServer, shards: u32) -> Arc<RedisStore> {
    let options = Options { shards: Some(shards), ..Options::default() };
    Arc::new(RedisStore::open_with(&server.url(), options).await.unwrap())
}

/// Runs of the built-in types.
pub(crate) fn runs(store: Arc<dyn Store>) -> Arc<Runs> {
    Runs::new(store, Registry::builtin(), Ceiling::default())
}

/// A service that executes everything, one task at a time.
pub(crate) fn one_at_a_time(runs: &Arc<Runs>) -> ServiceOptions {
    let policy = Policy { private: Private::Any, exec: ExecPolicy::Any, ..Policy::default() };
    let nodes = node::Registry::built_in(&Arc::new(policy.clone()));
    ServiceOptions { slots: 1, ..serve::options(runs, nodes, policy) }
}

/// Publishes a workflow; its digest.
pub(crate) async fn publish(runs: &Runs, document: &Value) -> String {
    runs.publish(TENANT, document, Some(Tagged { tag: "main", by: "user:ann" }))
        .await
        .unwrap_or_else(|error| panic!("{error}: {document}"))
        .digest
}

/// Starts a run.
pub(crate) async fn start(runs: &Runs, digest: &str, input: Value) -> Arc<str> {
    runs.start(&request(digest, input, None)).await.unwrap().run
}

/// A start, repeatable with a key.
pub(crate) fn request(digest: &str, input: Value, key: Option<String>) -> StartOptions {
    StartOptions { key, ..StartOptions::new(TENANT, digest, input, "user:ada") }
}

/// Starts so many runs without input, several at once.
pub(crate) async fn start_many(runs: &Runs, digest: &str, count: usize) -> Vec<Arc<str>> {
    use futures::StreamExt as _;
    let starts = (0..count).map(|_| start(runs, digest, json!({})));
    futures::stream::iter(starts).buffered(64).collect().await
}

/// The state in which a run ended.
pub(crate) async fn ended(runs: &Runs, run: &str) -> Arc<State> {
    let state = runs.wait(run, PATIENCE).await.unwrap();
    assert!(state.is_ended(), "{run} does not end: {state:?}");
    state
}

/// Moves runs until all have ended.
pub(crate) async fn finish(options: &ServiceOptions, all: &[Arc<str>]) {
    let service = Service::spawn(options);
    for run in all {
        ended(&options.runs, run).await;
    }
    service.stop().await;
}
