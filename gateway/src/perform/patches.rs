//! Patches of runs, and graphs that they lead to.

use std::sync::Arc;

use aob_runner::runs::{Error, PatchAsk, Runs, What};
use aob_store::id;

use super::Outcome;
use crate::caller::Caller;
use crate::operation::{GraphAt, PatchAnswer};

/// Patches a run.
pub(super) async fn patch(
    runs: &Runs,
    caller: &Caller,
    run: &str,
    id: Option<String>,
    what: What,
    approves: Vec<String>,
    dry_run: bool,
) -> Outcome<PatchAnswer> {
    let id = id.unwrap_or_else(new_id).into();
    let (by, groups) = (caller.name.clone(), caller.groups.clone());
    let ask = PatchAsk { id, what, by, groups, approves, dry_run };
    let done = runs.patch(run, &ask).await?;
    Ok(PatchAnswer { record: done.record, difference: done.difference, existing: done.existing })
}

/// The graph of a run; none if the run has no such revision.
pub(super) async fn graph(
    runs: &Runs,
    run: &str,
    revision: Option<u32>,
) -> Outcome<Option<GraphAt>> {
    let state = runs.store().load(run).await?.ok_or_else(|| Error::NoRun(run.to_owned()))?;
    let revision = revision.unwrap_or(state.head.revision);
    if revision > state.head.revision {
        return Ok(None);
    }
    let document = runs.document(&state, revision).await?;
    Ok(Some(GraphAt { revision, document: Arc::unwrap_or_clone(document) }))
}

/// An id that nobody else makes.
fn new_id() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    format!("patch_{}", id::body(now, rand::random(), rand::random()))
}
