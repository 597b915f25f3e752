//! AOB on a real Kubernetes: the cluster of `cargo xtask cluster up`, which `cargo xtask test` begins and ends.
//!
//! `AOB_CLUSTER` names its folder. Tests leave what they found: each has a namespace of its own. Those in `faults`,
//! `upgrade`, `audit` and `drill` disturb all others, or look at what all have done: they run alone, in this order.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what it expects, and panics"
)]

mod audit;
mod chart;
mod drill;
mod faults;
mod inside;
mod kinds;
mod people;
mod pinned;
mod place;
mod plugin;
mod pools;
mod process;
mod rights;
mod runs;
mod speed;
mod sysctls;
mod tuning;
mod upgrade;
