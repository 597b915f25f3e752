//! Seeded defects, to see that the laws catch them. Only built with the feature `mutants`, which nothing that ships has.
//!
//! One defect of the whole process is chosen by `choose`; where the rules of patching are carried out, [`is`] asks
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
    GateConditionMayGo,
    GateConditionMayCome,
    GateGroupMayGrow,
    GateWaitsForLess,
    GuardsMayShrink,
    GuardsOfJoinForgotten,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 41] = [
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
        Self::GateConditionMayGo,
        Self::GateConditionMayCome,
        Self::GateGroupMayGrow,
        Self::GateWaitsForLess,
        Self::GuardsMayShrink,
        Self::GuardsOfJoinForgotten,
    ];
}

#[cfg(feature = "mutants")]
static CHOSEN: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(u8::MAX);

/// Seeds one defect from here on, or none.
#[cfg(feature = "mutants")]
pub fn choose(mutant: Option<Mutant>) {
    let number = mutant.map_or(u8::MAX, |mutant| mutant as u8);
    CHOSEN.store(number, std::sync::atomic::Ordering::SeqCst);
}

/// Whether this defect is seeded.
#[cfg(feature = "mutants")]
pub fn is(mutant: Mutant) -> bool {
    CHOSEN.load(std::sync::atomic::Ordering::Relaxed) == mutant as u8
}

/// Whether this defect is seeded: never.
#[cfg(not(feature = "mutants"))]
pub const fn is(_: Mutant) -> bool {
    false
}
