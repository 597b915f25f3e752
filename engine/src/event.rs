//! The run's truth: one entry per hop with the decisions taken, hash-chained.
//!
//! An event lists the changes in the order they were made; [`crate::state::fold`] applies them without
//! looking at an expression or an output. `schema/event.schema.json` describes the same shape for others.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::state::{
    Allowed, Amount, Asks, CancelMode, Cap, EdgeState, NodeError, Parent, Part, RunOutcome,
};

/// One entry of a run's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// From 1, without a gap; the run's seq after it.
    pub n: u64,
    /// Milliseconds since 1970; RFC 3339 in JSON.
    #[serde(with = "crate::time::text")]
    pub t: u64,
    /// The revision it was decided on.
    pub rev: u32,
    /// The most telling of its changes.
    pub kind: Kind,
    /// `system`, `user:<name>`, `agent:<instance>`.
    pub by: String,
    /// The store's epoch at the time: one half of every fence published here; `n` is the other.
    #[serde(with = "crate::state::epoch")]
    pub epoch: u64,
    /// SHA-256 of the entry before, hex; empty (left out in JSON) in the first.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prev: String,
    /// What changed, in order.
    pub changes: Vec<Change>,
}

/// What an event is mainly about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// Nodes settled, or were published.
    NodesSettled,
    /// An agent reserved or used money, tokens, calls or time, or the most that it may use was set.
    UsageBooked,
    /// Somebody was told of a question, or could not be.
    TicketNotified,
    /// An attempt failed and another follows.
    RetryScheduled,
    /// An attempt's worker went away.
    AttemptLost,
    /// A question was opened.
    TicketOpened,
    /// An answer was refused.
    DecisionRefused,
    /// A question was answered.
    Decided,
    /// Suspended or resumed.
    SuspendChanged,
    /// An early end was asked for.
    CancelRequested,
    /// The exit handler began.
    FinallyStarted,
    /// The run is over.
    RunEnded,
    /// A request to change the graph was refused.
    PatchRefused,
    /// The graph was changed.
    PatchApplied,
    /// The run began.
    RunStarted,
}

/// One change. `at` is an instance (`fetch`, `each[3]/fetch`), `scope` a scope's path (empty: the root).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields say what they are; the schema describes each")]
pub enum Change {
    /// The run began.
    Started(Box<Started>),
    /// A task was given out under the fence (epoch, n).
    Published { at: String, attempt: u32 },
    /// Enabled, but held back.
    Ready { at: String },
    /// A container began.
    Begun {
        at: String,
        total: u32,
        concurrency: u32,
        tolerate: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<u64>,
    },
    /// An iteration began, on the body of the revision that its container's scope is on.
    Iteration { at: String, index: u32 },
    /// An iteration ended.
    IterationEnded {
        at: String,
        index: u32,
        outcome: Settled,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<NodeError>,
    },
    /// An instance settled.
    Settled {
        at: String,
        outcome: Settled,
        cause: Cause,
        #[serde(default, skip_serializing_if = "is_zero")]
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        #[serde(default, skip_serializing_if = "is_zero64")]
        bytes: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<NodeError>,
    },
    /// An edge settled: `scope` and the edge's identity.
    Edge {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        scope: String,
        edge: String,
        state: EdgeState,
    },
    /// An attempt failed; the next begins at `due`.
    Backoff { at: String, due: u64, error: NodeError },
    /// An attempt's lease ran out, or a worker that stops handed it back.
    Lost {
        at: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        returned: bool,
    },
    /// A question was opened.
    Waiting {
        at: String,
        ticket: String,
        asks: Asks,
        binds: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<NodeError>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wants: Option<Amount>,
    },
    /// One of several approvals.
    Voted { at: String, ticket: String, by: String },
    /// The question was answered.
    Answered {
        at: String,
        ticket: String,
        answer: String,
        by: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An answer was refused: by which rule, and what was wrong with it.
    DecisionRefused {
        at: String,
        ticket: String,
        answer: String,
        by: String,
        code: String,
        why: String,
    },
    /// It was tried to tell of a question: without `error` somebody was; with it, it is tried again at `due`.
    Notified {
        at: String,
        ticket: String,
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<u64>,
    },
    /// An attempt is about to use at most so much.
    Reserved { at: String, amount: Amount },
    /// What an attempt has used of what it had reserved; the rest is free again.
    Booked { at: String, amount: Amount },
    /// The most that an agent of this id may use, or (empty) the run, was set.
    Capped {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        agent: String,
        cap: Cap,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A delay began.
    Delayed { at: String, due: u64 },
    /// A child run began, with its part of the run's agents.
    Child {
        at: String,
        run: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<u64>,
        #[serde(default, skip_serializing_if = "Part::is_empty")]
        part: Part,
    },
    /// What a child run has had of its part of the run's agents; the rest is free again.
    Counted {
        at: String,
        #[serde(default, skip_serializing_if = "is_zero")]
        agents: u32,
        #[serde(default, skip_serializing_if = "is_zero")]
        starts: u32,
    },
    /// Suspended or resumed.
    Suspended { on: bool },
    /// An early end was asked for; claimed attempts are given up at `grace`.
    Cancelled {
        mode: CancelMode,
        outcome: RunOutcome,
        grace: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A container starts no further iteration.
    Stopped { at: String, error: NodeError },
    /// A scope drains because of an unhandled failure.
    Failing {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        scope: String,
        error: NodeError,
    },
    /// The exit handler began; this is how the graph went.
    Finally {
        outcome: RunOutcome,
        due: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<NodeError>,
    },
    /// The graph was changed: from here on the root is read with the new revision.
    Patched(Box<Patched>),
    /// A request to change the graph was refused; the first finding says why.
    PatchRefused {
        patch: String,
        request: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<u32>,
        code: String,
        pointer: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        verdicts: Vec<Layer>,
    },
    /// The run is over.
    Ended {
        outcome: RunOutcome,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<NodeError>,
    },
}

/// What a run began with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// `run_...`.
    pub run: String,
    /// The workflow's name.
    pub workflow: String,
    /// Digest of the spec.
    pub digest: String,
    /// Digest of the input.
    pub input: String,
    /// Who owns it.
    pub tenant: String,
    /// When its duration is over.
    pub deadline: u64,
    /// The run that waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// How deep in child runs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub depth: u32,
    /// Bytes of the input.
    pub bytes: u64,
    /// Digest of revision 0, if the run began on a set of patches over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Digest of what the graph was told of registered types, if nodes of it are of such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<String>,
    /// Digest of the set of patches it began on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_set: Option<String>,
    /// The run whose recorded outputs it began with, and the instances that ran anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replays: Option<Replays>,
    /// Milliseconds that it stays after its end at least.
    #[serde(default, skip_serializing_if = "is_zero64")]
    pub keep: u64,
    /// What its tenant allows it.
    #[serde(default, skip_serializing_if = "Allowed::is_open")]
    pub allowed: Allowed,
}

/// What a replay goes back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replays {
    /// The run whose outputs are used again.
    pub run: String,
    /// Instances from which on everything runs anew.
    pub from: Vec<String>,
}

/// What one of the layers that judge a patch said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// `runner`, `receiver` or `commit`.
    pub layer: String,
    /// `accepted`, or the code of its refusal.
    pub verdict: String,
}

/// What a patch did to the marking, before anything follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Patched {
    /// `patch_...`.
    pub patch: String,
    /// Digest of the new graph's spec.
    pub digest: String,
    /// The new revision.
    pub revision: u32,
    /// Digest of what the new graph was told of registered types, if nodes of it are of such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<String>,
    /// Digest of the canonical operations; they are kept under it.
    pub operations: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Instances whose task was taken back before anybody claimed it, and open approvals that are asked again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recalled: Vec<String>,
    /// Edges of the new graph that settle afresh.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reset: Vec<String>,
    /// The patch that it takes out, if it is an undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// What each layer said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Layer>,
}

/// How an instance or iteration settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Settled {
    /// With an output.
    Succeeded,
    /// With an error.
    Failed,
    /// Its join could no longer be met.
    Skipped,
    /// Nobody could run it.
    Passed,
    /// By a drain, a cancel or a timeout around it.
    Cancelled,
}

/// Why an instance settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A worker's answer, or a container's own end.
    Completion,
    /// No in-edge was taken.
    DeadPath,
    /// A gate before it did not open.
    Gate,
    /// `skipped://unknown_type`.
    UnknownType,
    /// `skipped://agent_limit`.
    AgentLimit,
    /// A person's answer.
    Decision,
    /// A time was over.
    Timer,
    /// Its config or a condition failed.
    Expression,
    /// Its scope drains.
    Drain,
    /// On request.
    Cancel,
    /// The answer of the run that this one replays.
    Replay,
    /// Its worker went away too often.
    Lost,
    /// A limit of the run.
    Limit,
}

impl Event {
    /// Its bytes as they are stored, hashed and streamed: compact JSON, members in the order above.
    ///
    /// # Errors
    /// Never for values of this type; serde's signature asks for it.
    pub fn line(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

impl Settled {
    /// `succeeded`, `failed`, ...
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Passed => "passed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// SHA-256 of an event's bytes, hex: the next event's `prev`.
pub fn chain(line: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(line))
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_zero64(number: &u64) -> bool {
    *number == 0
}
