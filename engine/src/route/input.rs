//! One input and its verdict.

use super::{At, GRACE, MOST_LOSSES, Router, Work};
use crate::catalogue;
use crate::event::{Cause, Change};
use crate::ir::{Effect, Kind};
use crate::state::{Asks, CancelMode, Fence, NodeError, NodeState, Phase, RunOutcome, ScopePath};
use crate::step::{Answer, Due, Input, Refusal, Timer, Verdict};
use crate::time::rfc3339;

/// Who stands behind an input, where it is a person.
pub(super) fn actor(input: &Input) -> Option<&str> {
    match input {
        Input::Decision(decision) => Some(&decision.by),
        Input::Cancel { by, .. } | Input::Suspend { by, .. } | Input::Cap { by, .. } => Some(by),
        Input::Settled { .. }
        | Input::Child { .. }
        | Input::Lost { .. }
        | Input::Returned { .. }
        | Input::Timer(_)
        | Input::Overdue { .. }
        | Input::Notified(_)
        | Input::Reserve { .. }
        | Input::Book { .. }
        | Input::Propose { .. }
        | Input::Deferred { .. } => None,
    }
}

impl Router<'_> {
    pub(super) fn take(&mut self, input: &Input) -> Result<Verdict, Refusal> {
        if self.state.is_ended() {
            return Ok(Verdict::Ended);
        }
        match input {
            Input::Settled { instance, fence, result } => self.completed(instance, *fence, result),
            Input::Child { instance, fence, result, used, agents, starts } => {
                self.book_child(instance, *fence, *used)?;
                self.count_child(instance, *fence, *agents, *starts)?;
                self.completed(instance, *fence, result)
            }
            Input::Lost { instance, fence, begun } => self.lost(instance, *fence, *begun, false),
            Input::Returned { instance, fence, begun } => self.lost(instance, *fence, *begun, true),
            Input::Timer(timer) => self.due(timer),
            Input::Overdue { claimed } => self.overdue(Some(claimed)),
            Input::Decision(decision) => self.decide(decision),
            Input::Reserve { instance, fence, amount, kept, short } => {
                self.reserve(instance, *fence, *amount, kept.as_ref(), short.as_ref())
            }
            Input::Book { instance, fence, amount } => self.book(instance, *fence, *amount),
            Input::Propose { instance, fence, proposal } => {
                self.propose(instance, *fence, proposal)
            }
            Input::Cap { agent, cap, by, reason } => self.cap(agent, *cap, by, reason.as_deref()),
            Input::Notified(notified) => self.notified(notified),
            Input::Deferred { instance, fence, due, error } => {
                self.deferred(instance, *fence, *due, error)
            }
            Input::Cancel { mode, claimed, reason, .. } => {
                self.cancelled(*mode, claimed, reason.clone())
            }
            Input::Suspend { on, .. } if *on == self.state.head.suspended => Ok(Verdict::Same),
            Input::Suspend { on, .. } => {
                self.emit(Change::Suspended { on: *on })?;
                Ok(Verdict::Applied)
            }
        }
    }

    fn completed(
        &mut self,
        instance: &str,
        fence: Fence,
        result: &Answer,
    ) -> Result<Verdict, Refusal> {
        let Some(at) = self.find(instance)? else { return Ok(Verdict::Superseded) };
        let state = self.node_state(&at);
        if state.is_settled() {
            return self.repeated(&at, fence, result);
        }
        let Some(live) = self.live(&at) else { return Ok(Verdict::Superseded) };
        let asked = live.ticket.as_ref().map(|ticket| ticket.asks);
        let is_leaf = live.container.is_none();
        let answers = match state {
            NodeState::Active => is_leaf,
            NodeState::Waiting => asked == Some(Asks::Unknown),
            _ => false,
        };
        if !answers || live.fence != fence {
            return Ok(Verdict::Superseded);
        }
        let tries = live.failures + 1;
        self.release_child(&at)?;
        self.give_back_agents(&at)?;
        match result {
            Answer::Output(output) => self.succeed(&at, output.clone(), Cause::Completion)?,
            Answer::Error { error, retryable } => {
                let retry = at.node().retry;
                if *retryable && tries < retry.attempts && !self.is_draining(&at.scope) {
                    self.back_off(&at, tries, error)?;
                } else {
                    self.fail(&at, error.clone(), Cause::Completion, None)?;
                }
            }
        }
        Ok(Verdict::Applied)
    }

    fn back_off(&mut self, at: &At, tries: u32, error: &NodeError) -> Result<(), Refusal> {
        let retry = at.node().retry;
        let wait =
            (retry.backoff as f64) * retry.factor.powi(tries.saturating_sub(1).min(1_000) as i32);
        let wait =
            if wait.is_finite() { (wait as u64).min(retry.max_backoff) } else { retry.max_backoff };
        let due = self.now.time.saturating_add(wait);
        let name = at.name();
        self.book_open(at)?;
        self.let_go(at);
        self.emit(Change::Backoff { at: name.clone(), due, error: error.clone() })?;
        let seq = self.fence().1;
        self.effects.arm.push((Timer { instance: name, what: Due::Backoff, seq }, due));
        Ok(())
    }

    /// An answer to an instance that has settled: the same again, or not.
    fn repeated(&mut self, at: &At, fence: Fence, result: &Answer) -> Result<Verdict, Refusal> {
        let Some(kept) = self.kept(&at.name())? else { return Ok(Verdict::Superseded) };
        if kept.fence != fence {
            return Ok(Verdict::Superseded);
        }
        let same = match result {
            Answer::Output(output) => {
                kept.digest.as_deref() == Some(&crate::canonical::digest(output))
            }
            Answer::Error { error, .. } => {
                let code = kept.error.as_ref().and_then(|kept| kept.get("code"));
                code.and_then(serde_json::Value::as_str) == Some(&error.code)
            }
        };
        Ok(if same { Verdict::Same } else { Verdict::Conflicting })
    }

    fn lost(
        &mut self,
        instance: &str,
        fence: Fence,
        begun: bool,
        returned: bool,
    ) -> Result<Verdict, Refusal> {
        let Some(at) = self.find(instance)? else { return Ok(Verdict::Superseded) };
        let Some(live) = self.live(&at) else { return Ok(Verdict::Superseded) };
        let is_task = matches!(at.node().kind, Kind::Task { .. });
        if !is_task || self.node_state(&at) != NodeState::Active || live.fence != fence {
            return Ok(Verdict::Superseded);
        }
        let losses = live.losses;
        if at.node().effect == Effect::Once && begun {
            let message = "the worker went away during an attempt that must not be repeated; its outcome is unknown";
            let error = NodeError::new("unknown_outcome", message);
            if self.is_draining(&at.scope) {
                self.fail(&at, error, Cause::Lost, None)?;
            } else {
                let about = serde_json::json!({"attempt": fence.1});
                self.ask(&at, Asks::Unknown, &about, None, Some(error))?;
            }
        } else if !returned && losses + 1 > MOST_LOSSES {
            let message = format!("the worker went away in {} attempts", losses + 1);
            self.fail(&at, NodeError::new("lost", message), Cause::Lost, None)?;
        } else if self.is_draining(&at.scope) {
            // What is published finishes without retry: a lost one has finished.
            self.fail(&at, NodeError::new("lost", "the worker went away"), Cause::Lost, None)?;
        } else {
            self.book_open(&at)?;
            self.let_go(&at);
            self.emit(Change::Lost { at: instance.to_owned(), returned })?;
        }
        Ok(Verdict::Applied)
    }

    /// A child run that was not taken is asked for again later: its `timeout` counts from then.
    fn deferred(
        &mut self,
        instance: &str,
        fence: Fence,
        due: u64,
        error: &NodeError,
    ) -> Result<Verdict, Refusal> {
        let Some(at) = self.find(instance)? else { return Ok(Verdict::Superseded) };
        let Some(live) = self.live(&at) else { return Ok(Verdict::Superseded) };
        let is_child = matches!(at.node().kind, Kind::Child { .. });
        if !is_child || self.node_state(&at) != NodeState::Active || live.fence != fence {
            return Ok(Verdict::Superseded);
        }
        self.release_child(&at)?;
        self.give_back_agents(&at)?;
        if self.is_draining(&at.scope) {
            self.fail(&at, error.clone(), Cause::Limit, None)?;
            return Ok(Verdict::Applied);
        }
        self.let_go(&at);
        let name = at.name();
        self.emit(Change::Backoff { at: name.clone(), due, error: error.clone() })?;
        let seq = self.fence().1;
        self.effects.arm.push((Timer { instance: name, what: Due::Backoff, seq }, due));
        Ok(Verdict::Applied)
    }

    fn due(&mut self, timer: &Timer) -> Result<Verdict, Refusal> {
        if timer.instance.is_empty() {
            return self.run_due(timer);
        }
        let Some(at) = self.find(&timer.instance)? else { return Ok(Verdict::Superseded) };
        let Some(live) = self.live(&at) else { return Ok(Verdict::Superseded) };
        if live.fence.1 != timer.seq || live.due.is_none() {
            return Ok(Verdict::Superseded);
        }
        let time = live.due.map_or_else(String::new, rfc3339);
        match (timer.what, self.node_state(&at), &at.node().kind) {
            (Due::Backoff, NodeState::Backoff, _) => self.begin_again(&at)?,
            (Due::Delay, NodeState::Waiting, Kind::Delay { .. }) => {
                self.succeed(&at, Default::default(), Cause::Timer)?
            }
            (Due::Deadline, NodeState::Waiting, Kind::Approval { .. }) => {
                let message = format!("nobody approved before {time}");
                self.fail(&at, NodeError::new("deadline", message), Cause::Timer, None)?;
            }
            (Due::Deadline, NodeState::Waiting, Kind::Task { .. }) if self.asks_budget(&at) => {
                let reason = "what did not reach is asked for again";
                self.spend_on(&at, "system", Some(reason.to_owned()))?;
            }
            (Due::Deadline, NodeState::Waiting, Kind::Task { .. }) => self.proposal_due(&at)?,
            (Due::Timeout, NodeState::Active, _) => {
                self.cut(&at, &Cause::Timer)?;
                self.give_up_child(&at, CancelMode::Now);
                let message = format!("not done by {time}");
                self.fail(&at, NodeError::new("timeout", message), Cause::Timer, None)?;
            }
            _ => return Ok(Verdict::Superseded),
        }
        Ok(Verdict::Applied)
    }

    fn run_due(&mut self, timer: &Timer) -> Result<Verdict, Refusal> {
        let phase = self.state.head.phase;
        match timer.what {
            Due::Duration => return self.overdue(None),
            Due::Grace if self.state.head.cancel.is_some() && phase == Phase::Draining => {
                self.cut_scope(&"".into(), &Cause::Cancel)?;
                self.work.push_back(Work::Scope("".into()));
            }
            Due::Finally if phase == Phase::Finally => {
                let error = NodeError::new("timeout", "the exit handler was not done in time");
                self.emit(Change::Failing { scope: "finally".to_owned(), error })?;
                self.cut_scope(&"finally".into(), &Cause::Timer)?;
                self.work.push_back(Work::Scope("finally".into()));
            }
            _ => return Ok(Verdict::Superseded),
        }
        Ok(Verdict::Applied)
    }

    /// The run's duration is over; without `claimed` every published task counts as claimed.
    fn overdue(&mut self, claimed: Option<&[String]>) -> Result<Verdict, Refusal> {
        let head = &self.state.head;
        if head.cancel.is_some() || head.phase == Phase::Finally {
            return Ok(Verdict::Superseded);
        }
        let time = rfc3339(head.deadline);
        let error = NodeError::new("duration", format!("the run was not done by {time}"));
        self.emit(Change::Failing { scope: String::new(), error })?;
        self.end_early(CancelMode::Graceful, RunOutcome::Failed, claimed, None)?;
        Ok(Verdict::Applied)
    }

    fn cancelled(
        &mut self,
        mode: CancelMode,
        claimed: &[String],
        reason: Option<String>,
    ) -> Result<Verdict, Refusal> {
        let head = &self.state.head;
        let known = head.cancel.as_ref().map(|cancel| cancel.mode);
        match (known, mode) {
            (Some(CancelMode::Now), _) | (Some(CancelMode::Graceful), CancelMode::Graceful) => {
                return Ok(Verdict::Same);
            }
            (None, CancelMode::Graceful) if head.phase == Phase::Finally => {
                let why =
                    "the exit handler is running; cancel with --now to stop it too".to_owned();
                return Ok(Verdict::Refused(&catalogue::BAD_DECISION, why));
            }
            _ => {}
        }
        self.end_early(mode, RunOutcome::Cancelled, Some(claimed), reason)?;
        Ok(Verdict::Applied)
    }

    /// Ends the graph early; without `claimed` every published task counts as claimed.
    pub(super) fn end_early(
        &mut self,
        mode: CancelMode,
        outcome: RunOutcome,
        claimed: Option<&[String]>,
        reason: Option<String>,
    ) -> Result<(), Refusal> {
        let grace = self.now.time.saturating_add(GRACE);
        let in_finally = self.state.head.phase == Phase::Finally;
        // A success whose exit handler is cut short is none; a failure stays one.
        let outcome = match self.state.head.outcome {
            Some(RunOutcome::Failed) if in_finally => RunOutcome::Failed,
            _ => outcome,
        };
        if self.state.head.suspended {
            // Whoever ends a run wants its exit handler to run.
            self.emit(Change::Suspended { on: false })?;
        }
        self.emit(Change::Cancelled { mode, outcome, grace, reason })?;
        let root: ScopePath = "".into();
        if mode == CancelMode::Now {
            self.cut_scope(&root, &Cause::Cancel)?;
            if in_finally {
                self.cut_scope(&"finally".into(), &Cause::Cancel)?;
                self.work.clear();
                return self.end_run(outcome, None, None);
            }
            self.work.push_back(Work::Scope(root));
            return Ok(());
        }
        let seq = self.fence().1;
        self.effects.arm.push((Timer { instance: String::new(), what: Due::Grace, seq }, grace));
        let children: Vec<At> = self.active_children()?;
        for child in &children {
            self.give_up_child(child, mode);
        }
        let held: Vec<String> = match claimed {
            Some(claimed) => claimed.to_vec(),
            None => self.active_tasks()?,
        };
        self.cancel_all(&held)
    }

    fn active_children(&self) -> Result<Vec<At>, Refusal> {
        self.active(|kind| matches!(kind, Kind::Child { .. }))
    }

    fn active_tasks(&self) -> Result<Vec<String>, Refusal> {
        Ok(self.active(|kind| matches!(kind, Kind::Task { .. }))?.iter().map(At::name).collect())
    }

    fn active(&self, wanted: impl Fn(&Kind) -> bool) -> Result<Vec<At>, Refusal> {
        let mut found = Vec::new();
        for (scope, marking) in &self.state.scopes {
            let ir = self.ir(scope)?;
            for &slot in marking.live.keys() {
                let at = At {
                    scope: scope.clone(),
                    ix: ir.body(marking.body).nodes.start + slot,
                    ir: ir.clone(),
                };
                if self.node_state(&at) == NodeState::Active && wanted(&at.node().kind) {
                    found.push(at);
                }
            }
        }
        Ok(found)
    }
}
