//! What of a run's money goes with its child runs.
//!
//! A child run is given its part when it begins, as an agent's question is reserved: what is left is divided among all
//! that may use money now or next and hold none. Its end gives back what it has not used.

use super::{Budget, Router, run_budget};
use crate::event::Change;
use crate::ir::{BodyIx, Ir, Kind, Node, NodeIx};
use crate::state::{Amount, Live, Marking, NodeState};
use crate::step::Refusal;

impl Router<'_> {
    /// Whether a child run has to wait: nothing is left, but others hold some and may give it back.
    pub(super) fn is_money_out(&self) -> Result<bool, Refusal> {
        let Some(Budget { used, reserved, cap }) = self.capped()? else { return Ok(false) };
        let is_left = cap.usd.is_none_or(|most| most > used.plus(reserved).usd);
        Ok(!is_left && reserved.usd > 0)
    }

    /// Reserves a part of the run's money for each child run that this step begins.
    pub(super) fn allot(&mut self) -> Result<(), Refusal> {
        if self.effects.children.iter().all(|child| child.spend.is_some()) {
            return Ok(());
        }
        let Some(Budget { used, reserved, cap }) = self.capped()? else { return Ok(()) };
        let Some(most) = cap.usd else { return Ok(()) };
        let left = most.saturating_sub(used.plus(reserved).usd);
        let part = left.checked_div(self.hungry(&MONEY)?).unwrap_or(left);
        for at in 0..self.effects.children.len() {
            let Some(child) = self.effects.children.get(at).filter(|child| child.spend.is_none())
            else {
                continue;
            };
            let instance = child.parent.instance.to_string();
            let begun = self.find(&instance)?.is_some_and(|place| {
                self.node_state(&place) == NodeState::Active
                    && self.live(&place).is_some_and(|live| live.child.as_ref() == Some(&child.run))
            });
            // One that this very step has ended again is given nothing.
            let spend = if begun { part } else { 0 };
            if begun {
                let amount = Amount { usd: spend, ..Amount::default() };
                self.emit(Change::Reserved { at: instance, amount })?;
            }
            if let Some(child) = self.effects.children.get_mut(at) {
                child.spend = Some(spend);
            }
        }
        Ok(())
    }

    /// The run's budget, if its money is limited.
    fn capped(&self) -> Result<Option<Budget>, Refusal> {
        let head = &self.state.head;
        let limits = &self.irs.get(head.revision)?.limits;
        let set = head.caps.get("").and_then(|cap| cap.usd);
        let is_capped = set.is_some() || head.allowed.spend(limits).is_some();
        Ok(is_capped.then(|| run_budget(&self.state, limits)))
    }

    /// How many instances may use something now or next and hold none: agents and child runs, each iteration that may
    /// begin.
    pub(super) fn hungry(&self, what: &Use) -> Result<u64, Refusal> {
        let mut sum = 0_u64;
        for (scope, marking) in &self.state.scopes {
            let ir = self.ir(scope)?;
            sum = sum.saturating_add(next(what, &ir, marking.body, Some(marking)));
        }
        Ok(sum)
    }
}

/// What is divided.
pub(super) struct Use {
    /// Which tasks use of it; child runs all do.
    by: fn(&Node) -> bool,
    /// Whether a live instance holds some.
    held: fn(NodeState, &Live) -> bool,
}

const MONEY: Use = Use { by: Node::asks_a_model, held: |_, live| live.reserved.is_some() };

/// Agents and their starts.
pub(super) const COUNTED: Use =
    Use { by: Node::is_agent, held: |state, _| state == NodeState::Active };

/// Those of a body that use something, hold none and wait for no other of it that does; of one that has not begun
/// without a marking.
fn next(what: &Use, ir: &Ir, body: BodyIx, marking: Option<&Marking>) -> u64 {
    let nodes = ir.body(body).nodes.clone();
    let mut open: Vec<usize> = nodes.clone().map(|ix| ir.node(ix).ins.len()).collect();
    let mut behind = vec![false; nodes.len()];
    let mut ready: Vec<NodeIx> = nodes.filter(|&ix| ir.node(ix).ins.is_empty()).collect();
    let mut sum = 0_u64;
    while let Some(ix) = ready.pop() {
        let slot = ir.slot(ix);
        let state = marking.and_then(|marking| marking.nodes.get(slot)).copied();
        let live = marking.and_then(|marking| marking.live.get(&(slot as u32)));
        let is_open = !state.is_some_and(NodeState::is_settled);
        let uses = is_open && uses(what, ir, ix);
        if uses && !behind[slot] {
            sum = sum.saturating_add(wanted(what, ir, ix, state.zip(live)));
        }
        for &edge in &ir.node(ix).outs {
            let to = ir.edge(edge).to;
            let target = ir.slot(to);
            behind[target] |= is_open && (uses || behind[slot]);
            open[target] = open[target].saturating_sub(1);
            if open[target] == 0 {
                ready.push(to);
            }
        }
    }
    sum
}

/// How many parts an open node is to get.
fn wanted(what: &Use, ir: &Ir, ix: NodeIx, live: Option<(NodeState, &Live)>) -> u64 {
    let Some(body) = ir.node(ix).kind.body() else {
        return u64::from(live.is_none_or(|(state, live)| !(what.held)(state, live)));
    };
    // Iterations that have begun are scopes of their own; how many a container will have at once is known when it begins.
    let room = live.and_then(|(_, live)| live.container.as_ref()).map_or(1, |progress| {
        let free = progress.concurrency.saturating_sub(progress.live());
        free.min(progress.total.saturating_sub(progress.next))
    });
    u64::from(room).saturating_mul(if room == 0 { 0 } else { next(what, ir, body, None) })
}

/// Whether a node uses something, itself or within.
fn uses(what: &Use, ir: &Ir, ix: NodeIx) -> bool {
    match &ir.node(ix).kind {
        Kind::Task { .. } => (what.by)(ir.node(ix)),
        Kind::Child { .. } => true,
        Kind::Foreach { body, .. } | Kind::Loop { body, .. } => {
            ir.body(*body).nodes.clone().any(|ix| uses(what, ir, ix))
        }
        Kind::Delay { .. } | Kind::Approval { .. } | Kind::Unknown => false,
    }
}
