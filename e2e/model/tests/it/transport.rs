//! What goes between processes and the store: tasks, signals, calls and their answers.

use std::sync::Arc;

use aob_engine::step::Input;

use crate::book::{Coded, Decided};

/// Who has a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    Nobody,
    Worker(u8),
    Reported,
    Parked,
}

/// An entry of `wf.tasks.*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) id: u32,
    pub(crate) run: Arc<str>,
    pub(crate) instance: Arc<str>,
    pub(crate) fence: (u64, u64),
    pub(crate) once: bool,
    /// In which past it was published.
    pub(crate) timeline: u8,
    pub(crate) owner: Owner,
    /// Whether the group's cursor is past it.
    pub(crate) delivered: bool,
    /// Its count of deliveries is 2.
    pub(crate) begun: bool,
}

/// An entry of `wf.signals`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sig {
    pub(crate) id: u32,
    pub(crate) run: Arc<str>,
    pub(crate) input: Coded<Input>,
    /// Of the attempt that is reported.
    pub(crate) timeline: Option<u8>,
    pub(crate) reader: Option<u8>,
    /// Whoever reads it again finds the same, for ever: only where such signals stay.
    pub(crate) in_vain: bool,
}

/// One run's part of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Item {
    pub(crate) decided: Arc<Decided>,
    /// Names of signals: an entry and the epoch it was read in.
    pub(crate) signals: Vec<(u32, u8)>,
    pub(crate) patch: Option<&'static str>,
    pub(crate) linked: bool,
    /// In which past the attempts began whose answers are committed.
    pub(crate) timelines: Vec<Option<u8>>,
    pub(crate) remembered: Option<u32>,
}

/// A call of `aob1_commit`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) epoch: u8,
    pub(crate) items: Vec<Item>,
    pub(crate) claims: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    Applied,
    Conflict,
    Unknown,
    Ended,
    Claimed,
    Unlinked,
    Held,
}

/// What a call answers, and what it broke.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub(crate) judged: Vec<Judged>,
    pub(crate) claimed: Option<Entry>,
    pub(crate) recalled: Vec<Entry>,
    pub(crate) fault: Option<&'static str>,
}

/// A task as a beat names it.
pub(crate) struct Named {
    pub(crate) id: u32,
    pub(crate) fence: (u64, u64),
    pub(crate) begins: bool,
}
