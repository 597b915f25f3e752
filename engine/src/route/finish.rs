//! A scope has settled: an iteration ends, the exit handler begins, the run is over.

use std::sync::Arc;

use serde_json::Value;

use super::view::failed;
use super::{FINALLY, LARGEST_OUTPUT, Router, size};
use crate::event::Change;
use crate::state::{CancelMode, NodeError, Phase, RunOutcome, ScopePath, split_scope};
use crate::step::{Answer, Due, Refusal, Timer};

impl Router<'_> {
    /// Looks at a scope after something in it settled.
    pub(super) fn scope_settled(&mut self, scope: &ScopePath) -> Result<(), Refusal> {
        let open = self.state.scopes.get(scope).is_none_or(|marking| marking.unsettled > 0);
        if open || self.state.is_ended() {
            return Ok(());
        }
        match &**scope {
            "" if self.state.head.phase == Phase::Finally => Ok(()),
            "" => self.end_graph(),
            "finally" => self.end_finally(),
            _ if split_scope(scope).is_some() => self.end_iteration(scope),
            _ => Ok(()),
        }
    }

    /// Nothing of the graph is left: its outcome and output, then the exit handler.
    fn end_graph(&mut self) -> Result<(), Refusal> {
        let head = &self.state.head;
        let mut error: Option<NodeError> = None;
        let mut outcome = match (&head.cancel, &head.failure) {
            (Some(cancel), _) => cancel.outcome,
            (None, Some(_)) => RunOutcome::Failed,
            (None, None) => RunOutcome::Succeeded,
        };
        let now = head.cancel.as_ref().is_some_and(|cancel| cancel.mode == CancelMode::Now);
        let ir = self.irs.get(head.revision).map_err(|_| Refusal::Revision(head.revision))?.clone();
        let mut digest = None;
        if outcome == RunOutcome::Succeeded
            && let Some(output) = &ir.output
        {
            match self.render(&"".into(), output)? {
                Ok(value) if size(&value) > LARGEST_OUTPUT => {
                    outcome = RunOutcome::Failed;
                    let message = format!(
                        "`output` has {} bytes; at most {LARGEST_OUTPUT} are kept",
                        size(&value)
                    );
                    error = Some(NodeError::new("output_too_large", message));
                }
                Ok(value) => {
                    digest = Some(crate::canonical::digest(&value));
                    self.keep_value("$output", &Arc::new(value));
                }
                Err(failure) => {
                    outcome = RunOutcome::Failed;
                    error = Some(failed("`output`", &failure));
                }
            }
        }
        if ir.finally.is_none() || now {
            return self.end_run(outcome, digest, error);
        }
        let due = self.now.time.saturating_add(FINALLY);
        self.emit(Change::Finally { outcome, due, digest, error })?;
        let seq = self.fence().1;
        self.effects.arm.push((Timer { instance: String::new(), what: Due::Finally, seq }, due));
        self.open_scope(&"finally".into())
    }

    /// The exit handler has settled. Its failure makes a success a failure and keeps the output.
    fn end_finally(&mut self) -> Result<(), Refusal> {
        let failure = self.state.scopes.get("finally").and_then(|marking| marking.failed.clone());
        let outcome = match (self.state.head.outcome, &failure) {
            (Some(RunOutcome::Succeeded) | None, Some(_)) => RunOutcome::Failed,
            (outcome, _) => outcome.unwrap_or(RunOutcome::Succeeded),
        };
        self.end_run(outcome, None, failure)
    }

    pub(super) fn end_run(
        &mut self,
        outcome: RunOutcome,
        digest: Option<String>,
        error: Option<NodeError>,
    ) -> Result<(), Refusal> {
        self.emit(Change::Ended { outcome, digest, error })?;
        self.effects.disarm.push(Timer { instance: String::new(), what: Due::Duration, seq: 1 });
        if let Some(parent) = self.state.head.parent.clone() {
            let answer = match outcome {
                RunOutcome::Succeeded => {
                    let output = self.kept("$output")?.and_then(|envelope| envelope.value.clone());
                    Answer::Output(output.unwrap_or_else(|| Arc::new(Value::Null)))
                }
                RunOutcome::Failed | RunOutcome::Cancelled => {
                    let cause = self.state.head.failure.as_ref();
                    let what = cause.map_or_else(String::new, |error| {
                        format!(": {}: {}", error.code, error.message)
                    });
                    let message =
                        format!("child run {} {}{what}", self.state.head.run, outcome.name());
                    Answer::Error {
                        error: NodeError::new(format!("child_{}", outcome.name()), message),
                        retryable: false,
                    }
                }
            };
            self.effects.answer = Some((parent, answer));
        }
        Ok(())
    }
}
