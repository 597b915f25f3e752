//! R4 and R7: the past is frozen, what is published and unclaimed is not.

use std::sync::Arc;

use super::compare::{changed_fields, in_edges_differ, out_edges_differ, same_edge};
use super::{Plan, Router};
use crate::catalogue;
use crate::guarded;
use crate::ir::{Ir, Join, Kind, Node, NodeIx, ROOT};
use crate::issue::Issue;
use crate::mutant::{self, Mutant};
use crate::route::At;
use crate::state::{EdgeState, NodeState};

/// How far an instance is, as a patch sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing has happened, or nothing that cannot be taken back.
    Open,
    /// Published or held back, unclaimed, never tried.
    Published,
    /// Tried before, and published again.
    Republished,
    /// An open approval.
    Asked,
    /// Between two attempts.
    BackingOff,
    /// Waits on its own failure.
    Paused,
    /// A worker holds it, or it has begun otherwise.
    Claimed,
    /// A foreach or loop that has begun, a delay, a child run.
    Begun,
    /// Settled.
    Settled,
}

impl Router<'_> {
    /// Judges every difference of the root against the marking, and notes what has to be begun or judged afresh.
    pub(super) fn check_frozen(
        &self,
        old: &Arc<Ir>,
        new: &Arc<Ir>,
        cancel: &[String],
        claimed: &[String],
        plan: &mut Plan,
        issues: &mut Vec<Issue>,
    ) {
        let root: crate::state::ScopePath = "".into();
        let touched = guarded::touched(old, new);
        for ix in old.body(ROOT).nodes.clone() {
            let at = At { scope: root.clone(), ix, ir: old.clone() };
            let node = at.node();
            let id = node.id.to_string();
            let named = cancel.contains(&id);
            let progress = if named { Progress::Settled } else { self.progress_of(&at, claimed) };
            let Some(to) = new.find(&id).filter(|&to| new.node(to).body == ROOT) else {
                self.check_removed(&at, progress, issues);
                plan.recalled.insert(id);
                continue;
            };
            let fields = changed_fields(old, ix, new, to);
            if let Some(issue) = self.may_change(&at, progress, &fields, new.node(to)) {
                issues.push(issue);
            }
            self.check_edges(&at, progress, new, to, plan, issues);
            let edges = in_edges_differ(old, ix, new, to);
            let redefined = !fields.is_empty();
            match progress {
                Progress::Published if mutant::is(Mutant::PublishedKeepsItsTask) => {}
                Progress::Paused if mutant::is(Mutant::PausedNotJudged) => {}
                Progress::Published | Progress::Asked if redefined || edges => {
                    plan.recalled.insert(id.clone());
                }
                // Whoever answers it saw another graph behind it.
                Progress::Asked if touched.contains(&node.id) => {
                    plan.recalled.insert(id.clone());
                }
                Progress::Republished if redefined => {
                    plan.recalled.insert(id.clone());
                }
                Progress::Paused if redefined || out_edges_differ(old, ix, new, to) => {
                    plan.paused.insert(id.clone());
                }
                _ => {}
            }
            match progress {
                Progress::Republished | Progress::BackingOff | Progress::Paused
                    if fields.contains(&"config") =>
                {
                    plan.rendered.insert(id.clone());
                }
                _ => {}
            }
            if edges || fields.contains(&"join") {
                plan.joins.insert(id.clone());
            }
            let leads = named && !mutant::is(Mutant::CancelLeadsNowhere);
            // What is cancelled by name settles its edges on the new graph, new ones too.
            if leads || (progress == Progress::Settled && out_edges_differ(old, ix, new, to)) {
                plan.rejudged.insert(id);
            }
        }
        for ix in new.body(ROOT).nodes.clone() {
            let id = &new.node(ix).id;
            if old.find(id).is_none_or(|known| old.node(known).body != ROOT) {
                plan.joins.insert(id.to_string());
            }
        }
    }

    pub(super) fn progress_of(&self, at: &At, claimed: &[String]) -> Progress {
        let live = self.live(at);
        let tried = live.is_some_and(|live| live.was_tried());
        match (self.node_state(at), &at.node().kind) {
            (NodeState::Idle, _) => Progress::Open,
            (NodeState::Ready, _) if tried => Progress::Republished,
            (NodeState::Ready, _) if mutant::is(Mutant::HeldBackDoesNotWait) => Progress::Open,
            // Enabled and held back: as if it were out, since its join has fired.
            (NodeState::Ready, _) => Progress::Published,
            (NodeState::Active, Kind::Task { .. }) if claimed.contains(&at.name()) => {
                Progress::Claimed
            }
            (NodeState::Active, Kind::Task { .. }) if tried => Progress::Republished,
            (NodeState::Active, Kind::Task { .. }) => Progress::Published,
            (NodeState::Active, _) => Progress::Begun,
            // Not admitted yet: what it is asked for stays as it was rendered.
            (NodeState::Backoff, Kind::Child { .. }) => Progress::Begun,
            (NodeState::Backoff, _) => Progress::BackingOff,
            (NodeState::Waiting, _) if self.is_paused(at) => Progress::Paused,
            (NodeState::Waiting, Kind::Approval { .. }) => Progress::Asked,
            (NodeState::Waiting, Kind::Task { .. }) => Progress::Claimed,
            (NodeState::Waiting, _) => Progress::Begun,
            _ => Progress::Settled,
        }
    }

    fn check_removed(&self, at: &At, progress: Progress, issues: &mut Vec<Issue>) {
        let seeded = (mutant::is(Mutant::SettledMayGo) && progress == Progress::Settled)
            || (mutant::is(Mutant::ClaimedMayGo) && progress == Progress::Claimed);
        if !matches!(progress, Progress::Open | Progress::Published | Progress::Asked) && !seeded {
            let id = &at.node().id;
            let message = format!("`{id}` is {} and cannot be removed", self.node_state(at).name());
            issues.push(Issue::new(&catalogue::PATCH_STARTED, format!("/nodes/{id}"), message));
        }
    }

    /// Why a node may not get these fields changed, if it may not.
    fn may_change(
        &self,
        at: &At,
        progress: Progress,
        fields: &[&'static str],
        to: &Node,
    ) -> Option<Issue> {
        let allowed: &[&str] = match progress {
            Progress::Open | Progress::Published | Progress::Asked => return None,
            Progress::Republished | Progress::BackingOff
                if mutant::is(Mutant::BackingOffMayChange) =>
            {
                return None;
            }
            Progress::Claimed if mutant::is(Mutant::ClaimedMayChange) => return None,
            Progress::Republished | Progress::BackingOff => {
                &["config", "timeout", "retry", "onError"]
            }
            Progress::Paused => &["config", "timeout", "retry", "onError"],
            Progress::Claimed => &["retry", "onError"],
            Progress::Begun if mutant::is(Mutant::BegunMayChange) => return None,
            Progress::Settled if mutant::is(Mutant::SettledMayChange) => return None,
            Progress::Begun | Progress::Settled => &[],
        };
        let id = &at.node().id;
        if let Some(field) = fields.iter().find(|field| !allowed.contains(field)) {
            let entry = if at.node().kind.body().is_some() {
                &catalogue::PATCH_BODY
            } else {
                &catalogue::PATCH_STARTED
            };
            let message =
                format!("`{id}` is {} and its `{field}` cannot change", self.node_state(at).name());
            return Some(Issue::new(entry, format!("/nodes/{id}/{field}"), message));
        }
        let failures = self.live(at).map_or(0, |live| live.failures);
        let least = match progress {
            _ if mutant::is(Mutant::RetryBelowAttempts) => 0,
            Progress::Claimed | Progress::Republished | Progress::BackingOff => failures + 1,
            _ => 0,
        };
        let rises = progress == Progress::Paused
            && to.retry.attempts > at.node().retry.attempts
            && !mutant::is(Mutant::PausedRetryRises);
        if fields.contains(&"retry") && (to.retry.attempts < least || rises) {
            let message = if rises {
                format!(
                    "`{id}` is paused on its failure: another attempt is the ticket's answer, not a higher `retry`"
                )
            } else {
                format!(
                    "`{id}` has had {failures} failed attempts: `retry.attempts` cannot be below {least}"
                )
            };
            return Some(Issue::new(
                &catalogue::PATCH_STARTED,
                format!("/nodes/{id}/retry/attempts"),
                message,
            ));
        }
        None
    }

    /// The in-edges of a node that has started stay as they are, but for one that a join of kind any no longer waits for.
    fn check_edges(
        &self,
        at: &At,
        progress: Progress,
        new: &Arc<Ir>,
        to: NodeIx,
        plan: &mut Plan,
        issues: &mut Vec<Issue>,
    ) {
        let open = matches!(progress, Progress::Open | Progress::Published | Progress::Asked);
        let old = &at.ir;
        let marking = self.state.scopes.get("");
        let settled = |ix: u32| {
            let slot = old.edge_slot(ix);
            marking
                .and_then(|marking| marking.edges.get(slot))
                .is_some_and(|state| *state != EdgeState::Unsettled)
        };
        for ix in at.node().ins.clone() {
            let name = old.edge_name(ix);
            let kept = same_edge(old, ix, new);
            if kept == Some(true) {
                continue;
            }
            let may = open || (kept.is_none() && !settled(ix) && at.node().join == Join::Any);
            let seeded = (mutant::is(Mutant::EdgeOfStartedMayGo) && kept.is_none())
                || (mutant::is(Mutant::EdgeOfStartedMayChange) && kept == Some(false));
            if !may && !seeded {
                let message =
                    format!("edge `{name}` leads to `{}`, which has started", at.node().id);
                issues.push(Issue::new(
                    &catalogue::PATCH_STARTED,
                    format!("/edges/{name}"),
                    message,
                ));
            } else if kept == Some(false) {
                plan.reset.insert(name);
            }
        }
        for ix in new.node(to).ins.clone() {
            let edge = new.edge(ix);
            let name = new.edge_name(ix);
            let known = old
                .find(&new.node(edge.from).id)
                .and_then(|from| old.find_edge(from, at.ix, edge.after));
            if known.is_none() && !open && !mutant::is(Mutant::NewEdgeIntoStarted) {
                let message =
                    format!("edge `{name}` leads to `{}`, which has started", at.node().id);
                issues.push(Issue::new(
                    &catalogue::PATCH_STARTED,
                    format!("/edges/{name}"),
                    message,
                ));
            }
        }
    }
}
