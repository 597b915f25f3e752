//! The engine as a whole, driven without any store or process.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests say what they expect"
)]

mod budgets;
mod compile_after;
mod examples;
mod json_patch;
mod laws;
mod laws_bodies;
mod laws_cancel;
mod laws_edits;
mod laws_gates;
mod patched;
mod patches;
mod patching;
mod patterns;
mod random;
mod rules;
mod shares;
mod simulate;
