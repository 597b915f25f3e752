//! One suite, two stores: every case of `suite` runs on each of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod embedded;
mod redis;
mod suite;
