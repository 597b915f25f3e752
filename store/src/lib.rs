//! Where runs live. One trait, two implementations under one suite of tests: [`redis`] for many
//! processes, [`embedded`] for one process with a journal. Nothing outside this crate knows which
//! one it has. [`archive`] keeps runs that have left either.

pub mod admission;
mod answered;
pub mod archive;
pub mod commit;
pub mod embedded;
mod error;
mod patched;
pub mod redis;
pub mod spend;
pub mod task;
#[cfg(feature = "testing")]
pub mod testing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aob_engine::patch::Record;
use aob_engine::state::State;
use aob_engine::step::{Envelope, Timer};
use aob_engine::tier::Tier;
use aob_engine::timeline::Move;
use async_trait::async_trait;

pub use admission::{Admitted, Debit};
pub use answered::{LONGEST_ANSWER, Remembered};
pub use aob_engine::id;
pub use commit::{Commit, Committed, Item, Outcome};
pub use error::Error;
pub use spend::{Reserve, Spend, Spent};
pub use task::{Beat, Claim, Kept, Signal, SignalEntry, Task, TaskRef};

/// See [`Store::work_bell`]. Dropped, it waits no longer.
pub type WorkBell = futures::future::BoxFuture<'static, u32>;

/// Result of a store's call.
pub type Result<T> = std::result::Result<T, Error>;

/// The store. Every call may be repeated: an answer that was lost leaves the caller free to ask again.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// How many shards there are, 1..=32; a run's shard is the last character of its id.
    fn shards(&self) -> u32;

    /// The present epoch: one half of every fence.
    fn epoch(&self) -> u64;

    /// Whether all that was acknowledged about a run in an epoch is here: the store is still in that epoch, or knows it
    /// as one of which nothing was lost. False where it cannot tell: then it proves nothing that a run is not here.
    async fn continues(&self, run: &str, epoch: u64) -> Result<bool>;

    /// Commits items, each whole or not at all, linked ones together; then claims.
    ///
    /// # Errors
    /// [`Error::Epoch`] if the epoch has changed: nothing was written, caches must be dropped.
    /// [`Error::Full`] if admission is stopped and an item starts a run. Otherwise the transport's.
    async fn commit(&self, commit: Commit) -> Result<Committed>;

    /// Claims up to `claim.max` tasks, waiting at most `wait` for the first. Where fewer are wanted than there are types
    /// asked for, and tasks of several types arrive in the moment in which it begins to wait, a server's store may bring
    /// one of each.
    async fn claim(&self, claim: &Claim, wait: Duration) -> Result<Vec<Task>>;

    /// Hands an answer to the coordinators instead of committing it: one step that writes the signal
    /// and marks the task as reported, so that it can no longer be called lost.
    async fn report(&self, consumer: &str, task: &TaskRef, signal: &Signal) -> Result<()>;

    /// Writes a signal that belongs to no task: a decision, a cancel, a child's answer.
    async fn signal(&self, signal: &Signal) -> Result<()>;

    /// Signals for this coordinator, waiting at most `wait`. What another left pending for 5 s is taken over.
    async fn signals(
        &self,
        shard: u32,
        consumer: &str,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<SignalEntry>>;

    /// Acknowledges signals whose input came to nothing (same, superseded, ended, unknown).
    async fn ack_signals(&self, shard: u32, ids: &[String]) -> Result<()>;

    /// Keeps the leases of the named tasks and tells which are lost, and which tasks the consumer holds
    /// without having named them (a claim whose reply was lost).
    async fn beat(&self, beat: &Beat) -> Result<Kept>;

    /// Turns expired leases and due timers of a shard into signals; answers how many, and the time in
    /// milliseconds until the next timer, if there is one.
    async fn sweep(&self, shard: u32, lease: Duration, now: u64) -> Result<(usize, Option<u64>)>;

    /// Tells rival committers of a run to stand back for at most `ms`, 100 at the most, until a commit of the holder
    /// ([`Commit::holder`]) was applied; answers whether the hold was taken. It is not prolonged, and the next one needs
    /// as long a pause as it lasted. A `patch` does not wait for those who are none: it takes a hold or a pause of
    /// theirs over.
    async fn hold(&self, run: &str, holder: &str, ms: u64, patch: bool) -> Result<bool>;

    /// The state of a run, decoded. None if there is no such run.
    async fn load(&self, run: &str) -> Result<Option<Arc<State>>>;

    /// Context entries by key; keys without an entry are left out.
    async fn context(&self, run: &str, keys: &[String]) -> Result<BTreeMap<String, Envelope>>;

    /// The keys of all context entries of a run, in no order.
    async fn context_keys(&self, run: &str) -> Result<Vec<String>>;

    /// Instances of the run whose task a worker holds right now.
    async fn claimed(&self, state: &State) -> Result<Vec<String>>;

    /// Events `after < n`, as stored, at most `most`.
    async fn events(&self, run: &str, after: u64, most: usize) -> Result<Vec<Vec<u8>>>;

    /// Waits until the run has more than `seq` events, at most `wait`; answers its seq then (0: no such run).
    async fn watch(&self, run: &str, seq: u64, wait: Duration) -> Result<u64>;

    /// Waits until the run is over or gone, at most `wait`; answers its seq then (0: no such run). It costs those who
    /// move the run nothing until then.
    async fn watch_end(&self, run: &str, wait: Duration) -> Result<u64>;

    /// Appends log lines of an instance; the oldest go beyond 1 MiB per run.
    async fn log(&self, run: &str, lines: &[LogLine]) -> Result<()>;

    /// Log lines from position `after` (a count from the run's first line), at most `most`, and the position after them.
    async fn logs(&self, run: &str, after: u64, most: usize) -> Result<(Vec<LogLine>, u64)>;

    /// Keeps a document under its digest.
    async fn put_artifact(&self, digest: &str, document: &[u8]) -> Result<()>;

    /// The document with this digest.
    async fn artifact(&self, digest: &str) -> Result<Option<Vec<u8>>>;

    /// Every answered request to patch a run: accepted ones by revision, then refused ones by time. What was
    /// packed away by [`Store::compact`] is among them.
    async fn patches(&self, run: &str) -> Result<Vec<Record>>;

    /// The answered request with this id.
    async fn patch(&self, run: &str, id: &str) -> Result<Option<Record>>;

    /// What a revision of a run is made of. A base that is not in it is the artifact `head.base`.
    ///
    /// # Errors
    /// [`Error::Limit`] if the run does not have this revision.
    async fn chain(&self, run: &str, revision: u32) -> Result<Chain>;

    /// Keeps the document of a revision as a new base, and packs the patches up to it together. Says so again if it
    /// is there already, and of a run that is gone. Interrupted anywhere it leaves every revision to be had.
    ///
    /// # Errors
    /// [`Error::Limit`] if no kept patch made the revision, or the document is not the graph that it made.
    async fn compact(&self, run: &str, revision: u32, document: &[u8]) -> Result<()>;

    /// Runs that have an answered patch whose id begins with `prefix`: patch and run, at most 10.
    async fn find_patches(&self, tenant: &str, prefix: &str) -> Result<Vec<(String, String)>>;

    /// Moves a tag of a workflow: appends to its timeline and points it at the move's digest, if it has `known` moves
    /// now. False: it has moved on. A move that is the last one already, made on as many, is not made again.
    ///
    /// # Errors
    /// [`Error::Limit`] after 10,000 moves, or if a name has spaces or control characters.
    async fn move_tag(
        &self,
        tenant: &str,
        workflow: &str,
        tag: &str,
        known: u32,
        to: &Move,
    ) -> Result<bool>;

    /// Every move of a tag, in order.
    async fn timeline(&self, tenant: &str, workflow: &str, tag: &str) -> Result<Vec<Move>>;

    /// Names a set of patches of a workflow: an artifact.
    async fn name_patch_set(
        &self,
        tenant: &str,
        workflow: &str,
        name: &str,
        digest: &str,
    ) -> Result<()>;

    /// The digest behind the name of a set of patches.
    async fn patch_set(&self, tenant: &str, workflow: &str, name: &str) -> Result<Option<String>>;

    /// Names and digests of a workflow's sets of patches.
    async fn patch_sets(&self, tenant: &str, workflow: &str) -> Result<Vec<(String, String)>>;

    /// The digest behind a tag.
    async fn tag(&self, tenant: &str, workflow: &str, tag: &str) -> Result<Option<String>>;

    /// Names of workflows that have a tag, with their tags and digests.
    async fn workflows(&self, tenant: &str) -> Result<Vec<Version>>;

    /// Counts a start against a tenant's tier, or against all its starts, if it is within the limit; once for each id.
    ///
    /// # Errors
    /// [`Error::Limit`] if a name or number is out of bounds.
    async fn admit(&self, debit: &Debit) -> Result<Admitted>;

    /// What was debited under this id no longer counts.
    async fn refund(&self, tenant: &str, tier: Option<Tier>, id: &str) -> Result<()>;

    /// Settles what an attempt had reserved of its tenant's money of a day, and reserves what it asks for now, if the day
    /// has room for it.
    ///
    /// # Errors
    /// [`Error::Limit`] if a name is out of bounds.
    async fn spend(&self, spend: &Spend) -> Result<Spent>;

    /// The document of a tenant's limits, as it was put.
    async fn limits(&self, tenant: &str) -> Result<Option<Vec<u8>>>;

    /// Keeps what a tenant is limited to, or forgets it.
    ///
    /// # Errors
    /// [`Error::Limit`] if the name is none, or the document larger than 4 KiB.
    async fn put_limits(&self, tenant: &str, document: Option<&[u8]>) -> Result<()>;

    /// Every registered node type, by name.
    async fn types(&self) -> Result<Vec<KeptType>>;

    /// A number that changes with every change of a registered type.
    async fn types_version(&self) -> Result<u64>;

    /// Registers a type, or changes it, if it is of version `known` now (0: it is not there); answers its new version.
    /// None: it has moved on. A document that is there already is not written again.
    ///
    /// # Errors
    /// [`Error::Limit`] if the name is none, or more than [`MOST_TYPES`] would be registered.
    async fn put_type(&self, name: &str, known: u64, document: &[u8]) -> Result<Option<u64>>;

    /// Removes a type that is of version `known`; true if it is not there afterwards.
    async fn drop_type(&self, name: &str, known: u64) -> Result<bool>;

    /// Rings once when a task is published to one of these queues after this was answered, with the shard to look in
    /// first. A task rings for one of those who wait; it may have gone to another by then, and a bell may be missed:
    /// whoever waits looks for itself once in a while.
    async fn work_bell(&self, queues: &[Arc<str>]) -> Result<WorkBell>;

    /// Runs, newest first, from a cursor on.
    async fn runs(
        &self,
        tenant: &str,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<(Vec<Summary>, Option<String>)>;

    /// Open tickets, oldest first.
    async fn tickets(&self, tenant: &str, most: usize) -> Result<Vec<OpenTicket>>;

    /// The run that was started under a dedupe key within the last 72 h.
    async fn keyed(&self, tenant: &str, key: &str) -> Result<Option<Arc<str>>>;

    /// Remembers for a day that a request was made under an idempotency key; with an answer, what that was. Without
    /// one only the first request is remembered, and what was known before is answered.
    ///
    /// # Errors
    /// [`Error::Limit`] for keys beyond 256 bytes and answers beyond [`LONGEST_ANSWER`].
    async fn remember(
        &self,
        tenant: &str,
        key: &str,
        request: &str,
        answer: Option<&[u8]>,
    ) -> Result<Option<Remembered>>;

    /// Ids of runs or tickets that begin with `prefix`, at most 10.
    async fn find(&self, tenant: &str, prefix: &str) -> Result<Vec<String>>;

    /// Runs that ended longer ago than their retention, at most `most`.
    async fn expired(&self, shard: u32, now: u64, most: usize) -> Result<Vec<Expired>>;

    /// Removes runs with everything that is theirs: those whose time has come, whatever else is named. Answers how
    /// many.
    async fn remove(&self, shard: u32, now: u64, runs: &[Expired]) -> Result<usize>;

    /// Removes runs that ended longer ago than their retention; answers how many.
    async fn drop_expired(&self, shard: u32, now: u64, most: usize) -> Result<usize> {
        match self.expired(shard, now, most).await?.as_slice() {
            [] => Ok(0),
            runs => self.remove(shard, now, runs).await,
        }
    }

    /// Types with unclaimed tasks, and since when the oldest waits (milliseconds since 1970).
    async fn backlog(&self) -> Result<Vec<Backlog>>;

    /// How much there is to do for those who serve each queue; what has nothing to do may be missing.
    async fn demand(&self) -> Result<Vec<Demand>>;

    /// Whether commits and starts are taken now.
    ///
    /// # Errors
    /// What a commit or a start would meet: [`Error::Unreachable`], [`Error::Epoch`], [`Error::Full`], the disk's.
    async fn ready(&self) -> Result<()>;

    /// What this process has counted of its way to the store, by name: `answered`, `failed`, `connected`.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// What is needed to see a run with the store's own tools: lines to type.
    fn inspect(&self, run: &str) -> Vec<String>;

    /// Waits until everything acknowledged is on disk and stops background work.
    async fn close(&self) -> Result<()>;
}

/// One line of a run's log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogLine {
    /// Milliseconds since 1970.
    pub t: u64,
    /// The instance; empty for the run itself.
    pub at: String,
    /// `out`, `err` or `aob`.
    pub from: String,
    /// Without line end, at most 8 KiB.
    pub text: String,
}

/// A run whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// `run_...`.
    pub run: Arc<str>,
    /// Whose it is.
    pub tenant: Arc<str>,
}

/// What a revision is made of: a document, and what leads from it to the revision.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chain {
    /// The newest kept document of this revision or an earlier one, with its revision; none: the first one.
    pub base: Option<(u32, Vec<u8>)>,
    /// Accepted patches after it, up to and with the revision, in order.
    pub overlays: Vec<Record>,
}

/// Most registered types.
pub const MOST_TYPES: usize = 1_000;

/// A registered node type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptType {
    /// `acme.enrich`.
    pub name: String,
    /// Never used again, for whatever type.
    pub version: u64,
    /// Its document, as it was put.
    pub document: Vec<u8>,
}

/// A tag of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Version {
    /// The workflow.
    pub workflow: String,
    /// The tag.
    pub tag: String,
    /// What it points at.
    pub digest: String,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// `run_...`.
    pub run: String,
    /// The workflow's name.
    pub workflow: String,
    /// `State::status`.
    pub status: String,
    /// Milliseconds since 1970.
    pub started: u64,
    /// Milliseconds since 1970, once it ended.
    pub ended: Option<u64>,
    /// The current revision.
    pub revision: u32,
    /// Instances settled, and instances so far.
    pub progress: (u64, u64),
    /// Digest of the set of patches that it began on.
    pub patch_set: Option<String>,
    /// What it counts as.
    pub tier: Tier,
}

/// A question that is open.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OpenTicket {
    /// `ticket_...`.
    pub ticket: String,
    /// The run.
    pub run: String,
    /// The instance that waits.
    pub instance: String,
    /// `gate`, `failure`, `unknown`, `budget`, `patch`.
    pub asks: String,
    /// Since when, milliseconds since 1970.
    pub since: u64,
}

/// What there is to do in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Its name ([`aob_engine::ir::Pool::queue`]).
    pub queue: String,
    /// Tasks that nobody has claimed.
    pub waiting: u64,
    /// Tasks that are claimed and have not ended.
    pub held: u64,
}

/// Unclaimed tasks of a type.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Backlog {
    /// The node type.
    pub node_type: String,
    /// How many.
    pub tasks: u64,
    /// Since when the oldest waits.
    pub since: u64,
    /// Milliseconds since a worker asked for the type or gave a sign of life for a task of it; none: nobody is known.
    pub idle: Option<u64>,
}

impl Backlog {
    /// Milliseconds without a worker after which nobody is said to serve a type.
    pub const UNSERVED: u64 = 30_000;

    /// Whether tasks of the type wait, at `now`, that no live worker would take.
    pub fn is_unserved(&self, now: u64) -> bool {
        self.tasks > 0
            && now.saturating_sub(self.since) >= Self::UNSERVED
            && self.idle.is_none_or(|idle| idle >= Self::UNSERVED)
    }
}

/// A timer's name in a store: instance, purpose and seq behind one another.
pub fn timer_name(run: &str, timer: &Timer) -> String {
    serde_json::to_string(&(run, timer)).unwrap_or_default()
}

/// The run and timer behind a name.
pub fn parse_timer(name: &str) -> Option<(String, Timer)> {
    serde_json::from_str(name).ok()
}
