//! R3: an agent's patch commits with its completion, or not at all.

use super::{Candidate, Router};
use crate::catalogue;
use crate::issue::Issue;
use crate::mutant::{self, Mutant};
use crate::state::NodeState;
use crate::step::{Answer, Input, Refusal, Verdict};

impl Router<'_> {
    /// Why an agent may not patch now: it patches with the answer of an attempt that is live, and with no other.
    pub(super) fn check_author(
        &self,
        candidate: &Candidate,
        then: &[Input],
    ) -> Result<Option<Issue>, Refusal> {
        let Some(agent) = candidate.by.strip_prefix("agent:") else { return Ok(None) };
        if mutant::is(Mutant::AuthorNotChecked) {
            return Ok(None);
        }
        let refuse = |message: String| Ok(Some(Issue::new(&catalogue::PATCH_FENCE, "", message)));
        if self.has_word(agent, &candidate.operations, then)? {
            return Ok(None);
        }
        let answer = then.iter().find(|input| answered_by(input) == Some(agent));
        let Some(Input::Settled { fence, result, .. }) = answer else {
            return refuse(format!("`{agent}` patches without the answer of its attempt"));
        };
        if matches!(result, Answer::Error { .. }) {
            return refuse(format!("the attempt of `{agent}` failed, and leaves no patch"));
        }
        let at = self.find(agent)?;
        let live = at.as_ref().filter(|at| self.node_state(at) == NodeState::Active);
        let live = live.and_then(|at| self.live(at));
        if live.is_none_or(|live| live.fence != *fence) {
            return refuse(format!("the attempt of `{agent}` is no longer the current one"));
        }
        Ok(None)
    }
}

/// The instance that an input answers for.
pub(super) fn answered_by(input: &Input) -> Option<&str> {
    match input {
        Input::Settled { instance, .. } => Some(instance),
        _ => None,
    }
}

/// An input that was to follow a patch, and did not apply.
pub(super) fn unanswered(input: &Input, verdict: &Verdict) -> Issue {
    let who = answered_by(input).unwrap_or("what follows");
    let message = format!("with this patch the answer of `{who}` would not count: {verdict:?}");
    Issue::new(&catalogue::PATCH_FENCE, "", message)
}
