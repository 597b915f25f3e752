//! Rules taken away, one at a time.

/// A rule that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// A commit is compared by revision only.
    CommitWithoutSeq,
    /// A recall takes the task whether somebody has it or not.
    RecallWithoutAssert,
    /// An expired lease gives the same task to the next.
    SweepKeepsFence,
    /// A restart is not noticed.
    NoEpoch,
    /// The epoch is a number in the store, counted up by a restart.
    EpochIsCounted,
    /// A signal is acknowledged when it is read.
    SignalAckedBefore,
    /// A task is acknowledged by its worker, after the commit.
    TaskAckedAfter,
    /// A commit acknowledges the entry that the worker remembers.
    AckByRememberedId,
    /// A patch's answer is not kept.
    PatchNotRecorded,
    /// Linked items stand for themselves.
    LinksNotWhole,
    /// A commit whose item was refused claims all the same.
    ClaimsThoughRefused,
    /// Signals of an item that was answered unknown or ended stay.
    RefusedKeepsSignals,
    /// An old task may be recalled, and a task that must not be repeated begun, right after a restart.
    NoGrace,
    /// A beat does not take again what a restart has forgotten.
    BeatDoesNotReclaim,
    /// A beat that meets a new epoch repeats what it had judged by the old one.
    BeatKeepsItsJudgement,
    /// A pending signal stays with a coordinator that is gone.
    NoTakeover,
    /// A beat does not tell of tasks that it did not name.
    BeatTellsNothing,
    /// A report takes whatever task has the name that the worker remembers.
    ReportTakesByName,
    /// A report leaves its task to the sweeper.
    ReportDoesNotPark,
}
