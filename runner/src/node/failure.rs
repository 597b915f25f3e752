//! Why an attempt failed.

use std::fmt;

use aob_engine::catalogue::Entry;
use serde::{Deserialize, Serialize};

/// The longest message, in bytes.
const MESSAGE: usize = 2048;

/// The failure of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The lower-case name of a catalogue entry (`http_status`), or a code of another's node type.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// Whether another attempt could go better; without it the node's `retry` is not used.
    pub retryable: bool,
}

impl Failure {
    /// A failure that another attempt would only repeat.
    pub fn new(entry: &Entry, message: impl Into<String>) -> Self {
        Self { code: entry.name.to_ascii_lowercase(), message: message.into(), retryable: false }
    }

    /// The same, but worth another attempt.
    #[must_use]
    pub fn retryable(self) -> Self {
        Self { retryable: true, ..self }
    }

    /// With a message of at most 2 KiB. Only for one whose secrets are hidden: half a secret is not found.
    pub(super) fn bounded(mut self) -> Self {
        if self.message.len() > MESSAGE {
            self.message.truncate(self.message.floor_char_boundary(MESSAGE));
            self.message.push('…');
        }
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;
    use aob_engine::catalogue::HTTP_STATUS;

    #[test]
    fn codes_are_the_catalogues_and_messages_are_bounded() {
        let failure = Failure::new(&HTTP_STATUS, "ä".repeat(2000)).bounded();
        assert_eq!((failure.code.as_str(), failure.retryable), ("http_status", false));
        assert_eq!(failure.message.len(), 2048 + '…'.len_utf8());
        assert!(failure.clone().retryable().retryable);
        assert!(failure.to_string().starts_with("http_status: ää"));
    }
}
