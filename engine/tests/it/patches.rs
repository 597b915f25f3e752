//! Patches to a run, as a person writes them: operations on the graph by name, judged by every layer of the engine.

pub(crate) mod accepted;
pub(crate) mod agent;
mod attacks;
mod attacks_agent;
mod attacks_limits;
pub(crate) mod bodies;
mod cells;
pub(crate) mod check;
pub(crate) mod gates;
pub(crate) mod ground;
mod matrix;
mod preview;
mod rebase;
pub(crate) mod refused;
pub(crate) mod subject;
mod voided;

use aob_engine::issue::Issue;

/// Rule, place and message of the first finding of a refusal.
#[track_caller]
pub(crate) fn first<T>(result: Result<T, Vec<Issue>>) -> (&'static str, String, String) {
    match result {
        Ok(_) => panic!("it is refused"),
        Err(issues) => {
            let issue = &issues[0];
            (issue.entry.name, issue.pointer.clone(), issue.message.clone())
        }
    }
}
