//! The operator on a real API server, with a real store and a real runner beside it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what it expects, and panics"
)]

mod again;
mod corpus;
mod faults;
mod ground;
mod guarded;
mod health;
mod jobs;
mod limits;
mod lost;
mod many;
mod plane;
mod pools;
mod proxy;
mod runs;
mod troubled;
mod webhook;
mod workflows;
mod world;
