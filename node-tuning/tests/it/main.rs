//! Tests on trees of files that stand for machines, and on this machine within namespaces of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

mod agent;
mod back;
mod command;
mod division;
mod machines;
mod others;
mod profiles;
mod tree;
