//! Seeded defects, to see that the laws catch them. Only built with the feature `mutants`, which nothing that ships has.
//!
//! One defect is chosen for a thread by `choose`; where the rules of patching are carried out, [`is`] asks
//! for it. Without the feature it answers false at compile time.

/// Defects, each named after the sentence of the rules of patching that it leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say what is left out")]
pub enum Mutant {
    SettledMayChange,
    SettledMayGo,
    ClaimedMayGo,
    ClaimedMayChange,
    BackingOffMayChange,
    BegunMayChange,
    RetryBelowAttempts,
    PausedRetryRises,
    EdgeOfStartedMayGo,
    EdgeOfStartedMayChange,
    NewEdgeIntoStarted,
    CancelUnclaimed,
    CancelLeadsNowhere,
    NewEdgesDoNotSettle,
    GroupsNotJudged,
    StartedOnOtherGround,
    HandledFailureLosesItsEdge,
    FailingConditionTaken,
    PausedNotJudged,
    FailingPatchTaken,
    OverTaken,
    JoinsNotRecomputed,
    RootsNotBegun,
    AbsorbedDoesNotCount,
    PublishedKeepsItsTask,
    RecallForgetsTask,
    RecallForgetsTimer,
    RecallForgetsTicket,
    RecallForgetsToken,
    RecallForgetsFailures,
    ResetForgotten,
    GateMayGo,
    GateMayChange,
    GateEdgeMayGo,
    GateGoneRound,
    GateWaysMayChange,
    GateDeciderMayChange,
    GateDeciderLedOtherwise,
    GateDeciderMayBeCancelled,
    GateConditionMayCome,
    GateGroupMayGrow,
    GateWaitsForLess,
    GuardsMayShrink,
    GuardsOfJoinForgotten,
    NestedBodyNotPinned,
    HeldBackDoesNotWait,
    AuthorNotChecked,
    GoneAgentsNotCounted,
    ConfigsNotJudged,
    AnsweredMayChange,
    AnsweredBeginsAgain,
    RejudgedNotRecalled,
    IdUsedAgain,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 53] = [
        Self::SettledMayChange,
        Self::SettledMayGo,
        Self::ClaimedMayGo,
        Self::ClaimedMayChange,
        Self::BackingOffMayChange,
        Self::BegunMayChange,
        Self::RetryBelowAttempts,
        Self::PausedRetryRises,
        Self::EdgeOfStartedMayGo,
        Self::EdgeOfStartedMayChange,
        Self::NewEdgeIntoStarted,
        Self::CancelUnclaimed,
        Self::CancelLeadsNowhere,
        Self::NewEdgesDoNotSettle,
        Self::GroupsNotJudged,
        Self::StartedOnOtherGround,
        Self::HandledFailureLosesItsEdge,
        Self::FailingConditionTaken,
        Self::PausedNotJudged,
        Self::FailingPatchTaken,
        Self::OverTaken,
        Self::JoinsNotRecomputed,
        Self::RootsNotBegun,
        Self::AbsorbedDoesNotCount,
        Self::PublishedKeepsItsTask,
        Self::RecallForgetsTask,
        Self::RecallForgetsTimer,
        Self::RecallForgetsTicket,
        Self::RecallForgetsToken,
        Self::RecallForgetsFailures,
        Self::ResetForgotten,
        Self::GateMayGo,
        Self::GateMayChange,
        Self::GateEdgeMayGo,
        Self::GateGoneRound,
        Self::GateWaysMayChange,
        Self::GateDeciderMayChange,
        Self::GateDeciderLedOtherwise,
        Self::GateDeciderMayBeCancelled,
        Self::GateConditionMayCome,
        Self::GateGroupMayGrow,
        Self::GateWaitsForLess,
        Self::GuardsMayShrink,
        Self::GuardsOfJoinForgotten,
        Self::NestedBodyNotPinned,
        Self::HeldBackDoesNotWait,
        Self::AuthorNotChecked,
        Self::GoneAgentsNotCounted,
        Self::ConfigsNotJudged,
        Self::AnsweredMayChange,
        Self::AnsweredBeginsAgain,
        Self::RejudgedNotRecalled,
        Self::IdUsedAgain,
    ];
}

#[cfg(feature = "mutants")]
thread_local! {
    static CHOSEN: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Seeds one defect for this thread from here on, or none: tests beside it go on without.
#[cfg(feature = "mutants")]
pub fn choose(mutant: Option<Mutant>) {
    CHOSEN.with(|chosen| chosen.set(mutant));
}

/// Whether this defect is seeded.
#[cfg(feature = "mutants")]
pub fn is(mutant: Mutant) -> bool {
    CHOSEN.with(std::cell::Cell::get) == Some(mutant)
}

/// Whether this defect is seeded: never.
#[cfg(not(feature = "mutants"))]
pub const fn is(_: Mutant) -> bool {
    false
}
