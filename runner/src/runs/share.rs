//! Starts that share the commit of a busy lane: one call and one wait for the disk instead of two behind one
//! another. A lane that answers tasks one after the other commits again at once, so nothing waits for long.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aob_store::{Error, Item, Outcome};
use tokio::sync::oneshot;

/// How long starts go alone after one was refused.
const SHUT: Duration = Duration::from_secs(1);

/// By shard: which lanes are busy, and what waits for them.
#[derive(Debug)]
pub(super) struct Shares(Vec<Mutex<Share>>);

#[derive(Debug, Default)]
struct Share {
    /// Lanes that will commit without being woken.
    busy: usize,
    waiting: Vec<Start>,
    /// Until then every start goes alone: they are refused, and lanes should not be refused with them.
    shut: Option<Instant>,
}

/// A run's first item, and who waits for what becomes of it.
#[derive(Debug)]
pub(super) struct Start {
    item: Item,
    told: oneshot::Sender<Told>,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Told {
    /// The store's word.
    Outcome(Outcome),
    /// The lane's commit failed, and nothing of it was written: to be tried alone.
    Alone,
    /// The lane's commit failed.
    Failed(Error),
}

/// A lane's word that it commits again; ends with it.
#[derive(Debug)]
pub(crate) struct Busy<'a>(&'a Mutex<Share>);

impl Shares {
    pub(super) fn new(shards: u32) -> Self {
        Self((0..shards).map(|_| Mutex::default()).collect())
    }

    /// A lane of this shard is busy from now on.
    pub(super) fn busy(&self, shard: u32) -> Option<Busy<'_>> {
        let share = self.0.get(shard as usize)?;
        lock(share).busy += 1;
        Some(Busy(share))
    }

    /// Leaves a start to a busy lane; if there is none, the item stays where it is.
    pub(super) fn leave(
        &self,
        shard: u32,
        item: &mut Option<Item>,
    ) -> Option<oneshot::Receiver<Told>> {
        let mut share = lock(self.0.get(shard as usize)?);
        if share.busy == 0 || share.shut.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let (told, waiting) = oneshot::channel();
        share.waiting.push(Start { item: item.take()?, told });
        Some(waiting)
    }

    /// Starts go alone for a while.
    pub(super) fn shut(&self, shard: u32) {
        if let Some(share) = self.0.get(shard as usize) {
            lock(share).shut = Some(Instant::now() + SHUT);
        }
    }

    /// What waits in this shard, at most `most`, oldest first.
    pub(super) fn take(&self, shard: u32, most: usize) -> Vec<Start> {
        let Some(mut share) = self.0.get(shard as usize).map(lock) else { return Vec::new() };
        let most = most.min(share.waiting.len());
        share.waiting.drain(..most).collect()
    }
}

impl Start {
    /// Its item, and a way to say what became of it.
    pub(super) fn part(self) -> (Item, oneshot::Sender<Told>) {
        (self.item, self.told)
    }
}

impl Busy<'_> {
    /// Ends, unless something waits: then the lane is to commit once more.
    pub(crate) fn end(self) -> Option<Self> {
        let mut share = lock(self.0);
        if !share.waiting.is_empty() {
            drop(share);
            return Some(self);
        }
        share.busy -= 1;
        drop(share);
        std::mem::forget(self);
        None
    }
}

/// A lane that is no more takes nothing along.
impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut share = lock(self.0);
        share.busy = share.busy.saturating_sub(1);
        if share.busy == 0 {
            for start in share.waiting.drain(..) {
                drop(start.told.send(Told::Alone));
            }
        }
    }
}

/// What a failed commit means for a start in it; the lane is told of the failure itself.
pub(super) fn told(error: &Error) -> Told {
    match error {
        Error::Epoch | Error::Full(_) | Error::Limit(_) => Told::Alone,
        other => Told::Failed(Error::Unreachable(other.to_string())),
    }
}

fn lock(share: &Mutex<Share>) -> MutexGuard<'_, Share> {
    share.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aob_engine::check::Ceiling;
    use aob_engine::registry::Registry;
    use aob_store::embedded::Embedded;
    use serde_json::json;

    use super::*;
    use crate::runs::{Progress, Runs, StartOptions};

    async fn runs() -> (Arc<Runs>, StartOptions) {
        let runs =
            Runs::new(Arc::new(Embedded::volatile()), Registry::builtin(), Ceiling::default());
        let document = json!({
            "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "one"},
            "spec": {"nodes": [{"id": "a", "type": "noop"}]}
        });
        let digest = runs.publish("default", &document, None).await.unwrap().digest;
        (runs, StartOptions::new("default", digest, json!({}), "user:ada"))
    }

    fn claim() -> aob_store::Claim {
        let types: Arc<[Arc<str>]> = Arc::new(["noop".into()]);
        aob_store::Claim { consumer: "lane".into(), types, shard: 0, max: 8 }
    }

    #[tokio::test]
    async fn a_start_goes_with_the_commit_of_a_busy_lane() {
        let (runs, options) = runs().await;
        let busy = runs.busy(0).unwrap();
        let start = tokio::spawn({
            let (runs, options) = (runs.clone(), options.clone());
            async move { runs.start(&options).await }
        });
        while lock(&runs.shares.0[0]).waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        let busy = busy.end().expect("something waits, so the lane goes on");
        let mut progress = Progress::new(0, Some(claim()));
        runs.commit_on(&[], &mut progress).await.unwrap();
        let (done, tasks) = progress.end();
        assert!(done.is_empty());
        let started = start.await.unwrap().unwrap();
        assert_eq!(tasks.len(), 1, "what it published was claimed with it");
        assert_eq!(tasks[0].at.run, started.run);
        assert!(busy.end().is_none(), "nothing waits any more");
        assert!(!runs.start(&options).await.unwrap().existing, "without a lane it goes alone");
    }

    #[tokio::test]
    async fn a_start_that_a_lane_leaves_behind_goes_alone() {
        let (runs, options) = runs().await;
        let busy = runs.busy(0).unwrap();
        let start = tokio::spawn({
            let runs = runs.clone();
            async move { runs.start(&options).await }
        });
        while lock(&runs.shares.0[0]).waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        drop(busy);
        let started = start.await.unwrap().unwrap();
        assert!(runs.store().load(&started.run).await.unwrap().is_some());
    }
}
