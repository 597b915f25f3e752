//! Conditions and their reasons: a stable interface. People read messages, programs read these.

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

/// Longest message, in bytes: the API server's limit is 32 KiB, a status stays far below 64.
const LONGEST: usize = 1024;

/// Types of conditions.
pub mod kind {
    /// Workflow, NodeType: what the spec says is in the store. (kstatus)
    pub const READY: &str = "Ready";
    /// Workflow, NodeType: it will not become ready before somebody changes it. (kstatus)
    pub const STALLED: &str = "Stalled";
    /// Workflow: every node type is known; false names the nodes that will be skipped.
    pub const NODE_TYPES_RESOLVED: &str = "NodeTypesResolved";
    /// Workflow: the tag `main` was moved by hand and stays there until the spec changes.
    pub const PINNED: &str = "Pinned";
    /// Workflow: its runner pods have cores of their own.
    pub const RUNNERS_PINNED: &str = "RunnersPinned";
    /// Run: the run was taken on.
    pub const ADMITTED: &str = "Admitted";
    /// Run: nothing goes on until a person answers.
    pub const WAITING: &str = "Waiting";
    /// Run: it is over; true on success and on failure, for `kubectl wait`.
    pub const COMPLETE: &str = "Complete";
    /// Run: how it went; unknown until it is over.
    pub const SUCCEEDED: &str = "Succeeded";
    /// RunPatch: it has taken effect.
    pub const APPLIED: &str = "Applied";
}

/// Reasons of conditions. CamelCase, never used for something else.
pub mod reason {
    /// Ready: the version is in the store and `main` points at it.
    pub const PUBLISHED: &str = "Published";
    /// Ready, Stalled: rules of the language are broken; the message names the first.
    pub const INVALID: &str = "Invalid";
    /// Ready, Admitted, Applied: the store does not answer; it is tried again.
    pub const STORE_UNAVAILABLE: &str = "StoreUnavailable";
    /// Stalled: nothing keeps it from being ready.
    pub const NOT_STALLED: &str = "NotStalled";
    /// NodeTypesResolved: all are known.
    pub const ALL_KNOWN: &str = "AllKnown";
    /// NodeTypesResolved: some are not.
    pub const UNKNOWN_TYPES: &str = "UnknownTypes";
    /// Pinned: `main` was moved by hand.
    pub const MOVED_BY_HAND: &str = "MovedByHand";
    /// Pinned: `main` follows the spec.
    pub const FOLLOWS_SPEC: &str = "FollowsSpec";
    /// RunnersPinned: no pods of its own are needed, or they ask for no cores of their own.
    pub const NOT_ASKED: &str = "NotAsked";
    /// RunnersPinned: there are no pods now; they begin when there is work.
    pub const NO_PODS: &str = "NoPods";
    /// RunnersPinned: pods begin.
    pub const STARTING: &str = "Starting";
    /// RunnersPinned: every pod that runs has the cores it asks for, and nobody else uses them.
    pub const OWN_CORES: &str = "OwnCores";
    /// RunnersPinned: a pod shares its cores with others; under `Require` it does nothing.
    pub const SHARED_CORES: &str = "SharedCores";
    /// RunnersPinned: no machine takes a pod; the message is the scheduler's.
    pub const NO_MACHINE: &str = "NoMachine";
    /// RunnersPinned: the API server takes no such pods; the message is its own.
    pub const PODS_REFUSED: &str = "PodsRefused";
    /// Admitted: counted as a run without agents.
    pub const TIER_SIMPLE: &str = "TierSimple";
    /// Admitted: counted as a run with one or two agents.
    pub const TIER_STANDARD: &str = "TierStandard";
    /// Admitted: counted as a run with three agents or more.
    pub const TIER_HEAVY: &str = "TierHeavy";
    /// Admitted: the tenant has started as many of the tier as it may for now; the message has the time.
    pub const TIER_LIMIT: &str = "TierLimit";
    /// Admitted: `suspend` was set before it began; it begins when that is taken back.
    pub const SUSPENDED: &str = "Suspended";
    /// Admitted: `cancel` was set before it began.
    pub const CANCELLED_BEFORE_START: &str = "CancelledBeforeStart";
    /// Admitted: no such workflow, tag or digest; it begins when there is one.
    pub const WORKFLOW_NOT_FOUND: &str = "WorkflowNotFound";
    /// Admitted: the input or the set of patches does not fit.
    pub const REFUSED: &str = "Refused";
    /// Waiting: a ticket is open.
    pub const TICKETS_OPEN: &str = "TicketsOpen";
    /// Waiting: nothing is asked.
    pub const NOTHING_ASKED: &str = "NothingAsked";
    /// Complete, Succeeded: it goes on.
    pub const RUNNING: &str = "Running";
    /// Complete, Succeeded: it has not begun.
    pub const NOT_STARTED: &str = "NotStarted";
    /// Complete, Succeeded: no failure was left unhandled.
    pub const SUCCEEDED: &str = "Succeeded";
    /// Complete, Succeeded: a failure; the message has it.
    pub const FAILED: &str = "Failed";
    /// Complete, Succeeded: on request.
    pub const CANCELLED: &str = "Cancelled";
    /// Complete, Succeeded: it was kept no longer, and how it went was not seen.
    pub const GONE: &str = "Gone";
    /// Complete, Succeeded: the store does not have it, nor all that it had when the run was last seen.
    pub const MISSING: &str = "Missing";
    /// Applied: it made the revision in the status.
    pub const APPLIED: &str = "Applied";
    /// Applied: a rule was broken; the message and the findings name it with its place.
    pub const PATCH_REFUSED: &str = "Refused";
    /// Applied: its run has not begun.
    pub const RUN_NOT_STARTED: &str = "RunNotStarted";
    /// Applied: its run does not exist.
    pub const RUN_NOT_FOUND: &str = "RunNotFound";
    /// Applied: an older patch of the run has not been answered.
    pub const WAITS_FOR_OLDER: &str = "WaitsForOlder";
    /// Applied: a later patch took it out again.
    pub const UNDONE: &str = "Undone";
    /// Applied: the object was deleted, and rules keep the patch in force; the message names the first with its place.
    pub const UNDO_REFUSED: &str = "UndoRefused";
    /// Ready: the type is registered.
    pub const REGISTERED: &str = "Registered";
    /// Any, unknown: not looked at yet.
    pub const PENDING: &str = "Pending";
}

/// True, false or not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// `True`.
    True,
    /// `False`.
    False,
    /// `Unknown`.
    Unknown,
}

impl Truth {
    /// As Kubernetes writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Truth {
    fn from(is: bool) -> Self {
        if is { Self::True } else { Self::False }
    }
}

/// What is to be said by a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// One of [`kind`].
    pub kind: &'static str,
    /// Whether it holds.
    pub truth: Truth,
    /// One of [`reason`].
    pub reason: &'static str,
    /// For people; cut at 1 KiB.
    pub message: String,
}

impl Said {
    /// A condition to be said.
    pub fn new(
        kind: &'static str,
        truth: impl Into<Truth>,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, truth: truth.into(), reason, message: message.into() }
    }
}

/// The whole set of conditions: what is said, with the times of transition that still hold.
pub fn merge(
    before: &[Condition],
    said: Vec<Said>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let one = |said: Said| {
        let since = before
            .iter()
            .find(|old| old.type_ == said.kind && old.status == said.truth.name())
            .map_or(Time(now), |old| old.last_transition_time.clone());
        Condition {
            type_: said.kind.to_owned(),
            status: said.truth.name().to_owned(),
            reason: said.reason.to_owned(),
            message: cut(said.message),
            observed_generation: generation,
            last_transition_time: since,
        }
    };
    said.into_iter().map(one).collect()
}

/// The condition of a type.
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

/// Whether a condition is true.
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status == "True")
}

/// A text at most [`LONGEST`] bytes long.
fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST - 3));
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_transition_is_a_change_of_status_and_nothing_else() {
        let said = |truth: bool, reason| vec![Said::new(kind::READY, truth, reason, "")];
        let first = merge(&[], said(false, reason::INVALID), Some(1), at(1));
        let same = merge(&first, said(false, reason::STORE_UNAVAILABLE), Some(2), at(2));
        assert_eq!(same[0].last_transition_time.0, at(1));
        assert_eq!((&*same[0].reason, same[0].observed_generation), ("StoreUnavailable", Some(2)));
        let other = merge(&same, said(true, reason::PUBLISHED), Some(2), at(3));
        assert_eq!(other[0].last_transition_time.0, at(3));
        assert!(is_true(&other, kind::READY) && !is_true(&same, kind::READY));
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        let long = "ä".repeat(LONGEST);
        let made =
            merge(&[], vec![Said::new(kind::READY, true, reason::PUBLISHED, long)], None, at(0));
        assert!(made[0].message.len() <= LONGEST && made[0].message.ends_with("..."));
    }
}
