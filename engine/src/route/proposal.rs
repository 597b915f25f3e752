//! An agent's patch that needs a person's word: kept with the agent's answer until somebody decides.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{At, LARGEST_OUTPUT, Router, size};
use crate::canonical;
use crate::event::{Cause, Change};
use crate::state::{Asks, Fence, NodeError, NodeState};
use crate::step::{Decision, Input, Proposal, Refusal, Reply, Verdict};
use crate::time::rfc3339;

/// Milliseconds that somebody has to decide on a proposal; then the run goes on without it.
const PATIENCE: u64 = 24 * 3_600_000;

impl Router<'_> {
    /// An agent's live attempt has its answer and proposes a patch; it waits until somebody has decided.
    pub(super) fn propose(
        &mut self,
        instance: &str,
        fence: Fence,
        proposal: &Proposal,
    ) -> Result<Verdict, Refusal> {
        let at = self.find(instance)?.filter(|at| {
            at.node().is_agent()
                && self.node_state(at) == NodeState::Active
                && self.live(at).is_some_and(|live| live.fence == fence)
        });
        let Some(at) = at else { return Ok(Verdict::Superseded) };
        let large = size(&proposal.request) + size(&proposal.output) > LARGEST_OUTPUT;
        // Nobody is there to wait for: the answer counts, the run goes on without the patch.
        if large || self.is_draining(&at.scope) || !at.scope.is_empty() {
            self.succeed(&at, proposal.output.clone(), Cause::Completion)?;
            return Ok(Verdict::Applied);
        }
        let Proposal { patch, operations, request, output, shown } = proposal;
        let kept = json!({"patch": patch, "operations": operations, "request": request, "output": output, "shown": shown});
        self.keep_value(&format!("{}#proposal", at.name()), &Arc::new(kept));
        let error =
            NodeError::new("patch_word", "the agent proposes a patch that needs a person's word");
        let due = self.now.time.saturating_add(PATIENCE);
        self.ask(&at, Asks::Patch, &about(operations), Some(due), Some(error))?;
        Ok(Verdict::Applied)
    }

    /// Whether one of these inputs is a person's word for a patch with these operations, and for no other.
    pub(super) fn has_word(
        &self,
        agent: &str,
        operations: &str,
        then: &[Input],
    ) -> Result<bool, Refusal> {
        let given = then.iter().any(|input| {
            matches!(input, Input::Decision(Decision { instance, answer: Reply::Approve(_), .. }) if instance == agent)
        });
        let Some(at) = self.find(agent)?.filter(|_| given) else { return Ok(false) };
        let Some(live) = self.live(&at) else { return Ok(false) };
        let binds = canonical::digest(
            &json!({"about": about(operations), "seq": live.fence.1, "at": at.name(), "guards": null}),
        );
        Ok(live
            .ticket
            .as_ref()
            .is_some_and(|ticket| ticket.asks == Asks::Patch && *ticket.binds == *binds))
    }

    /// The answer to a proposal; the patch itself, if it is applied, came before in the same step.
    pub(super) fn decide_proposal(
        &mut self,
        at: &At,
        ticket: &Arc<str>,
        decision: &Decision,
        applied: bool,
    ) -> Result<Verdict, Refusal> {
        let output = self.proposed_output(at)?;
        self.answered(at, ticket, decision, if applied { "apply" } else { "refuse" })?;
        self.succeed(at, output, Cause::Decision)?;
        Ok(Verdict::Applied)
    }

    /// Nobody decided in time: the run goes on without the patch.
    pub(super) fn proposal_due(&mut self, at: &At) -> Result<(), Refusal> {
        let Some(live) = self.live(at).cloned() else { return Ok(()) };
        let Some(ticket) = live.ticket else { return Ok(()) };
        let output = self.proposed_output(at)?;
        let by = live.due.map_or_else(String::new, rfc3339);
        self.effects.close.push(ticket.id.clone());
        self.emit(Change::Answered {
            at: at.name(),
            ticket: ticket.id.to_string(),
            answer: "refuse".to_owned(),
            by: "system".to_owned(),
            reason: Some(format!("nobody decided before {by}")),
        })?;
        self.succeed(at, output, Cause::Timer)
    }

    fn proposed_output(&self, at: &At) -> Result<Arc<Value>, Refusal> {
        let kept = self.kept(&format!("{}#proposal", at.name()))?;
        let value = kept.and_then(|kept| kept.value.as_ref()?.get("output").cloned());
        Ok(Arc::new(value.unwrap_or_default()))
    }
}

/// What the ticket is about: whoever says yes says it to these operations.
fn about(operations: &str) -> Value {
    json!({"patch": operations})
}
