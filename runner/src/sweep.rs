//! The sweeper: expired leases and due timers become signals, ended runs go when their time is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock;
use crate::runs::Runs;

/// How often ended runs are looked for.
const DROP_EVERY: Duration = Duration::from_secs(10);
/// How often types are looked for that nobody serves.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Most runs dropped at once.
const DROP_MOST: usize = 500;

/// Sweeps one shard until `stop` becomes true; `longest` is the longest pause between two sweeps.
pub async fn sweep(
    runs: Arc<Runs>,
    shard: u32,
    lease: Duration,
    longest: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let mut dropped = tokio::time::Instant::now();
    let mut looked = dropped;
    while !*stop.borrow() {
        let pause = match runs.store().sweep(shard, lease, clock::now()).await {
            Ok((0, next)) => {
                next.map_or(longest, |ms| Duration::from_millis(ms.max(1)).min(longest))
            }
            Ok(_) => Duration::ZERO,
            Err(error) => {
                if !matches!(error, aob_store::Error::Epoch) {
                    tracing::warn!(%error, shard, "the shard cannot be swept; trying again");
                }
                Duration::from_millis(500)
            }
        };
        if dropped.elapsed() > DROP_EVERY {
            dropped = tokio::time::Instant::now();
            if let Err(error) = runs.store().drop_expired(shard, clock::now(), DROP_MOST).await {
                tracing::warn!(%error, shard, "ended runs cannot be dropped");
            }
        }
        // The backlog is that of all shards.
        if shard == 0 && looked.elapsed() > LOOK_EVERY {
            looked = tokio::time::Instant::now();
            look(&runs).await;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Says which types no live worker serves though tasks of them wait.
async fn look(runs: &Runs) {
    let backlog = match runs.store().backlog().await {
        Ok(backlog) => backlog,
        Err(error) => {
            tracing::warn!(%error, "what waits for workers cannot be read");
            return;
        }
    };
    let now = clock::now();
    for line in backlog.iter().filter(|line| line.is_unserved(now)) {
        let seconds = now.saturating_sub(line.since) / 1_000;
        tracing::warn!(
            node_type = line.node_type,
            tasks = line.tasks,
            seconds,
            "no live worker serves this type; start one with it among its --types"
        );
    }
}
