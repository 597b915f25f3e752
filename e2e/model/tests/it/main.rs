//! The protocol of store and runner, searched breadth first until nothing is left to be found.
//!
//! What decides is the engine itself ([`book`]); the store is an abstract one with the rules of the real functions
//! ([`store`], to be compared with `store/src/redis/functions`); around it are workers that may fall silent past their
//! lease, coordinators, a sweeper, people, a server that forgets a suffix of what it had acknowledged ([`world`], and
//! what they do in [`act`] and [`people`]). What may happen next, and what must hold, is in [`search`]; each defect of [`defect`] must be found.
//!
//! `AOB_MODEL=long` also searches the scenarios that take longer (`cargo xtask soak` does).
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "tests say what they expect"
)]

mod act;
mod book;
mod defect;
mod graphs;
mod mutants;
mod people;
mod scenario;
mod scenarios;
mod search;
mod store;
mod transport;
mod turn;
mod world;
