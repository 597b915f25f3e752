//! What is asked about patches and replays, and how it is answered.

use std::sync::Arc;

use aob_engine::patch::{Difference, Record};
use aob_runner::runs::{Error, PatchAsk, ReplayAsk, Runs, TagMove, What};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Started, TENANT, TagStep};

/// A wish to change the graph of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PatchWish {
    /// The run.
    pub(crate) run: String,
    /// `patch_...`, made by whoever asks, so that asking again is asking once.
    pub(crate) id: String,
    /// What is asked.
    pub(crate) what: Wished,
    /// Who asks.
    pub(crate) by: String,
    /// Gates that may be changed.
    pub(crate) approves: Vec<String>,
    /// Whether only the effects are asked for.
    pub(crate) dry_run: bool,
}

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Wished {
    /// A document of `patch.schema.json`.
    Request(Value),
    /// That a patch is taken out.
    Undo {
        /// Its id.
        patch: String,
        /// Why.
        reason: Option<String>,
    },
}

/// What became of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PatchAnswer {
    /// The request and its answer, as it is kept; of a dry run as it would be.
    pub(crate) record: Record,
    /// What changes in effect.
    pub(crate) difference: Difference,
    /// Whether it had been answered before.
    pub(crate) existing: bool,
}

/// A wish for a new run on what another has done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReplayWish {
    /// The old run.
    pub(crate) run: String,
    /// Where it begins anew; none: at what failed.
    pub(crate) from: Vec<String>,
    /// Another input.
    pub(crate) input: Option<Value>,
    /// Another version.
    pub(crate) digest: Option<String>,
    /// Who asks.
    pub(crate) by: String,
    /// The same key is the same run.
    pub(crate) key: Option<String>,
}

/// The graph of a run on a revision.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GraphAt {
    /// Which.
    pub(crate) revision: u32,
    /// The workflow; once it was patched, nodes by id and edges by name.
    pub(crate) document: Value,
}

/// Patches a run.
pub(super) async fn patch(runs: &Runs, wish: PatchWish) -> Result<PatchAnswer, Error> {
    let PatchWish { run, id, what, by, approves, dry_run } = wish;
    let what = match what {
        Wished::Request(request) => What::Request(request),
        Wished::Undo { patch, reason } => What::Undo { patch, reason },
    };
    let ask = PatchAsk { id: id.into(), what, by, groups: Vec::new(), approves, dry_run };
    let done = runs.patch(&run, &ask).await?;
    Ok(PatchAnswer { record: done.record, difference: done.difference, existing: done.existing })
}

/// Starts a run on what another has done.
pub(super) async fn replay(runs: &Runs, wish: ReplayWish) -> Result<Started, Error> {
    let ReplayWish { run, from, input, digest, by, key } = wish;
    let ask = ReplayAsk { run, from, input, digest, by: by.into(), key };
    let started = runs.replay(&ask).await?;
    Ok(Started { run: started.run.to_string(), existing: started.existing })
}

/// The graph of a run; none if the run has no such revision.
pub(super) async fn graph(
    runs: &Runs,
    run: &str,
    revision: Option<u32>,
) -> Result<Option<GraphAt>, Error> {
    let state = runs.store().load(run).await?.ok_or_else(|| Error::NoRun(run.to_owned()))?;
    let revision = revision.unwrap_or(state.head.revision);
    if revision > state.head.revision {
        return Ok(None);
    }
    let document = runs.document(&state, revision).await?;
    Ok(Some(GraphAt { revision, document: Arc::unwrap_or_clone(document) }))
}

/// Keeps a workflow, and points a tag at it.
pub(super) async fn publish(
    runs: &Runs,
    document: &Value,
    tag: Option<&str>,
    by: &str,
    reason: Option<String>,
) -> Result<String, Error> {
    let published = runs.publish(TENANT, document, None).await?;
    if let Some(tag) = tag {
        let to = TagMove::Set(published.digest.clone());
        runs.move_tag(TENANT, &published.name, tag, &to, by, reason).await?;
    }
    Ok(published.digest)
}

impl From<TagStep> for TagMove {
    fn from(step: TagStep) -> Self {
        match step {
            TagStep::Set(digest) => Self::Set(digest),
            TagStep::Undo => Self::Undo,
            TagStep::Redo => Self::Redo,
        }
    }
}
