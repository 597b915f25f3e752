//! What a record says: operations on the state in memory. The same operations make up a snapshot.

use std::sync::Arc;

use aob_engine::state::{Asks, Fence};
use aob_engine::step::{Envelope, Timer};
use aob_engine::tier::Tier;
use aob_engine::timeline::Move;
use serde_json::Value;

use super::spend::Open;
use crate::LogLine;
use crate::task::Signal;

/// One operation. Entries and signals have numbers that are never used again.
#[derive(Debug)]
pub(super) enum Op {
    /// A run's next step.
    Change(Box<Change>, Delta),
    /// A run and everything of it goes.
    Drop { run: Arc<str>, t: u64 },
    /// A signal was written.
    Signal { id: u64, signal: Arc<Signal> },
    /// Signals were answered.
    Answered(Vec<u64>),
    /// A `once` task said that it begins.
    Begun(u64),
    /// A task's answer is a signal.
    Reported(u64),
    /// A task's loss is a signal.
    Parked(u64),
    /// A timer went off.
    Fired { run: Arc<str>, timer: Timer },
    /// Lines for a run's log.
    Log { run: Arc<str>, lines: Vec<Arc<LogLine>> },
    /// A document.
    Artifact { digest: String, document: Arc<[u8]> },
    /// A request to patch a run, answered; with the revision that it made, if it was accepted.
    Patch { run: Arc<str>, id: String, revision: Option<u32>, record: Arc<[u8]> },
    /// The document of a run's revision.
    Base { run: Arc<str>, revision: u32, document: Arc<[u8]> },
    /// A tag makes its move of this number, from 1.
    Move { tenant: String, workflow: String, tag: String, number: u32, to: Arc<Move> },
    /// A set of patches has a name.
    PatchSet { tenant: String, workflow: String, name: String, digest: String },
    /// A registered node type, or that it is gone. Without a name: so many changes there were.
    Type { name: String, version: u64, document: Option<Arc<[u8]>> },
    /// In older journals: a tag points at a digest, whoever moved it.
    Tag { tenant: String, workflow: String, tag: String, digest: String },
    /// A dedupe key, which may outlive its run.
    Key { tenant: String, key: String, run: Arc<str>, t: u64 },
    /// A start counts from `t` on, for `window` milliseconds.
    Debit { tenant: String, tier: Option<Tier>, id: String, t: u64, window: u64 },
    /// A start no longer counts.
    Refund { tenant: String, tier: Option<Tier>, id: String },
    /// So much is taken of a tenant's money of a day, and an attempt has this reservation of it, or none.
    Spend { tenant: String, day: u64, taken: u64, id: String, open: Option<Open> },
    /// What a tenant is limited to.
    Limits { tenant: String, document: Option<Arc<[u8]>> },
    /// In snapshots: the tombstone of a run.
    Tombstone { run: Arc<str>, t: u64 },
    /// In snapshots: how many lines of a run's log are gone.
    LogBase { run: Arc<str>, base: u64 },
    /// In snapshots: the run is as it was after this record of the journal.
    Floor { run: Arc<str>, lsn: u64 },
    /// Last in a snapshot: nothing in it is younger than this record, and no entry or signal has a number from these on.
    End { lsn: u64, entries: u64, signals: u64 },
}

/// A step of a run, as far as it is not in its state.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// The run.
    pub(super) run: Arc<str>,
    /// Present in its first step.
    pub(super) begins: Option<Begin>,
    /// Events; one, but in snapshots.
    pub(super) lines: Vec<Arc<[u8]>>,
    /// Outputs by key.
    pub(super) context: Vec<(String, Arc<Envelope>)>,
    /// Cells whose task is done with or taken back: before anything is published.
    pub(super) free: Vec<u32>,
    /// Tasks given out.
    pub(super) publish: Vec<Arc<Published>>,
    /// Timers that no longer matter: before any is armed.
    pub(super) disarm: Vec<Timer>,
    /// Timers and their time.
    pub(super) arm: Vec<(Timer, u64)>,
    /// Questions that opened.
    pub(super) open: Vec<Opened>,
    /// Tickets that closed.
    pub(super) close: Vec<Arc<str>>,
    /// Lines for its log.
    pub(super) log: Vec<Arc<LogLine>>,
    /// When it ended and how long it stays.
    pub(super) ended: Option<(u64, u64)>,
    /// Signals answered.
    pub(super) answered: Vec<u64>,
}

/// What a run begins with.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) tenant: Arc<str>,
    pub(super) started: u64,
    pub(super) key: Option<String>,
}

/// A task.
#[derive(Debug, PartialEq)]
pub(super) struct Published {
    pub(super) id: u64,
    pub(super) run: Arc<str>,
    pub(super) cell: u32,
    pub(super) instance: String,
    pub(super) node_type: Arc<str>,
    pub(super) fence: Fence,
    pub(super) attempt: u32,
    pub(super) timeout: Option<u64>,
    pub(super) once: bool,
    pub(super) input: Arc<Value>,
    /// When it was given out, in milliseconds since 1970.
    pub(super) since: u64,
}

/// A question that opened.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) id: Arc<str>,
    pub(super) instance: String,
    pub(super) asks: Asks,
    pub(super) since: u64,
}

/// Fields of a run's state that a step wrote, and that it removed.
#[derive(Debug, Default)]
pub(super) struct Delta {
    pub(super) set: Vec<(String, Vec<u8>)>,
    pub(super) gone: Vec<String>,
}
