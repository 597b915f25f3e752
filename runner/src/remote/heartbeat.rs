//! A worker's signs of life.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_engine::catalogue::{BAD_CLAIM, NODE_TIMEOUT};
use aob_engine::state::{CancelMode, NodeError, State};
use aob_engine::step::Answer;
use aob_store::{Beat, TaskRef};
use serde::Serialize;

use super::{Error, Remote, TaskName, refused};
use crate::clock;

/// Most tasks of a sign of life.
const MOST: usize = 1_024;
/// How much later than its time an attempt may say that it lives, in milliseconds.
const LATE: u64 = 2_000;

/// What a worker is told of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// It is the worker's still.
    Kept,
    /// The same, but its run is being cancelled: an answer counts if it comes within half a minute.
    Cancelled,
    /// It is the worker's no longer, and no answer counts.
    Lost,
}

impl Remote {
    /// Keeps tasks; one word for each, in order.
    ///
    /// # Errors
    /// [`Error::Refused`], the store's.
    pub async fn heartbeat(
        self: &Arc<Self>,
        tenant: &str,
        tasks: &[String],
    ) -> Result<Vec<Sign>, Error> {
        if tasks.len() > MOST {
            let message = format!("{} tasks, at most {MOST} in a heartbeat", tasks.len());
            return Err(refused(&BAD_CLAIM, "/tasks", message));
        }
        let mut names = Vec::with_capacity(tasks.len());
        for (at, text) in tasks.iter().enumerate() {
            names.push(TaskName::read(text, &format!("/tasks/{at}"))?);
        }
        let mut kept = self.beat(tenant, &names).await?;
        let mut states: BTreeMap<Arc<str>, Option<Arc<State>>> = BTreeMap::new();
        for (name, sign) in names.iter().zip(&mut kept) {
            let run = &name.at.run;
            if !states.contains_key(run) {
                states.insert(run.clone(), self.runs.store().load(run).await?);
            }
            let state = states.get(run).cloned().flatten();
            *sign = match state {
                Some(state) if *state.head.tenant == *tenant && is_out(&state, &name.at) => {
                    match &state.head.cancel {
                        Some(cancel) if cancel.mode == CancelMode::Now => Sign::Lost,
                        Some(_) if *sign == Sign::Kept => Sign::Cancelled,
                        _ => *sign,
                    }
                }
                _ => Sign::Lost,
            };
            let is_over = name.due.is_some_and(|due| clock::now() > due.saturating_add(LATE));
            if *sign != Sign::Lost && is_over {
                let message = "the worker did not answer within the node's timeout";
                let code = NODE_TIMEOUT.name.to_ascii_lowercase();
                let error = NodeError::new(code, message);
                self.settle(&name.at, Answer::Error { error, retryable: true }).await?;
                *sign = Sign::Lost;
            }
        }
        Ok(kept)
    }

    /// Tells the store, for each consumer and shard.
    async fn beat(&self, tenant: &str, names: &[TaskName]) -> Result<Vec<Sign>, Error> {
        let mut signs = vec![Sign::Lost; names.len()];
        let mut groups: BTreeMap<(Arc<str>, u32), Vec<usize>> = BTreeMap::new();
        for (at, name) in names.iter().enumerate() {
            if name.is_of(tenant) {
                let group = (name.consumer.clone(), self.shard(&name.at.run));
                groups.entry(group).or_default().push(at);
            } else if !name.at.node_type.contains('@') {
                // A runner keeps it, and has asked a server for the answer.
                signs[at] = Sign::Kept;
            }
        }
        for ((consumer, shard), places) in groups {
            let tasks = places.iter().map(|&at| names[at].at.clone()).collect();
            let lease = self.lease.as_millis() as u64;
            let beat = Beat { consumer, shard, types: [].into(), tasks, begin: Vec::new(), lease };
            let kept = self.runs.store().beat(&beat).await?;
            for (at, kept) in places.into_iter().zip(kept.kept) {
                signs[at] = if kept { Sign::Kept } else { Sign::Lost };
            }
        }
        Ok(signs)
    }
}

/// Whether the run waits for this very task.
fn is_out(state: &State, task: &TaskRef) -> bool {
    let (scope, _) = aob_engine::state::split_instance(&task.instance);
    let marking = state.scopes.get(scope);
    marking.is_some_and(|marking| marking.live.values().any(|live| live.fence == task.fence))
}
