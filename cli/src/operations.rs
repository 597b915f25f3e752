//! What a verb can ask for. [`local::Local`] does it on a store in this process,
//! `Remote` asks the process that owns the data directory; verbs do not know which.

mod kind;
pub(crate) mod local;
mod patches;
mod standing;

use std::sync::Arc;

use aob_engine::catalogue;
use aob_engine::state::CancelMode;
use aob_engine::step::Decision;
use aob_store::LogLine;
use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::problem::{Problem, Result};

pub(crate) use kind::Kind;
pub(crate) use patches::{GraphAt, PatchAnswer, PatchWish, ReplayWish, Wished};
pub(crate) use standing::{Needs, Standing, Waits, standing};

/// Who owns everything that is done from the command line.
pub(crate) const TENANT: &str = "default";

/// One thing to do. As JSON it is one line of the owner's socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Request {
    /// Keep a workflow, and point a tag at it if one is named -> its digest.
    Publish { document: Value, tag: Option<String>, by: String, reason: Option<String> },
    /// The digest behind a name and a tag -> string or null.
    Tag { name: String, tag: String },
    /// A kept workflow -> the document or null.
    Document { digest: String },
    /// Start a run -> [`Started`].
    Start {
        digest: String,
        input: Value,
        key: Option<String>,
        by: String,
        patch_set: Option<String>,
    },
    /// Start a run on what another has done -> [`Started`].
    Replay(ReplayWish),
    /// Keep a run's graph as a version, and point a tag at it -> its digest.
    Promote { run: String, tag: String, by: String, reason: Option<String> },
    /// Change a run's graph, or say what that would do -> [`PatchAnswer`].
    Patch(PatchWish),
    /// Every answered patch of a run -> `aob_engine::patch::Record`s.
    Patches { run: String },
    /// Patches that begin so, with their runs -> at most 10 pairs.
    FindPatches { prefix: String },
    /// The graph of a run on a revision, else on the present one -> [`GraphAt`].
    Graph { run: String, revision: Option<u32> },
    /// Move a tag -> the digest it points at.
    MoveTag { workflow: String, tag: String, to: TagStep, by: String, reason: Option<String> },
    /// Every move of a tag -> `aob_engine::timeline::Move`s.
    Timeline { workflow: String, tag: String },
    /// Keep a request's operations as a set for the version with this digest, under a name if one is given -> its
    /// digest.
    KeepPatchSet { digest: String, request: Value, named: Option<(String, String)> },
    /// The set behind a workflow's name for it -> digest or null.
    PatchSet { workflow: String, name: String },
    /// Named sets of a workflow -> pairs of name and digest.
    PatchSets { workflow: String },
    /// Ids of runs and tickets that begin so -> at most 10.
    Find { prefix: String },
    /// How a run stands -> [`Standing`].
    Standing { run: String },
    /// Events after a number -> their bytes as strings.
    Events { run: String, after: u64, most: u32 },
    /// Wait until a run has more than `seq` events -> its seq.
    Watch { run: String, seq: u64, wait_ms: u64 },
    /// Log lines after a position -> lines and the position after them.
    Logs { run: String, after: u64, most: u32 },
    /// The output of a run or an instance -> [`Kept`].
    Output { run: String, instance: Option<String> },
    /// Answer a ticket -> [`Verdict`].
    Decide { run: String, decision: Decision },
    /// Suspend or resume -> [`Verdict`].
    Suspend { run: String, on: bool, by: String },
    /// End early -> [`Verdict`].
    Cancel { run: String, mode: CancelMode, by: String, reason: Option<String> },
    /// Runs, newest first -> rows and a cursor.
    Runs { cursor: Option<String>, most: u32 },
    /// Tags of workflows -> [`WorkflowRow`]s.
    Workflows,
    /// Open tickets, oldest first -> [`TicketRow`]s.
    Tickets { most: u32 },
    /// Types with tasks that nobody has taken -> [`BacklogRow`]s.
    Backlog,
    /// Fold and compare -> [`Verified`].
    Verify { run: String },
    /// Lines that show a run in the store's own tools.
    Inspect { run: String },
}

/// Does what is asked.
#[async_trait]
pub(crate) trait Operations: Send + Sync {
    /// Does it and answers what [`Request`] says, as JSON.
    async fn call(&self, request: Request) -> Result<Value>;
}

/// Something to ask, typed.
pub(crate) type Asked = Arc<dyn Operations>;

impl dyn Operations + '_ {
    /// Does it and reads the answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, request: Request) -> Result<T> {
        let answer = self.call(request).await?;
        serde_json::from_value(answer)
            .map_err(|error| Problem::new(&catalogue::PROTOCOL, "the owner", error.to_string()))
    }
}

/// A run that began, or was there already under its key.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Started {
    pub(crate) run: String,
    pub(crate) existing: bool,
}

/// A value that may be null, or none.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) there: bool,
    pub(crate) value: Value,
}

/// What became of a decision.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "camelCase")]
pub(crate) enum Verdict {
    /// Done, and durable.
    Applied,
    /// It was so already.
    Same,
    /// It is no longer asked.
    Superseded,
    /// The run is over.
    Ended,
    /// Nothing is asked there.
    Unknown,
    /// By a rule.
    Refused { code: String, why: String },
}

/// How a check of a run's history ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Verified {
    /// Events folded.
    pub(crate) events: u64,
    /// What does not fit.
    pub(crate) broken: Option<String>,
}

/// How a tag is to move.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TagStep {
    /// To this digest.
    Set(String),
    /// Back.
    Undo,
    /// Forth again.
    Redo,
}

/// `aob_store::Summary`, read back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunRow {
    pub(crate) run: String,
    pub(crate) workflow: String,
    pub(crate) status: String,
    pub(crate) started: u64,
    pub(crate) ended: Option<u64>,
    pub(crate) revision: u32,
    pub(crate) progress: (u64, u64),
    pub(crate) patch_set: Option<String>,
}

/// `aob_store::Version`, read back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WorkflowRow {
    pub(crate) workflow: String,
    pub(crate) tag: String,
    pub(crate) digest: String,
}

/// `aob_store::OpenTicket`, read back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TicketRow {
    pub(crate) ticket: String,
    pub(crate) run: String,
    pub(crate) instance: String,
    pub(crate) asks: String,
    pub(crate) since: u64,
}

/// `aob_store::Backlog`, read back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BacklogRow {
    pub(crate) node_type: String,
    pub(crate) tasks: u64,
    pub(crate) since: u64,
}

/// Log lines and the position after them.
pub(crate) type LogPage = (Vec<LogLine>, u64);
