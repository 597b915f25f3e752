//! Who takes part, and what each of them holds.

use std::sync::Arc;

use aob_engine::step::Input;

use crate::book::{Coded, ImageRef};
use crate::scenario::Budget;
use crate::store::Store;
use crate::transport::{Call, Entry};

pub(crate) const TWICE: &str = "nothing runs twice under one fence";
pub(crate) const SAME_ANSWER: &str = "who asks again gets the same answer";
pub(crate) const STUCK: &str = "nothing is stuck";
pub(crate) const LEFT: &str = "nothing is left over";

/// One state of everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) store: Arc<Store>,
    /// What would be there after a restart; none: nothing is ever lost.
    pub(crate) kept: Option<Arc<Store>>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) coordinators: Vec<Coordinator>,
    pub(crate) askers: Vec<Asker>,
    /// Calls that are still on their way.
    pub(crate) net: Vec<Call>,
    pub(crate) budget: Budget,
    pub(crate) restarts: u8,
    pub(crate) holds: u8,
    /// Attempts begun whose task is still there: past, fence, instance.
    pub(crate) begun: Vec<(u8, (u64, u64), Arc<str>)>,
    pub(crate) fault: Option<&'static str>,
}

/// What a decision was looked up for: kept between a look and a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Basis {
    pub(crate) image: ImageRef,
    pub(crate) claimed: Vec<String>,
}

/// A process that runs nodes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    pub(crate) consumer: u8,
    pub(crate) epoch: u8,
    pub(crate) silent: bool,
    /// A restart may have forgotten its claims, and it has not beaten since.
    pub(crate) must_beat: bool,
    /// It was silent for the whole of the grace: its lease is over, and nothing is kept for it.
    pub(crate) expired: bool,
    pub(crate) jobs: Vec<Job>,
    pub(crate) basis: Option<Basis>,
    /// Entries to be acknowledged: only where that is not the commit's.
    pub(crate) owes: Vec<u32>,
}

/// A task in a worker's hands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Job {
    pub(crate) entry: Entry,
    pub(crate) running: bool,
    /// What it came to, once that is known.
    pub(crate) answer: Option<u8>,
}

/// A process that serves signals.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Coordinator {
    pub(crate) consumer: u8,
    pub(crate) epoch: u8,
    pub(crate) held: Vec<Held>,
    pub(crate) basis: Option<Basis>,
}

/// A signal in a coordinator's memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) name: (u32, u8),
    pub(crate) run: Arc<str>,
    pub(crate) input: Coded<Input>,
    pub(crate) timeline: Option<u8>,
}

/// Who asks for something, and was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Asker {
    pub(crate) epoch: u8,
    pub(crate) basis: Option<Basis>,
    pub(crate) told: Option<Arc<str>>,
    pub(crate) first: Option<Arc<str>>,
    pub(crate) again: bool,
    pub(crate) raced: bool,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    /// Done, but nobody hears of it.
    AnswerLost,
    /// Not done yet, and nobody waits for it any more.
    Late,
    /// Done and answered, and done again later.
    Twice,
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Claim(usize),
    Begin(usize),
    Finish(usize, u8, Fate),
    Report(usize, u8, Fate),
    Beat(usize),
    Acknowledge(usize),
    FallSilent(usize),
    Wake(usize),
    WorkerDies(usize),
    WorkerLooks(usize),
    Read(usize),
    TakeOver(usize),
    Serve(usize, Fate),
    CoordinatorDies(usize),
    CoordinatorLooks(usize),
    Ask(usize, Fate),
    AskAgain(usize),
    AskerLooks(usize),
    Hold(usize),
    HoldEnds,
    Sweep(u32),
    GoesOff(usize),
    Arrives(usize),
    OnDisk,
    Restart,
    GraceEnds,
}
