//! What goes into a decision and what comes out of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{Event, Settled};
use crate::state::{Allowed, Amount, Asks, CancelMode, Cap, Fence, NodeError, Parent, Part, State};

/// The moment of a decision, given from outside.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Milliseconds since 1970.
    pub time: u64,
    /// The store's epoch.
    pub epoch: u64,
}

/// What starts a run.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// `run_...`, new.
    pub run: Arc<str>,
    /// Who owns it.
    pub tenant: Arc<str>,
    /// The input; an object, `{}` if none was given.
    pub input: Arc<Value>,
    /// Who asks: `user:<name>`, `system`.
    pub by: Arc<str>,
    /// The run that waits for it.
    pub parent: Option<Parent>,
    /// How deep in child runs.
    pub depth: u32,
    /// What the revision it starts on is made of, if that is not the first one.
    pub on: Option<OnPatches>,
    /// Answers of another run to begin with.
    pub replay: Option<Arc<Replay>>,
    /// Milliseconds that it stays after its end at least, whatever its graph says: whoever asked wants to read how
    /// it went.
    pub keep: u64,
    /// What its tenant allows it.
    pub allowed: Allowed,
}

impl StartRequest {
    /// A run that nobody waits for, on a graph as it was kept, with nothing done yet.
    pub fn new(run: Arc<str>, tenant: Arc<str>, input: Arc<Value>, by: Arc<str>) -> Self {
        Self {
            run,
            tenant,
            input,
            by,
            parent: None,
            depth: 0,
            on: None,
            replay: None,
            keep: 0,
            allowed: Allowed::default(),
        }
    }
}

/// A graph with a set of patches over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnPatches {
    /// Digest of the graph below.
    pub base: Arc<str>,
    /// Digest of the set.
    pub set: Arc<str>,
}

/// Answers of another run. An instance that is named here settles so as soon as it is enabled, and does not run.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// That run.
    pub run: Arc<str>,
    /// Instances from which on everything runs anew.
    pub from: Vec<String>,
    /// By instance of the root.
    pub answers: std::collections::BTreeMap<String, Envelope>,
}

/// Something that happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "lowercase")]
pub enum Input {
    /// A worker's answer to one attempt, or a child run's end.
    Settled {
        /// The instance.
        instance: String,
        /// Of the attempt.
        fence: Fence,
        /// Output, or why not.
        result: Answer,
    },
    /// The end of a child run that has or had agents.
    Child {
        /// The instance.
        instance: String,
        /// Of its begin.
        fence: Fence,
        /// Output, or why not.
        result: Answer,
        /// What all of its agents have used, those of its own child runs among them.
        used: Amount,
        /// How many there ever were of them.
        #[serde(default)]
        agents: u32,
        /// How often one of them was started.
        #[serde(default)]
        starts: u32,
    },
    /// An attempt's lease ran out.
    Lost {
        /// The instance.
        instance: String,
        /// Of the attempt.
        fence: Fence,
        /// Whether the worker had said that it begins.
        begun: bool,
    },
    /// A worker that stops hands an attempt back. That is no loss: nothing went wrong with it.
    Returned {
        /// The instance.
        instance: String,
        /// Of the attempt.
        fence: Fence,
        /// Whether the worker had said that it begins.
        begun: bool,
    },
    /// A time that was waited for has come.
    Timer(Timer),
    /// The run's duration is over: its timer, with what was known when this was asked.
    Overdue {
        /// Instances whose task a worker holds.
        claimed: Vec<String>,
    },
    /// An agent's attempt is about to use at most so much.
    Reserve {
        /// The instance.
        instance: String,
        /// Of the attempt.
        fence: Fence,
        /// At most.
        amount: Amount,
        /// What its next attempt goes on from, if it has to wait for a person: kept under `<instance>#turns`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<Arc<Value>>,
        /// What does not reach for it, beside the run's own budgets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        short: Option<ShortUntil>,
    },
    /// What an agent's attempt has used of what it had reserved.
    Book {
        /// The instance.
        instance: String,
        /// Of the attempt.
        fence: Fence,
        /// In fact.
        amount: Amount,
    },
    /// An agent's answer, with a patch that needs a person's word.
    Propose {
        /// The instance.
        instance: String,
        /// Of the attempt.
        fence: Fence,
        /// What is proposed.
        proposal: Box<Proposal>,
    },
    /// The most that agents may use is set.
    Cap {
        /// The agent, by its node's id; empty: all of the run together.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        agent: String,
        /// The most. What is absent stays as it was.
        cap: Cap,
        /// Who asks.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person's answer to a ticket.
    Decision(Decision),
    /// It was tried to tell somebody of a question.
    Notified(Notified),
    /// A child run was not taken by the tenant's tier: it is asked for again at `due`.
    Deferred {
        /// The instance.
        instance: String,
        /// Of its begin.
        fence: Fence,
        /// Milliseconds since 1970.
        due: u64,
        /// Why it was not taken.
        error: NodeError,
    },
    /// A run is to end early.
    Cancel {
        /// How.
        mode: CancelMode,
        /// Who asks.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Instances whose task a worker holds, as the store knew it when this was decided.
        #[serde(default)]
        claimed: Vec<String>,
    },
    /// Nothing is published while suspended.
    Suspend {
        /// Suspend, or resume.
        on: bool,
        /// Who asks.
        by: String,
    },
}

/// What lies outside a run and does not reach for an attempt before a moment: its tenant's money of the day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortUntil {
    /// What does not reach, in words.
    pub why: String,
    /// When it is asked for again, milliseconds since 1970.
    pub until: u64,
}

/// An agent's patch that needs a person's word, with the answer that it came with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// `patch_...`.
    pub patch: String,
    /// Digest of its canonical operations: what the ticket binds to.
    pub operations: String,
    /// A document of `patch.schema.json`.
    pub request: Arc<Value>,
    /// What the agent settles with, whatever is decided.
    pub output: Arc<Value>,
    /// What it would change, in words.
    pub shown: String,
}

/// The answer of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Its output.
    Output(Arc<Value>),
    /// Why it failed.
    Error {
        /// Code and message.
        #[serde(flatten)]
        error: NodeError,
        /// Whether another attempt may help.
        retryable: bool,
    },
}

/// A time that is waited for. It names the fence that armed it, so that a late one is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timer {
    /// The instance; empty for the run's own.
    pub instance: String,
    /// What it is for.
    pub what: Due,
    /// `seq` of the fence that armed it.
    pub seq: u64,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Due {
    /// The next attempt.
    Backoff,
    /// The end of a delay.
    Delay,
    /// The deadline of a gate.
    Deadline,
    /// The timeout of a container or child.
    Timeout,
    /// The run's duration.
    Duration,
    /// The end of a cancel's grace.
    Grace,
    /// The exit handler's time.
    Finally,
    /// The next attempt to tell of a question. Armed and acted on outside the engine, which makes nothing of it.
    Notice,
}

/// An attempt to tell somebody of an open question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// The instance that waits.
    pub instance: String,
    /// The ticket.
    pub ticket: String,
    /// From 1.
    pub attempt: u32,
    /// Why it failed; none: it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
}

/// A person's answer to a ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The instance that waits.
    pub instance: String,
    /// The ticket; absent: whichever is open there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// What was answered.
    pub answer: Reply,
    /// `user:<name>`.
    pub by: String,
    /// Groups of that user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What can be answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// Opens a gate, with data by the gate's schema.
    Approve(Option<Arc<Value>>),
    /// Closes a gate.
    Reject,
    /// Tries again.
    Retry,
    /// Takes this as the output.
    Settle(Arc<Value>),
    /// Fails the instance.
    Fail,
}

impl Reply {
    /// `approve`, `reject`, `retry`, `settle`, `fail`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Approve(_) => "approve",
            Self::Reject => "reject",
            Self::Retry => "retry",
            Self::Settle(_) => "settle",
            Self::Fail => "fail",
        }
    }
}

/// What became of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is part of the step.
    Applied,
    /// It was applied before, with the same content.
    Same,
    /// The attempt was answered before, with other content.
    Conflicting,
    /// The attempt, timer or ticket is no longer the current one.
    Superseded,
    /// The run is over.
    Ended,
    /// No such instance or ticket.
    Unknown,
    /// It is not allowed; says why.
    Refused(&'static crate::catalogue::Entry, String),
}

/// A decision with everything that follows from it. Nothing has been written yet.
#[derive(Debug, Clone)]
pub struct Step {
    /// The state after it.
    pub state: State,
    /// What to append; none if no input was applied.
    pub event: Option<Event>,
    /// Its bytes.
    pub line: Vec<u8>,
    /// One per input, in order.
    pub verdicts: Vec<Verdict>,
    /// What to do with it.
    pub effects: Effects,
}

/// What a store and a process do after a decision: in the same commit, but for `children` and `answer`,
/// which are further items of it.
#[derive(Debug, Clone, Default)]
pub struct Effects {
    /// Outputs to keep, by context key.
    pub context: Vec<(String, Envelope)>,
    /// Tasks to give out.
    pub publish: Vec<Publish>,
    /// Cells whose task is done with, whoever holds it.
    pub ack: Vec<u32>,
    /// Cells whose task is taken back, if nobody has claimed it: else the commit is refused.
    pub recall: Vec<u32>,
    /// Timers to set.
    pub arm: Vec<(Timer, u64)>,
    /// Timers that no longer matter.
    pub disarm: Vec<Timer>,
    /// Questions that opened.
    pub open: Vec<TicketNotice>,
    /// Tickets that closed.
    pub close: Vec<Arc<str>>,
    /// Child runs to start, in the same commit.
    pub children: Vec<ChildStart>,
    /// Child runs to cancel, in the same commit where possible.
    pub cancel: Vec<(Arc<str>, CancelMode)>,
    /// The answer to the run that waits for this one.
    pub answer: Option<(Parent, Answer)>,
    /// Lines for the run's log.
    pub log: Vec<String>,
}

/// A task to give out.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish {
    /// Where the store remembers it.
    pub cell: u32,
    /// The instance.
    pub instance: String,
    /// The queue that it goes to: the node type, and behind it the tenant if only that one's workers may run it
    /// ([`crate::ir::Pool::queue`]).
    pub node_type: Arc<str>,
    /// What its completion carries.
    pub fence: Fence,
    /// From 1.
    pub attempt: u32,
    /// Milliseconds that an attempt may take from its claim.
    pub timeout: Option<u64>,
    /// Whether it begins with a beat that says so.
    pub once: bool,
    /// The rendered config.
    pub input: Arc<Value>,
}

/// A question that opened.
#[derive(Debug, Clone, PartialEq)]
pub struct TicketNotice {
    /// `ticket_...`.
    pub id: Arc<str>,
    /// The instance that waits.
    pub instance: String,
    /// What is asked.
    pub asks: Asks,
}

/// A child run to start.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildStart {
    /// Its id, in the parent's shard.
    pub run: Arc<str>,
    /// The workflow's name.
    pub name: String,
    /// A tag or a digest of it; neither: `main`.
    pub version: Option<String>,
    /// Its input.
    pub input: Arc<Value>,
    /// Where its answer goes.
    pub parent: Parent,
    /// How deep in child runs.
    pub depth: u32,
    /// Micro-dollars that are reserved for it in the run that waits; none if that has no limit.
    pub spend: Option<u64>,
    /// What it may have of the agents of the run that waits.
    pub part: Part,
}

/// What agents a workflow may have, with the child runs that it starts: looked up when one of it is about to begin, under
/// a key of the context that no instance has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Agents of its own graph.
    pub own: u32,
    /// With those of the workflows that its nodes name, and so on.
    pub agents: u32,
    /// Whether it may come to more: by a patch of an agent, or below a workflow that is below itself.
    pub grows: bool,
    /// Digest of the graph that this was found of, and that is to be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Reach {
    /// What its keys begin with.
    pub const KEYS: &str = "workflow ";

    /// The key of a workflow, at a tag or a digest, `main` without.
    pub fn key(name: &str, version: Option<&str>) -> String {
        format!("{}{name}@{}", Self::KEYS, version.unwrap_or("main"))
    }

    /// Name and version behind a key.
    pub fn asked(key: &str) -> Option<(&str, &str)> {
        key.strip_prefix(Self::KEYS)?.rsplit_once('@')
    }

    /// Name and version that the config of a child node names.
    pub fn named(config: &Value) -> Option<(&str, Option<&str>)> {
        let text = |key: &str| config.get(key).and_then(Value::as_str);
        Some((text("name")?, text("digest").or_else(|| text("tag"))))
    }

    /// What was found, as the context holds it; nothing is known of a workflow that is not to be had.
    pub fn of(entry: &Envelope) -> Self {
        let value = entry.value.as_deref();
        value.and_then(|value| Self::deserialize(value).ok()).unwrap_or_default()
    }

    /// The entry that the context holds.
    pub fn entry(&self) -> Envelope {
        let value = serde_json::to_value(self).ok().map(Arc::new);
        Envelope {
            fence: Fence(0, 0),
            outcome: Settled::Succeeded,
            digest: None,
            value,
            error: None,
        }
    }
}

/// One entry of a run's context: an output and the record that it was applied, in one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Fence of the attempt that gave it.
    pub fence: Fence,
    /// How it settled.
    pub outcome: Settled,
    /// Digest of the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Arc<Value>>,
    /// `{code, message}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
}

/// What a run has kept so far. Keys: `input`, an instance, `<container>#items`, `<container>[3]`
/// (an iteration's result), `<gate>#config`, `$output`.
pub trait Context {
    /// The entry, if it has been loaded; the inner none: it was looked for, and there is none.
    fn get(&self, key: &str) -> Option<Option<&Envelope>>;
}

/// Everything a run has kept: what is not in it does not exist.
impl Context for std::collections::BTreeMap<String, Envelope> {
    fn get(&self, key: &str) -> Option<Option<&Envelope>> {
        Some(Self::get(self, key))
    }
}

/// What has been loaded so far: what is not in it may exist.
impl Context for std::collections::BTreeMap<String, Option<Envelope>> {
    fn get(&self, key: &str) -> Option<Option<&Envelope>> {
        Self::get(self, key).map(Option::as_ref)
    }
}

/// Why no decision could be taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// These context keys have to be loaded first.
    #[error("context must be loaded first: {0:?}")]
    Missing(Vec<String>),
    /// The IR of this revision is not at hand.
    #[error("revision {0} must be loaded first")]
    Revision(u32),
    /// The run may not start; every finding.
    #[error("{}", .0.first().map_or_else(String::new, |first| format!("{}: {}", first.entry.code, first.message)))]
    Start(Vec<crate::issue::Issue>),
    /// State and graph do not belong together: a defect or a damaged store.
    #[error("the run's state does not fit its graph: {0}")]
    Corrupt(String),
}

impl PartialEq for crate::issue::Issue {
    fn eq(&self, other: &Self) -> bool {
        self.entry == other.entry && self.pointer == other.pointer && self.message == other.message
    }
}
