//! Judging a workflow: every finding at once.
