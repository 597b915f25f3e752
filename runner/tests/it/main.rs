//! Runs from start to end in one process, on the store without a journal.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests say what they expect"
)]

mod admission;
mod agents;
mod local;
mod notices;
