//! Why there is no answer.

use std::time::Duration;

use crate::answer::Spent;

/// A question without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    /// What kind of failure it is.
    pub kind: Kind,
    /// One sentence for people, at most 1 KiB. Holds the provider's own words, never a key.
    pub message: String,
    /// The provider's id of the request, for its support.
    pub request_id: Option<String>,
    /// Whether asking again could go better.
    pub is_retryable: bool,
    /// Not before this time, as the provider asks. Give the node back until then instead of waiting.
    pub retry_after: Option<Duration>,
    /// What may have been spent: settle it, then reserve anew before asking again.
    pub spent: Spent,
    /// How often the question was sent.
    pub sent: u32,
}

/// Kinds of failure. Each is an entry of the catalogue of errors by its [`Kind::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No provider of this name is set up, or it has no key.
    Unknown,
    /// The question is none: no turn, a tool's name, a schema that the provider cannot take.
    Invalid,
    /// The key is missing, wrong, or may not do this.
    Unauthorised,
    /// The provider has no such model.
    NoModel,
    /// The provider refused the question as it is.
    BadRequest,
    /// It is longer than the model's context or the provider's limit.
    TooLong,
    /// Too many questions or tokens in this time.
    RateLimited,
    /// Nothing is left of what was paid for; waiting does not help.
    QuotaExhausted,
    /// The provider has too much to do.
    Overloaded,
    /// The provider failed.
    Failed,
    /// The provider cannot be reached.
    Unreachable,
    /// The answer was cut off.
    Cut,
    /// Nothing came for too long.
    Timeout,
    /// The answer is none that this dialect has, or is larger than any answer may be.
    NotUnderstood,
    /// Whoever asked does not want it any more.
    Cancelled,
}

impl Kind {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Unknown,
        Self::Invalid,
        Self::Unauthorised,
        Self::NoModel,
        Self::BadRequest,
        Self::TooLong,
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::Overloaded,
        Self::Failed,
        Self::Unreachable,
        Self::Cut,
        Self::Timeout,
        Self::NotUnderstood,
        Self::Cancelled,
    ];

    /// The lower-case name of its catalogue entry: `model_rate_limited`. Bounded, so it may label a metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "model_unknown",
            Self::Invalid => "model_invalid",
            Self::Unauthorised => "model_unauthorised",
            Self::NoModel => "model_missing",
            Self::BadRequest => "model_bad_request",
            Self::TooLong => "model_too_long",
            Self::RateLimited => "model_rate_limited",
            Self::QuotaExhausted => "model_quota",
            Self::Overloaded => "model_overloaded",
            Self::Failed => "model_failed",
            Self::Unreachable => "model_unreachable",
            Self::Cut => "model_cut",
            Self::Timeout => "model_timeout",
            Self::NotUnderstood => "model_not_understood",
            Self::Cancelled => "model_cancelled",
        }
    }

    /// Whether asking again could go better, as a rule.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::Overloaded
                | Self::Failed
                | Self::Unreachable
                | Self::Cut
                | Self::Timeout
        )
    }
}
