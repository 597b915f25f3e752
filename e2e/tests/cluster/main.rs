//! AOB on a real Kubernetes: the cluster of `cargo xtask cluster up`, which `cargo xtask test` begins and ends.
//!
//! `AOB_CLUSTER` names its folder. Tests leave what they found: each has a namespace of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects, and panics")]

mod chart;
mod inside;
mod kinds;
mod people;
mod pinned;
mod place;
mod plugin;
mod pools;
mod rights;
mod runs;
mod speed;
