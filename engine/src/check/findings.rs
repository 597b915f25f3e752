//! Everything that is wrong, up to a bound.

use crate::issue::Issue;

/// Most findings of either kind that are kept; the rest is counted.
pub const MOST: usize = 200;

/// Gathers findings.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) issues: Vec<Issue>,
    pub(crate) warnings: Vec<Issue>,
    pub(crate) left_out: usize,
}

impl Findings {
    /// Keeps a finding, or counts it once there are too many.
    pub(crate) fn push(&mut self, issue: Issue) {
        let list = if issue.warning { &mut self.warnings } else { &mut self.issues };
        if list.len() < MOST {
            list.push(issue);
        } else {
            self.left_out += 1;
        }
    }

    /// Keeps what refuses the document, or counts it: then it is not even made, because telling a path or a
    /// near miss may take long and a document may have ten thousand mistakes.
    pub(crate) fn refuse(&mut self, make: impl FnOnce() -> Issue) {
        if self.full() {
            self.left_out += 1;
        } else {
            self.push(make());
        }
    }

    /// Whether the document is refused.
    pub(crate) fn refused(&self) -> bool {
        !self.issues.is_empty()
    }

    /// Whether nothing more would be kept, so that work for messages can be spared.
    pub(crate) fn full(&self) -> bool {
        self.issues.len() >= MOST
    }
}
