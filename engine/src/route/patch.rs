//! A patch takes effect: judged against the marking, applied, and everything that follows from it, in one step.

mod author;
mod compare;
mod conditions;
mod config;
mod deciders;
mod frozen;
mod gates;
mod limits;
mod order;
mod policy;
mod powers;
mod preview;
mod rejudge;
mod taint;

use author::answered_by;
pub use preview::preview;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{At, Router, Work};
use crate::catalogue;
use crate::event::{Cause, Change, Layer, Patched, Settled};
use crate::ir::{Ir, Kind, ROOT};
use crate::issue::Issue;
use crate::mutant::{self, Mutant};
use crate::state::{Asks, IrSet, NodeState, State};
use crate::step::{Context, Envelope, Input, Now, Refusal, Step, Verdict};

/// A patch whose new graph has been compiled: the slow part is over.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// `patch_...`.
    pub id: String,
    /// Digest of the canonical operations.
    pub operations: String,
    /// The graph after the patch.
    pub ir: Arc<Ir>,
    /// Claimed instances to be cancelled.
    pub cancel: Vec<String>,
    /// Gates that whoever patches may change, since they may approve them.
    pub approves: Vec<String>,
    /// `user:<name>`, `agent:<instance>`.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// The patch that it takes out, if it is an undo.
    pub undoes: Option<String>,
    /// What the layers before the commit said.
    pub verdicts: Vec<Layer>,
}

/// What a patch does to a run, or every reason why it may not. `claimed` names the instances whose task a worker
/// holds; the commit must assert that no other one was claimed meanwhile.
///
/// # Errors
/// As [`super::advance`].
pub fn apply_patch(
    irs: &IrSet,
    state: &State,
    context: &dyn Context,
    candidate: &Candidate,
    claimed: &[String],
    now: Now,
) -> Result<Result<Step, Vec<Issue>>, Refusal> {
    apply_patch_with(irs, state, context, candidate, claimed, &[], now)
}

/// The same with inputs that follow it in the same step, on the new revision; if one of them does not apply, nothing
/// does. An agent's patch is followed by the completion of that agent, under the fence of its live attempt (R3).
///
/// # Errors
/// As [`super::advance`].
pub fn apply_patch_with(
    irs: &IrSet,
    state: &State,
    context: &dyn Context,
    candidate: &Candidate,
    claimed: &[String],
    then: &[Input],
    now: Now,
) -> Result<Result<Step, Vec<Issue>>, Refusal> {
    let revision = state.head.revision + 1;
    let old =
        irs.get(state.head.revision).map_err(|_| Refusal::Revision(state.head.revision))?.clone();
    let mut all = irs.clone();
    all.insert(revision, candidate.ir.clone());
    if let Some(issue) = limits::refused_at_once(state, &old, candidate) {
        return Ok(Err(vec![issue]));
    }
    let mut router = Router::new(&all, state.clone(), context, now, &candidate.by);
    if let Some(issue) = router.check_author(candidate, then)? {
        return Ok(Err(vec![issue]));
    }
    let agent = candidate.by.strip_prefix("agent:").unwrap_or_default();
    if router.has_word(agent, &candidate.operations, then)? {
        router.applies = Some(agent.to_owned());
    }
    let issues = router.check_policy(&old, candidate)?;
    if !issues.is_empty() {
        return Ok(Err(issues));
    }
    // Whoever answers holds its task.
    let answering = then.iter().filter_map(answered_by).map(str::to_owned);
    let held: Vec<String> = claimed.iter().cloned().chain(answering).collect();
    let plan = match router.plan(&old, candidate, &held)? {
        Ok(plan) => plan,
        Err(issues) => return Ok(Err(issues)),
    };
    router.cancel_named(candidate)?;
    router.take_back(&old, &plan)?;
    router.emit(Change::Patched(Box::new(Patched {
        patch: candidate.id.clone(),
        digest: candidate.ir.digest.clone(),
        revision,
        types: candidate.ir.types.as_ref().map(|types| types.digest.clone()),
        operations: candidate.operations.clone(),
        reason: candidate.reason.clone(),
        recalled: plan.recalled.iter().cloned().collect(),
        reset: plan.reset.iter().cloned().collect(),
        undoes: candidate.undoes.clone(),
        verdicts: candidate.verdicts.clone(),
    })))?;
    router.follow(&candidate.ir, &plan)?;
    router.run()?;
    let mut verdicts = vec![Verdict::Applied];
    for input in then {
        let verdict = router.take(input)?;
        if verdict != Verdict::Applied {
            return Ok(Err(vec![author::unanswered(input, &verdict)]));
        }
        verdicts.push(verdict);
        router.run()?;
    }
    // Whatever phase that leads to: with nothing left to drain the run is over at once.
    if let Some(error) = &router.state.head.failure
        && !mutant::is(Mutant::FailingPatchTaken)
    {
        let message =
            format!("the run would fail with this patch: {}: {}", error.code, error.message);
        return Ok(Err(vec![Issue::new(&catalogue::PATCH_FAILS, "", message)]));
    }
    router.finish(verdicts).map(Ok)
}

/// The step that records a refusal; none if so many are recorded that no further one is: ten for each patch that the
/// run may have.
///
/// # Errors
/// As [`super::advance`].
pub fn refuse_patch(
    irs: &IrSet,
    state: &State,
    refused: &RefusedPatch,
    now: Now,
) -> Result<Option<Step>, Refusal> {
    let ir = irs.get(state.head.revision).map_err(|_| Refusal::Revision(state.head.revision))?;
    if state.is_ended() || state.head.refusals >= ir.limits.patches.saturating_mul(10).max(10) {
        return Ok(None);
    }
    let context: BTreeMap<String, Envelope> = BTreeMap::new();
    let mut router = Router::new(irs, state.clone(), &context, now, &refused.by);
    router.emit(Change::PatchRefused {
        patch: refused.id.clone(),
        request: refused.request.clone(),
        base: refused.base,
        code: refused.code.clone(),
        pointer: refused.pointer.clone(),
        verdicts: refused.verdicts.clone(),
    })?;
    router.finish(Vec::new()).map(Some)
}

/// A request that was refused.
#[derive(Debug, Clone)]
pub struct RefusedPatch {
    /// `patch_...`.
    pub id: String,
    /// Digest of what was asked.
    pub request: String,
    /// Revision that it was written against.
    pub base: Option<u32>,
    /// Code of the first finding.
    pub code: String,
    /// Where in the request.
    pub pointer: String,
    /// `user:<name>`, `agent:<instance>`.
    pub by: String,
    /// What the layers said.
    pub verdicts: Vec<Layer>,
}

/// What a patch changes in the marking before anything follows.
#[derive(Debug, Default)]
struct Plan {
    /// Instances taken back and begun afresh.
    recalled: BTreeSet<String>,
    /// Edges of the new graph that settle afresh.
    reset: BTreeSet<String>,
    /// Settled nodes whose out-edges are judged afresh.
    rejudged: BTreeSet<String>,
    /// Instances paused on a failure that are judged afresh.
    paused: BTreeSet<String>,
    /// Instances that have started and whose config is another one.
    rendered: BTreeSet<String>,
    /// Nodes whose join may have changed.
    joins: BTreeSet<String>,
}

impl Router<'_> {
    /// Judges the difference against the marking.
    fn plan(
        &self,
        old: &Arc<Ir>,
        candidate: &Candidate,
        claimed: &[String],
    ) -> Result<Result<Plan, Vec<Issue>>, Refusal> {
        let mut plan = Plan::default();
        let mut issues = Vec::new();
        self.check_frozen(old, &candidate.ir, &candidate.cancel, claimed, &mut plan, &mut issues);
        // No agent decides at a gate, whatever the request says.
        let agent = candidate.by.starts_with("agent:");
        let approves = if agent { &[][..] } else { &candidate.approves };
        gates::check(self, old, &candidate.ir, approves, &candidate.cancel, &mut issues);
        for (at, name) in candidate.cancel.iter().enumerate() {
            let held = claimed.contains(name) && self.find(name)?.is_some();
            if !held && !mutant::is(Mutant::CancelUnclaimed) {
                let message = format!("`{name}` is not claimed by any worker");
                let place = format!("/cancel/{at}");
                issues.push(Issue::new(&catalogue::PATCH_UNKNOWN_INSTANCE, place, message));
            }
        }
        if issues.is_empty() {
            self.check_judgements(old, &candidate.ir, claimed, &mut plan, &mut issues)?;
        }
        Ok(if issues.is_empty() { Ok(plan) } else { Err(issues) })
    }

    /// Claimed instances that the patch cancels by name.
    fn cancel_named(&mut self, candidate: &Candidate) -> Result<(), Refusal> {
        for name in &candidate.cancel {
            if let Some(at) = self.find(name)? {
                self.settle(&at, Settled::Cancelled, Cause::Cancel, None, 0, None)?;
                // An iteration keeps its graph; what lies in the root settles its edges on the new one.
                if !at.scope.is_empty() {
                    self.lead(&at, &[])?;
                }
            }
        }
        Ok(())
    }

    /// Tasks taken back, timers and tickets of what is begun afresh or goes.
    fn take_back(&mut self, old: &Arc<Ir>, plan: &Plan) -> Result<(), Refusal> {
        let root = "".into();
        for ix in old.body(ROOT).nodes.clone() {
            let at = At { scope: Arc::clone(&root), ix, ir: old.clone() };
            let name = at.name();
            if !plan.recalled.contains(&name) {
                continue;
            }
            let Some(live) = self.live(&at).cloned() else { continue };
            if self.node_state(&at) == NodeState::Active
                && matches!(at.node().kind, Kind::Task { .. })
                && !mutant::is(Mutant::RecallForgetsTask)
            {
                self.effects.recall.push(live.cell);
            }
            if !mutant::is(Mutant::RecallForgetsTimer) {
                self.disarm(&at, &name, &live);
            }
            if let Some(ticket) = live.ticket
                && !mutant::is(Mutant::RecallForgetsTicket)
            {
                self.effects.close.push(ticket.id);
            }
        }
        Ok(())
    }

    /// What follows on the new graph: edges of settled nodes settle, joins are looked at, new roots begin.
    fn follow(&mut self, new: &Arc<Ir>, plan: &Plan) -> Result<(), Refusal> {
        let root: crate::state::ScopePath = "".into();
        for id in &plan.rejudged {
            if let Some(ix) = new.find(id)
                && !mutant::is(Mutant::NewEdgesDoNotSettle)
            {
                self.settle_new_edges(&At { scope: root.clone(), ix, ir: new.clone() })?;
            }
        }
        for id in &plan.paused {
            if let Some(ix) = new.find(id) {
                let at = At { scope: root.clone(), ix, ir: new.clone() };
                self.judge_paused(&at, plan.rendered.contains(id))?;
            }
        }
        for ix in new.body(ROOT).nodes.clone() {
            let at = At { scope: root.clone(), ix, ir: new.clone() };
            if self.node_state(&at) != NodeState::Idle {
                continue;
            }
            if at.node().ins.is_empty() {
                if !mutant::is(Mutant::RootsNotBegun) {
                    self.begin(&at)?;
                }
            } else if (plan.joins.contains(&*at.node().id)
                || plan.recalled.contains(&*at.node().id))
                && !mutant::is(Mutant::JoinsNotRecomputed)
            {
                self.work.push_back(Work::Join(root.clone(), ix));
            }
        }
        self.work.push_back(Work::Scope(root));
        Ok(())
    }

    /// Whether an instance waits on its own failure.
    fn is_paused(&self, at: &At) -> bool {
        let asks = self.live(at).and_then(|live| live.ticket.as_ref()).map(|ticket| ticket.asks);
        self.node_state(at) == NodeState::Waiting && asks == Some(Asks::Failure)
    }
}
