//! The rules of settling, one after the other: every sentence a test, asserted on the run's history.

mod attempts;
mod cancel;
mod children;
pub(crate) mod context;
mod decisions;
mod drain;
mod edges;
mod ends;
mod expressions;
mod failure;
mod finally;
mod gates;
pub(crate) mod history;
mod joins;
mod limits;
pub(crate) mod run;
mod scopes;
mod states;
mod tickets;
mod verdicts;
mod window;
