//! Budgets: what an agent is about to use is reserved first, and booked when it is known.
//!
//! An attempt has at most one reservation. However it ends, what it had reserved and not booked counts as used: the
//! answer may have been paid for though nobody heard it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::ticket::cut;
use super::{At, LARGEST_OUTPUT, Router, size};
use crate::catalogue;
use crate::event::{Cause, Change};
use crate::ir::{Kind, Limits};
use crate::state::{Amount, Asks, Cap, Fence, NodeError, NodeState, RunOutcome, State};
use crate::step::{Decision, Refusal, Reply, ShortUntil, Verdict};

/// What a run's agents have used and may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Used and booked.
    pub used: Amount,
    /// Reserved by calls under way.
    pub reserved: Amount,
    /// The most.
    pub cap: Cap,
}

/// What a run has used, has reserved and may use, all its agents together.
pub fn run_budget(state: &State, limits: &Limits) -> Budget {
    let head = &state.head;
    let set = head.caps.get("").copied().unwrap_or_default();
    let lives = state.scopes.values().flat_map(|marking| marking.live.values());
    Budget {
        used: head.spent.values().fold(Amount::default(), |sum, spent| sum.plus(*spent)),
        reserved: lives.filter_map(|live| live.reserved).fold(Amount::default(), Amount::plus),
        cap: set.or(Cap { usd: head.allowed.spend(limits), ..Cap::default() }),
    }
}

impl Router<'_> {
    /// An attempt is about to use at most so much. If a budget does not reach, the instance waits for a person, and
    /// `kept` stays readable under `<instance>#turns` for its next attempt. If something outside the run does not reach, it
    /// waits until then at most, and no budget of the run that is raised helps it.
    pub(super) fn reserve(
        &mut self,
        instance: &str,
        fence: Fence,
        amount: Amount,
        kept: Option<&Arc<Value>>,
        outside: Option<&ShortUntil>,
    ) -> Result<Verdict, Refusal> {
        let Some(at) = self.spender(instance, fence)? else { return Ok(Verdict::Superseded) };
        match self.live(&at).and_then(|live| live.reserved) {
            Some(open) if open == amount => return Ok(Verdict::Same),
            Some(_) => self.book_open(&at)?,
            None => {}
        }
        let (short, until) = match (self.short(&at, amount)?, outside) {
            (Some(short), _) => (short, None),
            (None, Some(outside)) => (cut(&outside.why, 500), Some(outside.until)),
            (None, None) => {
                self.emit(Change::Reserved { at: at.name(), amount })?;
                return Ok(Verdict::Applied);
            }
        };
        let error = NodeError::new("budget", short.clone());
        if let Some(kept) = kept.filter(|kept| size(kept) <= LARGEST_OUTPUT) {
            self.keep_value(&format!("{}#turns", at.name()), kept);
        }
        let may_wait = !self.is_draining(&at.scope) && !at.scope.starts_with("finally");
        if may_wait {
            let about = json!({"error": &error});
            let wants = until.is_none().then_some(amount);
            self.ask_for(&at, Asks::Budget, &about, until, Some(error), wants)?;
        } else {
            self.fail(&at, error, Cause::Limit, None)?;
        }
        Ok(Verdict::Refused(&catalogue::BUDGET, short))
    }

    /// What an attempt has used of what it reserved.
    pub(super) fn book(
        &mut self,
        instance: &str,
        fence: Fence,
        amount: Amount,
    ) -> Result<Verdict, Refusal> {
        let Some(at) = self.spender(instance, fence)? else { return Ok(Verdict::Superseded) };
        if self.live(&at).and_then(|live| live.reserved).is_none() {
            return Ok(Verdict::Superseded);
        }
        self.emit(Change::Booked { at: at.name(), amount })?;
        Ok(Verdict::Applied)
    }

    /// What the agents of a child run have used counts here too, under the node that it is the run of.
    pub(super) fn book_child(
        &mut self,
        instance: &str,
        fence: Fence,
        amount: Amount,
    ) -> Result<(), Refusal> {
        let at = self.find(instance)?;
        let live = at.filter(|at| {
            matches!(at.node().kind, Kind::Child { .. })
                && self.node_state(at) == NodeState::Active
                && self.live(at).is_some_and(|live| live.fence == fence)
        });
        match live {
            Some(at) if !amount.is_zero() => {
                self.freed = true;
                self.emit(Change::Booked { at: at.name(), amount })
            }
            _ => Ok(()),
        }
    }

    /// A child run has used no money, or no more than was booked: what was reserved for it is free again.
    pub(super) fn release_child(&mut self, at: &At) -> Result<(), Refusal> {
        let is_child = matches!(at.node().kind, Kind::Child { .. });
        if is_child && self.live(at).is_some_and(|live| live.reserved.is_some()) {
            self.freed = true;
            return self.emit(Change::Booked { at: at.name(), amount: Amount::default() });
        }
        Ok(())
    }

    /// An attempt ends with a call under way.
    pub(super) fn book_open(&mut self, at: &At) -> Result<(), Refusal> {
        match self.live(at).and_then(|live| live.reserved) {
            Some(amount) => self.emit(Change::Booked { at: at.name(), amount }),
            None => Ok(()),
        }
    }

    /// Sets the most that an agent or the run may use. What waits for it goes on if it reaches now.
    pub(super) fn cap(
        &mut self,
        agent: &str,
        cap: Cap,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Verdict, Refusal> {
        let ir = self.irs.get(self.state.head.revision)?.clone();
        let is_agent = |id: &str| ir.find(id).is_some_and(|ix| ir.node(ix).is_agent());
        if !agent.is_empty() && !is_agent(agent) {
            return Ok(Verdict::Unknown);
        }
        let known = self.state.head.caps.get(agent).copied().unwrap_or_default();
        if cap.or(known) == known {
            return Ok(Verdict::Same);
        }
        let reason = reason.map(|reason| cut(reason, 1_000));
        self.emit(Change::Capped { agent: agent.to_owned(), cap, reason: reason.clone() })?;
        for at in self.waiting_for_budget()? {
            let least = Amount { calls: 1, ms: 1, tokens: 1, usd: 1 };
            if self.short(&at, least)?.is_none() {
                self.spend_on(&at, by, reason.clone())?;
            }
        }
        Ok(Verdict::Applied)
    }

    /// What waits for money goes on if a child run has given enough of it back.
    pub(super) fn wake(&mut self) -> Result<(), Refusal> {
        for at in self.waiting_for_budget()? {
            let wants = self.live(&at).and_then(|live| live.wants);
            let Some(wants) = wants.filter(|_| !self.is_draining(&at.scope)) else { continue };
            if self.short(&at, wants)?.is_none() {
                let reason = "a child run has given back what it did not use";
                self.spend_on(&at, "system", Some(reason.to_owned()))?;
            }
        }
        Ok(())
    }

    /// Closes the question of an instance whose budget reaches now, and begins it again.
    pub(super) fn spend_on(
        &mut self,
        at: &At,
        by: &str,
        reason: Option<String>,
    ) -> Result<(), Refusal> {
        let ticket = self.live(at).and_then(|live| live.ticket.clone());
        let Some(ticket) = ticket else { return Ok(()) };
        let raise = Decision {
            instance: at.name(),
            ticket: Some(ticket.id.to_string()),
            answer: Reply::Retry,
            by: by.to_owned(),
            groups: Vec::new(),
            reason,
        };
        self.answered(at, &ticket.id, &raise, "raise")?;
        self.begin_again(at)
    }

    /// Somebody stops a run whose budget is used up: its exit handler still runs.
    pub(super) fn stop_spending(
        &mut self,
        at: &At,
        ticket: &Arc<str>,
        decision: &Decision,
    ) -> Result<Verdict, Refusal> {
        let known = self.live(at).and_then(|live| live.error.clone());
        let error = known.unwrap_or_else(|| NodeError::new("budget", "the budget is used up"));
        self.answered(at, ticket, decision, "stop")?;
        self.emit(Change::Failing { scope: String::new(), error: error.at(at.name()) })?;
        let reason = decision.reason.clone();
        let mode = crate::state::CancelMode::Graceful;
        self.end_early(mode, RunOutcome::Failed, None, reason)?;
        Ok(Verdict::Applied)
    }

    /// An agent's live attempt.
    fn spender(&self, instance: &str, fence: Fence) -> Result<Option<At>, Refusal> {
        let at = self.find(instance)?;
        Ok(at.filter(|at| {
            at.node().is_agent()
                && self.node_state(at) == NodeState::Active
                && self.live(at).is_some_and(|live| live.fence == fence)
        }))
    }

    /// Which budget does not reach for so much more, in words.
    fn short(&self, at: &At, more: Amount) -> Result<Option<String>, Refusal> {
        let head = &self.state.head;
        let id = &at.node().id;
        let Kind::Task { config, .. } = &at.node().kind else { return Ok(None) };
        let set = head.caps.get(id).copied().unwrap_or_default();
        let cap = set.or(Cap::of_config(config.source()));
        let spent = head.spent.get(id).copied().unwrap_or_default();
        let taken = spent.plus(self.reserved_by(id)?);
        if let Some(short) = cap.short(taken, more) {
            return Ok(Some(format!("the budget of {id}: {short}")));
        }
        let limits = &self.irs.get(head.revision)?.limits;
        let Budget { used, reserved, cap } = run_budget(&self.state, limits);
        let short = cap.short(used.plus(reserved), more);
        Ok(short.map(|short| format!("the budget of the run: {short}")))
    }

    /// What the attempts of a node have reserved, in all scopes.
    fn reserved_by(&self, id: &str) -> Result<Amount, Refusal> {
        let mut sum = Amount::default();
        for (scope, marking) in &self.state.scopes {
            let ir = self.ir(scope)?;
            let Some(ix) = ir.find(id).filter(|&ix| ir.node(ix).body == marking.body) else {
                continue;
            };
            let live = marking.live.get(&(ir.slot(ix) as u32));
            sum = sum.plus(live.and_then(|live| live.reserved).unwrap_or_default());
        }
        Ok(sum)
    }

    /// Whether an instance waits for a budget.
    pub(super) fn asks_budget(&self, at: &At) -> bool {
        let ticket = self.live(at).and_then(|live| live.ticket.as_ref());
        ticket.is_some_and(|ticket| ticket.asks == Asks::Budget)
    }

    /// Whatever waits for a budget of this run.
    fn waiting_for_budget(&self) -> Result<Vec<At>, Refusal> {
        let mut found = Vec::new();
        for (scope, marking) in &self.state.scopes {
            let ir = self.ir(scope)?;
            for (&slot, live) in &marking.live {
                let asks = live.ticket.as_ref().map(|ticket| ticket.asks);
                if asks == Some(Asks::Budget) && live.due.is_none() {
                    let ix = ir.body(marking.body).nodes.start + slot;
                    found.push(At { scope: scope.clone(), ix, ir: ir.clone() });
                }
            }
        }
        Ok(found)
    }
}
