//! Whether a patch is to be asked for now. Touches nothing.

use std::sync::Arc;

use aob_crds::condition::reason;

use super::dereference::{Facts, patch_id};
use super::validate::Asked;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask for it.
    Ask { run: Arc<str>, id: String },
    /// It has its answer.
    Told,
    /// Not yet.
    Wait { reason: &'static str, message: String },
    /// Never: there is nothing to patch.
    Over { message: String },
}

pub(super) fn build(asked: &Asked, facts: &Facts) -> Step {
    if facts.record.is_some() {
        return Step::Told;
    }
    let wait = |reason, message: String| Step::Wait { reason, message };
    let named = asked.run_name.as_deref().or(asked.run_id.as_deref()).unwrap_or_default();
    let Some(run) = &facts.run else {
        return wait(reason::RUN_NOT_FOUND, format!("there is no Run {named} yet"));
    };
    let Some(state) = &facts.state else {
        if facts.is_over {
            return Step::Over { message: format!("{named} is over") };
        }
        return match asked.run_id {
            Some(_) => wait(reason::RUN_NOT_FOUND, format!("there is no run {named}")),
            None => wait(reason::RUN_NOT_STARTED, format!("{named} has not begun")),
        };
    };
    if state.is_ended() {
        return Step::Over { message: format!("{run} is over") };
    }
    if let Some(older) = &facts.older {
        return wait(reason::WAITS_FOR_OLDER, format!("{older} was made before and comes first"));
    }
    Step::Ask { run: run.clone(), id: patch_id(asked.named.derived(), run) }
}
