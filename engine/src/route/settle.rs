//! How an instance settles, and what its out-edges make of it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::view::failed;
use super::{ALL_OUTPUTS, At, LARGEST_OUTPUT, Router, Work, size};
use crate::canonical;
use crate::event::{Cause, Change, Settled};
use crate::ir::{After, Kind, OnError};
use crate::state::{Asks, EdgeState, NodeError, NodeState};
use crate::step::{Due, Envelope, Refusal, Timer};

/// The class of a source's answer, as its out-edges see it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Success,
    Passed,
    Failure,
}

impl Router<'_> {
    /// An instance has its output.
    pub(super) fn succeed(
        &mut self,
        at: &At,
        output: Arc<Value>,
        cause: Cause,
    ) -> Result<(), Refusal> {
        let name = at.name();
        let bytes = size(&output);
        if bytes > LARGEST_OUTPUT {
            let message =
                format!("the output has {bytes} bytes; at most {LARGEST_OUTPUT} are kept");
            self.fail(at, NodeError::new("output_too_large", message), Cause::Limit, None)?;
            // So that the same answer is known when it comes again.
            if let Some(kept) = self.fresh.get_mut(&name) {
                kept.digest = Some(canonical::digest(&output));
            }
            return Ok(());
        }
        if self.state.head.bytes + bytes > ALL_OUTPUTS {
            let message =
                format!("the outputs of this run would pass {ALL_OUTPUTS} bytes together");
            return self.fail(at, NodeError::new("outputs_too_large", message), Cause::Limit, None);
        }
        let digest = canonical::digest(&output);
        // The conditions on its edges read the output, so it is kept before they are judged.
        self.keep(&name, at, Settled::Succeeded, Some((digest.clone(), output.clone())), None);
        match self.state_as(at, NodeState::Succeeded, |router| router.judge(at, Class::Success))? {
            Ok(edges) => {
                self.settle(at, Settled::Succeeded, cause, Some(digest), bytes, None)?;
                self.lead(at, &edges)
            }
            Err(error) => self.fail(at, error, Cause::Expression, Some((digest, output, bytes))),
        }
    }

    /// Nobody could run it: success without an output.
    pub(super) fn pass(&mut self, at: &At, cause: Cause, why: &str) -> Result<(), Refusal> {
        self.effects.log.push(format!("{}: {why}", at.name()));
        match self.state_as(at, NodeState::Passed, |router| router.judge(at, Class::Passed))? {
            Ok(edges) => {
                self.settle(at, Settled::Passed, cause, None, 0, None)?;
                self.lead(at, &edges)
            }
            Err(error) => self.fail(at, error, Cause::Expression, None),
        }
    }

    /// An instance has failed for good: no attempt follows. A `kept` output stays readable.
    pub(super) fn fail(
        &mut self,
        at: &At,
        error: NodeError,
        cause: Cause,
        kept: Option<(String, Arc<Value>, u64)>,
    ) -> Result<(), Refusal> {
        self.fail_as(at, error, cause, kept, at.node().on_error)
    }

    pub(super) fn fail_as(
        &mut self,
        at: &At,
        error: NodeError,
        cause: Cause,
        kept: Option<(String, Arc<Value>, u64)>,
        on_error: OnError,
    ) -> Result<(), Refusal> {
        let name = at.name();
        let bytes = kept.as_ref().map_or(0, |(_, _, bytes)| *bytes);
        let digest = kept.as_ref().map(|(digest, _, _)| digest.clone());
        self.keep(
            &name,
            at,
            Settled::Failed,
            kept.map(|(digest, value, _)| (digest, value)),
            Some(&error),
        );
        let edges = self
            .state_as(at, NodeState::Failed, |router| router.judge(at, Class::Failure))?
            .unwrap_or_default();
        let handled = edges.contains(&true);
        if !handled && on_error == OnError::Pause && !self.is_draining(&at.scope) {
            // It has not settled: what this attempt answered, if it did, is kept aside for a condition that
            // is mended later, in place of what an earlier one had.
            if let Some(envelope) = self.fresh.remove(&name) {
                self.fresh.insert(format!("{name}#answer"), envelope);
            }
            return self.ask(at, Asks::Failure, &json!({"error": &error}), None, Some(error));
        }
        self.settle(at, Settled::Failed, cause, digest, bytes, Some(error.clone()))?;
        if !handled && on_error != OnError::Continue {
            self.emit(Change::Failing { scope: at.scope.to_string(), error: error.at(name) })?;
            self.work.push_back(Work::Drain(at.scope.clone()));
        }
        self.lead(at, &edges)
    }

    /// An instance settles without an answer: all its edges are dead, `always` too.
    pub(super) fn abandon(
        &mut self,
        at: &At,
        outcome: Settled,
        cause: Cause,
    ) -> Result<(), Refusal> {
        self.settle(at, outcome, cause, None, 0, None)?;
        self.lead(at, &[])
    }

    /// Records that an instance has settled, and lets go of all it held.
    pub(super) fn settle(
        &mut self,
        at: &At,
        outcome: Settled,
        cause: Cause,
        digest: Option<String>,
        bytes: u64,
        error: Option<NodeError>,
    ) -> Result<(), Refusal> {
        let name = at.name();
        let mut attempt = 0;
        if let Some(live) = self.live(at) {
            // Between two attempts it is the last one that counts, not the next.
            let between = matches!(at.node().kind, Kind::Task { .. })
                && self.node_state(at) != NodeState::Active;
            attempt = live.attempt() - u32::from(between);
        }
        self.book_open(at)?;
        self.count_open(at)?;
        self.let_go(at);
        self.emit(Change::Settled { at: name, outcome, cause, attempt, digest, bytes, error })?;
        self.work.push_back(Work::Scope(at.scope.clone()));
        Ok(())
    }

    /// Lets go of what a live instance holds: its task, its timer, its question.
    pub(super) fn let_go(&mut self, at: &At) {
        let Some(live) = self.live(at).cloned() else { return };
        if self.node_state(at) == NodeState::Active && matches!(at.node().kind, Kind::Task { .. }) {
            // What this very step would give out is not given out, and nobody need be told.
            let before = self.effects.publish.len();
            self.effects.publish.retain(|task| task.cell != live.cell);
            if self.effects.publish.len() == before {
                self.effects.ack.push(live.cell);
            }
        }
        self.disarm(at, &at.name(), &live);
        if let Some(ticket) = live.ticket {
            self.effects.close.push(ticket.id);
        }
    }

    /// Takes back the timer of a live instance.
    pub(super) fn disarm(&mut self, at: &At, name: &str, live: &crate::state::Live) {
        if live.due.is_none() {
            return;
        }
        let what = match (self.node_state(at), &at.node().kind) {
            (NodeState::Backoff, _) => Due::Backoff,
            (_, Kind::Delay { .. }) => Due::Delay,
            (_, Kind::Approval { .. }) | (NodeState::Waiting, Kind::Task { .. }) => Due::Deadline,
            _ => Due::Timeout,
        };
        let timer = Timer { instance: name.to_owned(), what, seq: live.fence.1 };
        // One that this very step would set is not set.
        let before = self.effects.arm.len();
        self.effects.arm.retain(|(armed, _)| *armed != timer);
        if self.effects.arm.len() == before {
            self.effects.disarm.push(timer);
        }
    }

    /// Settles the out-edges of an instance and looks at their targets. `taken` goes with `outs`, and may
    /// be shorter: the rest is dead.
    pub(super) fn lead(&mut self, at: &At, taken: &[bool]) -> Result<(), Refusal> {
        for (position, &edge) in at.node().outs.iter().enumerate() {
            let taken = taken.get(position).copied().unwrap_or(false);
            let target = At { ix: at.ir.edge(edge).to, ..at.clone() };
            let state = match (taken, self.node_state(&target)) {
                (true, NodeState::Idle) => EdgeState::Taken,
                (true, _) => EdgeState::Absorbed,
                (false, _) => EdgeState::Dead,
            };
            self.emit(Change::Edge {
                scope: at.scope.to_string(),
                edge: at.ir.edge_name(edge),
                state,
            })?;
            self.work.push_back(Work::Join(at.scope.clone(), target.ix));
        }
        Ok(())
    }

    /// Which out-edges an answer follows. A condition that cannot be judged fails a success; on a failure,
    /// and where it reads the absent output of a passed node itself, it counts as false.
    pub(super) fn judge(
        &self,
        at: &At,
        class: Class,
    ) -> Result<Result<Vec<bool>, NodeError>, Refusal> {
        let outs = &at.node().outs;
        let mut taken = Vec::with_capacity(outs.len());
        for &ix in outs {
            let edge = at.ir.edge(ix);
            let follows = match edge.after {
                After::Always => true,
                After::Success => class != Class::Failure,
                After::Failure => class == Class::Failure,
            };
            taken.push(match &edge.when {
                Some(when) if follows => match self.holds(&at.scope, when, None)? {
                    Ok(held) => held,
                    Err(_) if class == Class::Failure => false,
                    Err(error)
                        if class == Class::Passed
                            && error.absent_node.as_deref() == Some(&*at.node().id) =>
                    {
                        false
                    }
                    Err(error) => {
                        let what = format!("the condition of edge {}", at.ir.edge_name(ix));
                        return Ok(Err(failed(&what, &error)));
                    }
                },
                _ => follows,
            });
        }
        let chosen = |after: After, taken: &[bool]| {
            outs.iter().zip(taken).any(|(&ix, &taken)| {
                let edge = at.ir.edge(ix);
                taken && edge.after == after && edge.when.is_some()
            })
        };
        for position in 0..outs.len() {
            let edge = at.ir.edge(outs[position]);
            if edge.otherwise && taken[position] {
                taken[position] = !chosen(edge.after, &taken);
            }
        }
        Ok(Ok(taken))
    }

    /// Runs a question as if the instance had already settled so: its own edges read its outcome.
    pub(super) fn state_as<T>(
        &mut self,
        at: &At,
        as_if: NodeState,
        ask: impl FnOnce(&Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let slot = at.slot();
        let scope = at.scope.clone();
        let set = |router: &mut Self, to: NodeState| {
            let marking = router.state.scopes.get_mut(&scope);
            marking
                .and_then(|marking| marking.nodes.get_mut(slot))
                .map(|state| std::mem::replace(state, to))
        };
        let before = set(self, as_if);
        let answer = ask(self);
        if let Some(before) = before {
            set(self, before);
        }
        answer
    }

    pub(super) fn keep(
        &mut self,
        name: &str,
        at: &At,
        outcome: Settled,
        output: Option<(String, Arc<Value>)>,
        error: Option<&NodeError>,
    ) {
        let fence = self.live(at).map_or_else(|| self.fence(), |live| live.fence);
        let (digest, value) = output.unzip();
        let error = error.map(|error| json!({"code": error.code, "message": error.message}));
        self.fresh.insert(name.to_owned(), Envelope { fence, outcome, digest, value, error });
    }
}
