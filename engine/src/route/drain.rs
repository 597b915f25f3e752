//! Ending a scope early: a drain lets what is published finish, a cut does not.

use super::{At, Router, Work};
use crate::event::{Cause, Change, Settled};
use crate::ir::Kind;
use crate::state::{CancelMode, NodeState, Phase, ScopePath, split_instance, split_scope};
use crate::step::Refusal;

impl Router<'_> {
    /// Whether nothing new may start in a scope: it or one around it failed, or the run is being cancelled.
    pub(super) fn is_draining(&self, scope: &str) -> bool {
        let mut here = scope;
        loop {
            if self.state.scopes.get(here).is_some_and(|marking| marking.failed.is_some()) {
                return true;
            }
            match split_scope(here) {
                Some((container, _)) => here = split_instance(container).0,
                None if here.is_empty() => {
                    return self.state.head.cancel.is_some()
                        && self.state.head.phase != Phase::Finally;
                }
                None => return false,
            }
        }
    }

    /// Settles cancelled whatever is not published, in this scope and those within it. The containers
    /// around end by themselves when their last iteration has.
    pub(super) fn drain(&mut self, scope: &ScopePath) -> Result<(), Refusal> {
        self.stop(scope, Cause::Drain, |router, at| match router.node_state(at) {
            NodeState::Active => false,
            state => !state.is_settled(),
        })
    }

    /// Settles cancelled everything within a container, published or not.
    pub(super) fn cut(&mut self, at: &At, cause: &Cause) -> Result<(), Refusal> {
        for scope in self.iterations(at) {
            self.cut_scope(&scope, cause)?;
            let Some((container, index)) = split_scope(&scope) else { continue };
            self.emit(Change::IterationEnded {
                at: container.to_owned(),
                index,
                outcome: Settled::Cancelled,
                digest: None,
                error: None,
            })?;
        }
        Ok(())
    }

    /// Settles cancelled everything in a scope; nested iterations end first.
    pub(super) fn cut_scope(&mut self, scope: &ScopePath, cause: &Cause) -> Result<(), Refusal> {
        let ir = self.ir(scope)?;
        let Some(marking) = self.state.scopes.get(scope) else { return Ok(()) };
        let nodes = ir.body(marking.body).nodes.clone();
        for ix in nodes {
            let at = At { scope: scope.clone(), ix, ir: ir.clone() };
            if self.node_state(&at).is_settled() {
                continue;
            }
            self.cut(&at, cause)?;
            self.give_up_child(&at, CancelMode::Now);
            self.abandon(&at, Settled::Cancelled, cause.clone())?;
        }
        Ok(())
    }

    /// A graceful end of the whole run: everything but what `held` names settles cancelled.
    pub(super) fn cancel_all(&mut self, held: &[String]) -> Result<(), Refusal> {
        let root: ScopePath = "".into();
        self.stop(&root, Cause::Cancel, |router, at| match router.node_state(at) {
            NodeState::Active if matches!(at.node().kind, Kind::Task { .. }) => {
                !held.contains(&at.name())
            }
            NodeState::Active => false,
            state => !state.is_settled(),
        })
    }

    /// Settles cancelled what `ends` says, in a scope and all within it, then looks at every scope touched.
    fn stop(
        &mut self,
        scope: &ScopePath,
        cause: Cause,
        ends: impl Fn(&Self, &At) -> bool,
    ) -> Result<(), Refusal> {
        let inside = |path: &str| path == &**scope || is_within(path, scope);
        let scopes: Vec<ScopePath> =
            self.state.scopes.keys().filter(|path| inside(path)).cloned().collect();
        let mut ended = Vec::new();
        for path in &scopes {
            let ir = self.ir(path)?;
            let Some(marking) = self.state.scopes.get(path) else { continue };
            for ix in ir.body(marking.body).nodes.clone() {
                let at = At { scope: path.clone(), ix, ir: ir.clone() };
                if ends(self, &at) {
                    let held = self.effects.ack.len();
                    self.settle(&at, Settled::Cancelled, cause.clone(), None, 0, None)?;
                    // Nobody has claimed its task: it is taken back, if that is still so in the commit.
                    let unclaimed = self.effects.ack.split_off(held);
                    self.effects.recall.extend(unclaimed);
                    ended.push(at);
                }
            }
        }
        // Everything has settled before any edge does, so that nothing of it counts as skipped.
        for at in ended {
            self.lead(&at, &[])?;
        }
        self.work.extend(scopes.into_iter().rev().map(Work::Scope));
        Ok(())
    }

    /// Tells the child run of an instance to end.
    pub(super) fn give_up_child(&mut self, at: &At, mode: CancelMode) {
        if let Some(child) = self.live(at).and_then(|live| live.child.clone()) {
            self.effects.cancel.push((child, mode));
        }
    }
}

/// Whether a scope lies within another one.
fn is_within(path: &str, outer: &str) -> bool {
    if outer.is_empty() {
        return path != "finally" && !path.starts_with("finally/") && !path.is_empty();
    }
    path.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}
