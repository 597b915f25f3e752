//! Whether a node's in-edges start it, skip it, or leave it waiting.

use super::{At, Router, Work};
use crate::event::{Cause, Settled};
use crate::ir::{After, EdgeIx, Join, Kind, NodeIx};
use crate::mutant::{self, Mutant};
use crate::state::{EdgeState, NodeState, ScopePath};
use crate::step::Refusal;

impl Router<'_> {
    /// Looks at a node after one of its in-edges settled. Computed from the set of settled edges.
    pub(super) fn join(&mut self, scope: &ScopePath, ix: NodeIx) -> Result<(), Refusal> {
        if !self.state.scopes.contains_key(scope) {
            return Ok(());
        }
        let at = self.at(scope, ix)?;
        if self.node_state(&at) != NodeState::Idle {
            return Ok(());
        }
        let (mut waits, mut taken) = (false, false);
        for edge in at.node().ins.clone() {
            match self.edge_state(&at, edge) {
                EdgeState::Unsettled => waits = true,
                EdgeState::Absorbed if mutant::is(Mutant::AbsorbedDoesNotCount) => {}
                EdgeState::Taken | EdgeState::Absorbed => taken = true,
                EdgeState::Dead => {}
            }
        }
        let cause = match at.node().join {
            Join::Any if taken => None,
            _ if waits => return Ok(()),
            Join::All if at.node().ins.clone().any(|edge| self.is_shut(&at, edge)) => {
                Some(Cause::Gate)
            }
            Join::All if taken => None,
            _ => Some(Cause::DeadPath),
        };
        match cause {
            Some(cause) => self.abandon(&at, Settled::Skipped, cause),
            // What would start in a scope that drains is cancelled with the rest of it.
            None if self.is_draining(scope) => {
                self.work.push_back(Work::Drain(scope.clone()));
                Ok(())
            }
            None => self.begin(&at),
        }
    }

    fn edge_state(&self, at: &At, edge: EdgeIx) -> EdgeState {
        let marking = self.state.scopes.get(&at.scope);
        let state = marking.and_then(|marking| marking.edges.get(at.ir.edge_slot(edge)));
        state.copied().unwrap_or(EdgeState::Unsettled)
    }

    /// Whether an edge is a success edge of a gate that did not open. A gate that was left out by the
    /// condition on the way to it is not in the way; one that was never reached because something before
    /// it went wrong still is.
    fn is_shut(&self, at: &At, edge: EdgeIx) -> bool {
        let edge = at.ir.edge(edge);
        if edge.after != After::Success
            || !matches!(at.ir.node(edge.from).kind, Kind::Approval { .. })
        {
            return false;
        }
        let gate = At { ix: edge.from, ..at.clone() };
        match self.node_state(&gate) {
            NodeState::Failed | NodeState::Cancelled => true,
            NodeState::Skipped => gate.node().ins.clone().any(|into| self.went_wrong(&gate, into)),
            _ => false,
        }
    }

    /// Whether a dead edge is dead because its source did not answer in its favour.
    fn went_wrong(&self, at: &At, edge: EdgeIx) -> bool {
        let into = at.ir.edge(edge);
        let source = At { ix: into.from, ..at.clone() };
        match self.node_state(&source) {
            NodeState::Skipped | NodeState::Cancelled => true,
            NodeState::Failed => into.after == After::Success,
            _ => false,
        }
    }
}
