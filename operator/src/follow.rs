//! Notices what happens to runs in the store, and has their objects looked at again: at most once a second for each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aob_telemetry::metrics::metrics;
use kube::ResourceExt as _;
use tokio::task::AbortHandle;

use crate::context::Context;
use crate::identity::Named;

/// How long a run is left alone after it was looked at.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one question to the store waits.
const WAIT: Duration = Duration::from_secs(30);

/// Who is followed, by the id of the run.
#[derive(Debug, Default)]
pub struct Followers(Mutex<BTreeMap<Arc<str>, AbortHandle>>);

impl Followers {
    /// Follows a run for its object, if nobody does; `seq` is what has been seen of it.
    pub fn follow(&self, context: &Arc<Context>, object: &Named, run: &Arc<str>, seq: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(run).is_some_and(|task| !task.is_finished()) {
            return;
        }
        let task = tokio::spawn(follow(context.clone(), object.clone(), run.clone(), seq));
        all.insert(run.clone(), task.abort_handle());
        metrics().operator_runs_followed.set([], all.len() as u64);
    }

    /// Nothing more will happen to it.
    pub fn leave(&self, run: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = all.remove(run) {
            task.abort();
        }
        metrics().operator_runs_followed.set([], all.len() as u64);
    }
}

async fn follow(context: Arc<Context>, object: Named, run: Arc<str>, mut seq: u64) {
    loop {
        match context.runs.store().watch(&run, seq, WAIT).await {
            Ok(now) if now == seq => {}
            // 0: it is kept no longer.
            Ok(now) => {
                seq = now;
                context.objects.runs.again(&object.namespace, &object.name).await;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                tracing::debug!(run_id = %run, %error, "a run cannot be followed just now");
                tokio::time::sleep(PAUSE).await;
            }
        }
        let known = context.objects.runs.get(&object.namespace, &object.name).await;
        // It was looked at, so its list has been read.
        let is_there = known.is_ok_and(|known| {
            known.is_some_and(|known| known.uid().as_deref() == Some(&*object.uid))
        });
        if seq == 0 || !is_there {
            return context.followers.leave(&run);
        }
    }
}
