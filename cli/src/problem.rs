//! What stops a command.

pub(crate) use aob_gateway::problem::{Finding, Problem, Result};

use crate::exit::Exit;

/// How a command ends that stops at this: what could not be read counts before what was refused.
pub(crate) fn exit(problem: &Problem) -> Exit {
    let mut exits = problem
        .findings
        .iter()
        .filter(|one| !one.issue.warning)
        .map(|one| Exit::of(one.issue.entry));
    let first = exits.next().unwrap_or(Exit::Error);
    if exits.any(|exit| exit == Exit::Usage) { Exit::Usage } else { first }
}
