//! Signs of life.

use aob_engine::state::CancelMode;
use aob_store::{Beat, Kept, TaskRef};
use aob_telemetry::metrics::metrics;
use tokio::sync::mpsc;

use super::{LaneOptions, Message};

/// Says that a task which must not be repeated begins now; false if it is not ours to begin.
pub(super) async fn begin(options: &LaneOptions, at: &TaskRef) -> bool {
    let beat = Beat { begin: vec![0], ..signs(options, vec![at.clone()]) };
    match options.runs.store().beat(&beat).await {
        Ok(kept) => kept.kept.first().copied().unwrap_or(false),
        Err(error) => {
            tracing::warn!(run_id = %at.run, instance = %at.instance, %error, "an attempt could not be begun");
            false
        }
    }
}

/// Keeps leases, and tells the lane what it lost and what it did not know it had.
pub(super) async fn beat(options: LaneOptions, tasks: Vec<TaskRef>, sender: mpsc::Sender<Message>) {
    let kept = match options.runs.store().beat(&signs(&options, tasks.clone())).await {
        Ok(kept) => kept,
        Err(error) => {
            tracing::warn!(%error, "leases could not be kept");
            Kept::default()
        }
    };
    let mut lost: Vec<TaskRef> = Vec::new();
    for (at, kept) in tasks.into_iter().zip(kept.kept) {
        if !kept || is_over(&options, &at.run).await {
            metrics().leases_lost.one([]);
            lost.push(at);
        }
    }
    // The lane may be gone already; then its tasks are too.
    drop(sender.send(Message::Beaten { lost, unnamed: kept.unnamed }).await);
}

/// Whether nothing that this run's tasks return counts any more.
async fn is_over(options: &LaneOptions, run: &str) -> bool {
    let now = |cancel: &aob_engine::state::Cancel| cancel.mode == CancelMode::Now;
    match options.runs.store().load(run).await {
        Ok(None) => true,
        Ok(Some(state)) => state.is_ended() || state.head.cancel.as_ref().is_some_and(now),
        Err(_) => false,
    }
}

fn signs(options: &LaneOptions, tasks: Vec<TaskRef>) -> Beat {
    Beat {
        consumer: options.consumer.clone(),
        shard: options.shard,
        types: options.types.clone(),
        tasks,
        begin: Vec::new(),
        lease: options.lease.as_millis() as u64,
    }
}
