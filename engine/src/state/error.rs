use serde::{Deserialize, Serialize};

/// Why a node, an iteration or a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeError {
    /// Stable, lower case: `http_status`, `timeout`, `expression`.
    pub code: String,
    /// One sentence; at most 2,000 characters.
    pub message: String,
    /// The instance where it began, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

impl NodeError {
    /// Longest message kept, in characters.
    pub const LONGEST: usize = 2_000;

    /// With a message cut to its limit.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        let mut message: String = message.into();
        if let Some((at, _)) = message.char_indices().nth(Self::LONGEST) {
            message.truncate(at);
        }
        Self { code: code.into(), message, at: None }
    }

    /// With the instance where it began.
    pub fn at(mut self, instance: impl Into<String>) -> Self {
        self.at.get_or_insert_with(|| instance.into());
        self
    }
}
