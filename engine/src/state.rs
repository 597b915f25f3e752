//! What has happened so far in a run: the marking of every scope, and the run's own record.
//!
//! A state is the fold of the run's events ([`fold`]) and nothing else; [`encode`] is its form in a
//! store. Nothing of the transport (stream ids, leases, pending lists) is in it.

pub(crate) mod allowance;
mod apply;
mod below;
mod encode;
mod error;
mod fence;
mod patched;
mod spend;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use apply::{Corrupt, IrSet, fold};
pub(crate) use apply::{Stamp, apply, begin, seal};
pub use below::{Below, Part, Taken};
pub use encode::{Fields, Undecodable, decode, diff, encode};
pub use error::NodeError;
pub(crate) use fence::epoch;
pub(crate) use spend::amount;
pub use spend::{Allowed, Amount, Cap, Short, dollars, micros};

use crate::ir::BodyIx;
use crate::tier::Tier;

/// Path of a scope: empty for the root, `finally`, `each[3]`, `each[3]/inner[0]`.
pub type ScopePath = Arc<str>;

/// The state of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The run's own record.
    pub head: Head,
    /// Every scope that has begun and not ended, root included from the start to the end of the run.
    pub scopes: BTreeMap<ScopePath, Marking>,
    /// Cells of the table of live instances ever used; a freed cell is empty until it is used again.
    pub cells: u32,
    /// Freed cells; derived from `cells` and the live instances, not stored.
    pub free: BTreeSet<u32>,
}

/// The run's own record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// `run_...`.
    pub run: Arc<str>,
    /// The workflow's name.
    pub workflow: Arc<str>,
    /// Who owns it.
    pub tenant: Arc<str>,
    /// Number of events so far: the version that a commit names.
    pub seq: u64,
    /// The current revision, from 0.
    pub revision: u32,
    /// Digest of the current revision's spec.
    pub digest: Arc<str>,
    /// Digests of earlier revisions that a live iteration still runs on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pinned: BTreeMap<u32, Arc<str>>,
    /// Digest of what the current revision was told of registered types ([`crate::ir::UsedTypes`]); none if its nodes
    /// are of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Arc<str>>,
    /// The same of earlier revisions that a live iteration still runs on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pinned_types: BTreeMap<u32, Arc<str>>,
    /// Digest of revision 0, once that is no longer the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Arc<str>>,
    /// Digest of the set of patches that it began on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_set: Option<Arc<str>>,
    /// Refused patches.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refusals: u32,
    /// Accepted patches.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub patches: u32,
    /// Where it stands.
    pub phase: Phase,
    /// SHA-256 of the last event's bytes, hex.
    pub last: Arc<str>,
    /// Milliseconds since 1970.
    pub started: u64,
    /// When the run's duration is over.
    pub deadline: u64,
    /// Milliseconds since 1970, once it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// How the graph went; set when `finally` begins or the run ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<RunOutcome>,
    /// The failure that made the run fail, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<NodeError>,
    /// Nothing is published while this is set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// A requested end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    /// The run that waits for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Published tasks that have not been answered (the mission's token counter).
    pub tokens: u32,
    /// Instances settled.
    pub settled: u64,
    /// Instances that exist so far: the graph's nodes and those of begun iterations.
    pub instances: u64,
    /// Distinct agents that were ever in a revision: what its tier is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub agents: u32,
    /// Dispatches of agents so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub agent_starts: u32,
    /// Ids of agents that an earlier revision had and the current one has not.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub agents_gone: BTreeSet<Arc<str>>,
    /// Nodes that agents have added by patches, by the agent's id: never less, whatever is taken out again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub placed: BTreeMap<Arc<str>, u32>,
    /// Who has patched what an open or coming approval of the root guards, by the approval's id: they do not open it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub patchers: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// Answers of people that were refused, and are among the events.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub denials: u32,
    /// What agents have used, by the node's id: over all its attempts, items and rounds, never less.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spent: BTreeMap<Arc<str>, Amount>,
    /// What people have set as the most that an agent may use, by the node's id; of the run under the empty one. It
    /// holds in place of what the graph says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub caps: BTreeMap<Arc<str>, Cap>,
    /// What its tenant allowed it when it began.
    #[serde(default, skip_serializing_if = "Allowed::is_open")]
    pub allowed: Allowed,
    /// What child runs have had of its agents.
    #[serde(default, skip_serializing_if = "Below::is_empty")]
    pub below: Below,
    /// Bytes of outputs so far.
    pub bytes: u64,
    /// How deep in child runs this one is; 0 is asked for by a person.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub depth: u32,
    /// Who asked for the run.
    pub by: Arc<str>,
    /// Milliseconds that it stays after its end at least.
    #[serde(default, skip_serializing_if = "is_zero64")]
    pub keep: u64,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The graph runs.
    Running,
    /// A failure or a cancel: nothing new starts.
    Draining,
    /// The exit handler runs.
    Finally,
    /// Over.
    Ended,
}

/// How a run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunOutcome {
    /// No unhandled failure.
    Succeeded,
    /// An unhandled failure, its duration over, or its output could not be made.
    Failed,
    /// On request.
    Cancelled,
}

/// A requested end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// `now` or `graceful`.
    pub mode: CancelMode,
    /// How the run will have gone.
    pub outcome: RunOutcome,
    /// When claimed attempts are given up.
    pub grace: u64,
}

/// How to end a run early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CancelMode {
    /// Claimed attempts have 30 s, then `finally` runs.
    Graceful,
    /// Everything settles cancelled in one commit; no `finally`.
    Now,
}

/// Where a child run's answer goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The waiting run.
    pub run: Arc<str>,
    /// Its instance.
    pub instance: Arc<str>,
    /// The fence that the answer carries.
    pub fence: Fence,
}

/// What a completion must carry: the store's epoch, and the event that published the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub u64, pub u64);

/// The marking of one scope.
#[derive(Debug, Clone, PartialEq)]
pub struct Marking {
    /// The revision whose IR it is read with: an iteration keeps the one it began with.
    pub revision: u32,
    /// The body.
    pub body: BodyIx,
    /// By slot.
    pub nodes: Vec<NodeState>,
    /// By slot.
    pub edges: Vec<EdgeState>,
    /// What is known of each instance that is neither idle nor settled, by slot.
    pub live: BTreeMap<u32, Live>,
    /// Instances not settled; derived from `nodes`.
    pub unsettled: u32,
    /// The unhandled failure for which the scope drains.
    pub failed: Option<NodeError>,
}

/// State of a node instance; 4 bits in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum NodeState {
    /// Its join has not fired.
    Idle = 0,
    /// Enabled, not yet published: the run's window is full, or it is suspended.
    Ready = 1,
    /// Published, or a container or child that has begun.
    Active = 2,
    /// Between two attempts.
    Backoff = 3,
    /// For a time or a person.
    Waiting = 4,
    /// Settled.
    Succeeded = 5,
    /// Settled.
    Failed = 6,
    /// Settled: its join could no longer be met.
    Skipped = 7,
    /// Settled: nobody could run it, the run went on.
    Passed = 8,
    /// Settled.
    Cancelled = 9,
}

/// State of an edge instance; 2 bits in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum EdgeState {
    /// Its source has not settled.
    Unsettled = 0,
    /// Followed.
    Taken = 1,
    /// Not followed.
    Dead = 2,
    /// Would have been followed, but its target had started.
    Absorbed = 3,
}

/// What is known of an instance that is neither idle nor settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Its cell in the run's table; free cells are used again, lowest first.
    #[serde(skip)]
    pub cell: u32,
    /// Of its last publication, arming or opening.
    #[serde(rename = "f")]
    pub fence: Fence,
    /// Attempts that failed.
    #[serde(rename = "x", default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// Attempts that were lost.
    #[serde(rename = "l", default, skip_serializing_if = "is_zero")]
    pub losses: u32,
    /// Attempts that a worker which stopped handed back.
    #[serde(rename = "b", default, skip_serializing_if = "is_zero")]
    pub returns: u32,
    /// When its timer goes off: end of a backoff or delay, deadline of a gate, timeout of a container.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
    /// The question that is open.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// Why the last attempt failed.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<NodeError>,
    /// Progress of a foreach or loop.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// The child run.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub child: Option<Arc<str>>,
    /// What the attempt has reserved and not yet booked.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Amount>,
    /// What a budget did not reach for, where that is asked.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub wants: Option<Amount>,
    /// What the child run was given of the run's agents.
    #[serde(rename = "p", default, skip_serializing_if = "Part::is_empty")]
    pub part: Part,
}

/// Progress of a foreach or loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Items, or most rounds; at most [`Container::MOST`].
    pub total: u32,
    /// Iterations begun.
    pub next: u32,
    /// Iterations ended.
    pub done: u32,
    /// Iterations that failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u32,
    /// Iterations that a drain cut short.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut: u32,
    /// Iterations live at once.
    pub concurrency: u32,
    /// Failures that do not fail it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tolerate: u32,
    /// Why no further iteration begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<NodeError>,
}

/// An open question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// `ticket_...`.
    pub id: Arc<str>,
    /// What is asked.
    pub asks: Asks,
    /// Hash of what it binds to: the instance's rendered config, its fence, and the part of the graph that it guards.
    pub binds: Arc<str>,
    /// Who has approved so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<Arc<str>>,
    /// How often it was tried to notify of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub notices: u32,
}

/// What a ticket asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asks {
    /// Approve or reject.
    Gate,
    /// Retry, or settle.
    Failure,
    /// An attempt that must not be repeated was lost: retry, settle or fail.
    Unknown,
    /// A budget is used up: raise it, or stop the run.
    Budget,
    /// An agent proposes a patch that needs a person's word: apply it, or go on without.
    Patch,
}

impl NodeState {
    /// Every state, by number.
    pub const ALL: [Self; 10] = [
        Self::Idle,
        Self::Ready,
        Self::Active,
        Self::Backoff,
        Self::Waiting,
        Self::Succeeded,
        Self::Failed,
        Self::Skipped,
        Self::Passed,
        Self::Cancelled,
    ];

    /// Whether it is for ever.
    pub fn is_settled(self) -> bool {
        self as u8 >= Self::Succeeded as u8
    }

    /// Whether an attempt, an answer or a time is awaited.
    pub fn is_live(self) -> bool {
        !self.is_settled() && self != Self::Idle
    }

    /// `succeeded`, `waiting`, ...
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ready => "ready",
            Self::Active => "active",
            Self::Backoff => "backoff",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Passed => "passed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl EdgeState {
    /// Every state, by number.
    pub const ALL: [Self; 4] = [Self::Unsettled, Self::Taken, Self::Dead, Self::Absorbed];

    /// `unsettled`, `taken`, `dead`, `absorbed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unsettled => "unsettled",
            Self::Taken => "taken",
            Self::Dead => "dead",
            Self::Absorbed => "absorbed",
        }
    }
}

impl RunOutcome {
    /// `succeeded`, `failed`, `cancelled`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Container {
    /// Most items of a foreach, and most rounds of a loop.
    pub const MOST: u32 = 100_000;

    /// Iterations begun and not ended.
    pub fn live(&self) -> u32 {
        self.next - self.done
    }
}

impl Live {
    /// The attempt that is under way or comes next, from 1.
    pub fn attempt(&self) -> u32 {
        self.failures + self.losses + self.returns + 1
    }

    /// Whether an attempt was made before.
    pub fn was_tried(&self) -> bool {
        self.attempt() > 1
    }
}

impl Head {
    /// The run's tier: what it was counted as when it began, or was last patched.
    pub fn tier(&self) -> Tier {
        Tier::of(self.agents)
    }
}

impl State {
    /// Whether the run is over.
    pub fn is_ended(&self) -> bool {
        self.head.phase == Phase::Ended
    }

    /// `running`, `waiting` (for a person or a time, nothing else is under way), `suspended`,
    /// `succeeded`, `failed`, `cancelled`: for people; no code decides by it.
    pub fn status(&self) -> &'static str {
        if self.is_ended() {
            return self.head.outcome.map_or("failed", RunOutcome::name);
        }
        if self.head.suspended {
            return "suspended";
        }
        let waits = |marking: &Marking| marking.live.values().any(|live| live.ticket.is_some());
        if self.head.tokens == 0 && self.scopes.values().any(waits) { "waiting" } else { "running" }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_zero64(number: &u64) -> bool {
    *number == 0
}

/// The instance's name: `fetch`, `each[3]/fetch`, `finally/tell`.
pub fn instance_name(scope: &str, id: &str) -> String {
    if scope.is_empty() { id.to_owned() } else { format!("{scope}/{id}") }
}

/// The scope and the node id of an instance's name.
pub fn split_instance(instance: &str) -> (&str, &str) {
    instance.rsplit_once('/').unwrap_or(("", instance))
}

/// The scope of one iteration of a container: `each[3]`, `outer[0]/each[3]`.
pub fn iteration_scope(container: &str, index: u32) -> String {
    format!("{container}[{index}]")
}

/// The container instance and the index of an iteration's scope; none for the root and `finally`.
pub fn split_scope(scope: &str) -> Option<(&str, u32)> {
    let (container, index) = scope.strip_suffix(']')?.rsplit_once('[')?;
    Some((container, index.parse().ok()?))
}
