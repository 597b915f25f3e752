//! What is committed: per run the state it was decided on, the state after, the event, the effects.

use std::sync::Arc;

use aob_engine::patch::Record;
use aob_engine::state::State;
use aob_engine::step::Effects;

use crate::task::{Claim, Signal, Task};

/// Most items of one commit.
pub const MOST_ITEMS: usize = 128;

/// Items, then a claim.
#[derive(Debug, Default)]
pub struct Commit {
    /// Of one shard; a run at most once. At most [`MOST_ITEMS`].
    pub items: Vec<Item>,
    /// What to claim afterwards, in the same shard.
    pub claim: Option<Claim>,
    /// Whose holds let its items pass ([`crate::Store::hold`]). With a claim nobody's do.
    pub holder: Option<Arc<str>>,
}

/// One run's part.
#[derive(Debug)]
pub struct Item {
    /// The state it was decided on; none starts the run.
    pub before: Option<Arc<State>>,
    /// The state after it.
    pub after: Arc<State>,
    /// The event's bytes; empty if the item only acknowledges.
    pub line: Vec<u8>,
    /// `publish, ack, recall, arm, disarm, open, close, context, log` are written; `children` are linked
    /// items, `cancel` and `answer` are in `send`. Acks and recalls of a cell come before a publication into it.
    pub effects: Effects,
    /// Signals that this item answers: acknowledged with it, whatever the outcome but a conflict.
    pub signals: Vec<String>,
    /// Signals to runs of the same shard (a child's answer, a child's cancel), written with the item.
    pub send: Vec<Signal>,
    /// Items with the same number other than 0 are applied together or not at all.
    pub link: u32,
    /// Dedupe key of a start.
    pub key: Option<String>,
    /// Milliseconds that the run is kept after it ended; 0: dropped with the commit that ends it.
    pub retention: u64,
    /// A request to patch the run and its answer, kept with it. An id that the run knows already is a conflict.
    pub patch: Option<Arc<Record>>,
}

/// What became of a commit.
#[derive(Debug, Default)]
pub struct Committed {
    /// One per item, in order.
    pub outcomes: Vec<Outcome>,
    /// What was claimed.
    pub claimed: Vec<Task>,
}

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Written.
    Applied,
    /// The run has moved on: load it and decide again.
    Conflict,
    /// Another committer goes first for so many milliseconds.
    Held(u64),
    /// No such run.
    Unknown,
    /// The run is over.
    Ended,
    /// A recalled task was claimed meanwhile: decide again.
    Claimed,
    /// The run exists already (a start), or its dedupe key is taken by this run.
    Exists(Arc<str>),
    /// An item it is linked with was not applied.
    Unlinked,
}
