//! Reasons of the events that the operator writes. At the level of a run, never of a node: a run of 100,000 nodes
//! writes as many as a small one.

/// Workflow: a version was kept and `main` points at it.
pub const PUBLISHED: &str = "Published";
/// Workflow: the spec breaks a rule.
pub const INVALID: &str = "Invalid";
/// Workflow: nodes of unknown types will be skipped.
pub const UNKNOWN_TYPES: &str = "UnknownTypes";
/// Workflow: its runner pods do not have the cores of their own that they ask for.
pub const NOT_PINNED: &str = "NotPinned";
/// Workflow: a Secret that its nodes read is not there, or not labelled for them.
pub const SECRET_NOT_USABLE: &str = "SecretNotUsable";
/// Run: it began.
pub const STARTED: &str = "Started";
/// Run: it was not taken on.
pub const NOT_ADMITTED: &str = "NotAdmitted";
/// Run: a question to a person is open.
pub const WAITING: &str = "Waiting";
/// Run: it was suspended.
pub const SUSPENDED: &str = "Suspended";
/// Run: it goes on.
pub const RESUMED: &str = "Resumed";
/// Run: it ended well.
pub const SUCCEEDED: &str = "Succeeded";
/// Run: it failed.
pub const FAILED: &str = "Failed";
/// Run: it was cancelled.
pub const CANCELLED: &str = "Cancelled";
/// Run: the store does not have it, and cannot say why.
pub const MISSING: &str = "Missing";
/// RunPatch: it made a revision.
pub const PATCH_APPLIED: &str = "PatchApplied";
/// RunPatch: a rule was broken.
pub const PATCH_REFUSED: &str = "PatchRefused";
/// RunPatch: it was taken out again.
pub const PATCH_UNDONE: &str = "PatchUndone";
/// RunPatch: it could not be taken out again, and its object goes all the same.
pub const UNDO_REFUSED: &str = "UndoRefused";
/// Namespace: an annotation that should limit it cannot be read.
pub const LIMIT_UNREADABLE: &str = "LimitUnreadable";
/// NodeType: it is registered.
pub const REGISTERED: &str = "Registered";
/// Any: what its deletion should have done could not be done in time, and it goes all the same.
pub const LET_GO: &str = "LetGo";
/// Any: the object cannot be read, and is left alone.
pub const UNREADABLE: &str = "Unreadable";

/// Every one, for the page about them.
pub const ALL: &[&str] = &[
    PUBLISHED,
    INVALID,
    UNKNOWN_TYPES,
    NOT_PINNED,
    SECRET_NOT_USABLE,
    STARTED,
    NOT_ADMITTED,
    WAITING,
    SUSPENDED,
    RESUMED,
    SUCCEEDED,
    FAILED,
    CANCELLED,
    MISSING,
    PATCH_APPLIED,
    PATCH_REFUSED,
    PATCH_UNDONE,
    UNDO_REFUSED,
    LIMIT_UNREADABLE,
    REGISTERED,
    LET_GO,
    UNREADABLE,
];
