//! What a process that moves runs needs to be well, and what is looked up in the store for its metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_store::Error;
use aob_telemetry::health::Health;
use aob_telemetry::metrics::metrics;

use crate::clock;
use crate::runs::Runs;
use crate::service::Service;

/// Tells the admin port how to ask: for the store, and for what `service` runs.
pub fn watch(health: &Health, runs: &Arc<Runs>, service: &Service) {
    let parts = service.parts();
    health.alive("lanes", move || {
        let parts = parts.clone();
        Box::pin(async move { parts.check() })
    });
    store(health, runs);
}

/// Only the store, for a process that moves nothing itself.
pub fn store(health: &Health, runs: &Arc<Runs>) {
    health.ready("store", {
        let runs = runs.clone();
        move || {
            let runs = runs.clone();
            Box::pin(async move { runs.store().ready().await.map_err(told) })
        }
    });
    health.look({
        let runs = runs.clone();
        move || {
            let runs = runs.clone();
            Box::pin(async move { look(&runs).await })
        }
    });
}

/// What keeps the store from being used, and what mends it.
fn told(error: Error) -> String {
    match error {
        Error::Epoch => "the server restarted or failed over; it is being opened anew".to_owned(),
        error => error.to_string(),
    }
}

async fn look(runs: &Runs) {
    for (what, count) in runs.store().counts() {
        metrics().store_calls.raise([what], count);
    }
    let backlog = match runs.store().backlog().await {
        Ok(backlog) => backlog,
        Err(error) => return tracing::debug!(%error, "the backlog cannot be counted"),
    };
    let now = clock::now();
    let mut types: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for one in &backlog {
        let name = if runs.knows(&one.node_type) { &*one.node_type } else { "other" };
        let (tasks, oldest) = types.entry(name).or_default();
        *tasks += one.tasks;
        *oldest = (*oldest).max(now.saturating_sub(one.since) / 1_000);
    }
    metrics().tasks_waiting.clear();
    metrics().tasks_oldest.clear();
    for (name, (tasks, oldest)) in types {
        metrics().tasks_waiting.set([name], tasks);
        metrics().tasks_oldest.set([name], oldest);
    }
}
