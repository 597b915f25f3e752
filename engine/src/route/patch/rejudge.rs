//! R5: a settled node whose out-edges change is judged afresh on its recorded answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::frozen::Progress;
use super::{Plan, Router};
use crate::catalogue;
use crate::event::{Cause, Change, Settled};
use crate::ir::{After, Ir, Kind, NodeIx, OnError};
use crate::issue::Issue;
use crate::mutant::{self, Mutant};
use crate::route::At;
use crate::route::settle::Class;
use crate::state::{EdgeState, NodeState};
use crate::step::Refusal;

impl Router<'_> {
    /// Judges every settled node of the plan on the new graph, and notes which edges settle afresh.
    pub(super) fn check_judgements(
        &self,
        old: &Arc<Ir>,
        new: &Arc<Ir>,
        claimed: &[String],
        plan: &mut Plan,
        issues: &mut Vec<Issue>,
    ) -> Result<(), Refusal> {
        let root: crate::state::ScopePath = "".into();
        self.check_answered(old, new, plan, issues)?;
        self.check_configs(new, plan, issues)?;
        for id in plan.rejudged.clone() {
            let (Some(was), Some(is)) = (old.find(&id), new.find(&id)) else { continue };
            let before = At { scope: root.clone(), ix: was, ir: old.clone() };
            let after = At { scope: root.clone(), ix: is, ir: new.clone() };
            let state = self.node_state(&before);
            let judged = match self.judge_as(&after, state)? {
                Ok(judged) => judged,
                Err(_) if mutant::is(Mutant::FailingConditionTaken) => continue,
                Err(error) => {
                    let message = format!(
                        "`{id}` has settled, and would have failed with this patch: {}",
                        error.message
                    );
                    issues.push(Issue::new(
                        &catalogue::PATCH_REJUDGED,
                        format!("/nodes/{id}"),
                        message,
                    ));
                    continue;
                }
            };
            if state == NodeState::Failed
                && self.failed_by_condition(&before)?
                && conditions(old, was) != conditions(new, is)
            {
                let message = format!(
                    "`{id}` has failed because a condition on its edges could not be judged; with other conditions it might have settled otherwise"
                );
                issues.push(Issue::new(
                    &catalogue::PATCH_REJUDGED,
                    format!("/nodes/{id}"),
                    message,
                ));
                continue;
            }
            let handled_before =
                before.node().outs.iter().any(|&ix| is_followed(self.old_edge(old, ix)));
            if state == NodeState::Failed
                && after.node().on_error != OnError::Continue
                && handled_before
                && !judged.contains(&true)
                && !mutant::is(Mutant::HandledFailureLosesItsEdge)
            {
                let message = format!(
                    "the failure of `{id}` was handled by an edge that this patch takes away"
                );
                issues.push(Issue::new(
                    &catalogue::PATCH_REJUDGED,
                    format!("/nodes/{id}"),
                    message,
                ));
            }
            for (position, &ix) in after.node().outs.iter().enumerate() {
                self.check_edge(old, new, ix, judged[position], claimed, plan, issues);
            }
        }
        Ok(())
    }

    /// Whether what failed a settled instance may have been a condition on its way out, not the instance itself: it
    /// had answered, or it was passed over.
    fn failed_by_condition(&self, at: &At) -> Result<bool, Refusal> {
        let Some(kept) = self.kept(&at.name())? else { return Ok(false) };
        let code = kept.error.as_ref().and_then(|error| error.get("code")?.as_str());
        let passed = matches!(at.node().kind, Kind::Unknown | Kind::Task { agent: true, .. });
        Ok(kept.value.is_some() || (passed && code == Some("expression")))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "both graphs, the edge, what is held, what is found"
    )]
    /// An out-edge of a settled node in the new graph: as it was, or free to settle afresh.
    fn check_edge(
        &self,
        old: &Arc<Ir>,
        new: &Arc<Ir>,
        ix: u32,
        followed: bool,
        claimed: &[String],
        plan: &mut Plan,
        issues: &mut Vec<Issue>,
    ) {
        let edge = new.edge(ix);
        let name = new.edge_name(ix);
        let ends = (old.find(&new.node(edge.from).id), old.find(&new.node(edge.to).id));
        let known = match ends {
            (Some(from), Some(to)) => old.find_edge(from, to, edge.after),
            _ => None,
        };
        let Some(known) = known else { return };
        if mutant::is(Mutant::GroupsNotJudged) {
            return;
        }
        if is_followed(self.old_edge(old, known)) == followed && !plan.reset.contains(&name) {
            return;
        }
        let target = At { scope: "".into(), ix: old.edge(known).to, ir: old.clone() };
        let id = target.node().id.to_string();
        let progress = self.progress_of(&target, claimed);
        let taken_back = matches!(progress, Progress::Published | Progress::Asked);
        if taken_back || progress == Progress::Open {
            plan.reset.insert(name);
            if taken_back && !mutant::is(Mutant::RejudgedNotRecalled) {
                plan.recalled.insert(id.clone());
            }
            plan.joins.insert(id);
        } else if is_followed(self.old_edge(old, known)) != followed
            && !mutant::is(Mutant::StartedOnOtherGround)
        {
            let message = format!(
                "edge `{name}` would be decided otherwise, but `{id}` has started on its ground"
            );
            issues.push(Issue::new(&catalogue::PATCH_REJUDGED, format!("/edges/{name}"), message));
        }
    }

    /// The new and changed out-edges of a settled node settle.
    pub(super) fn settle_new_edges(&mut self, at: &At) -> Result<(), Refusal> {
        let state = self.node_state(at);
        let judged = self.judge_as(at, state)?.unwrap_or_default();
        for (position, &ix) in at.node().outs.iter().enumerate() {
            let unsettled = self
                .state
                .scopes
                .get(&at.scope)
                .and_then(|marking| marking.edges.get(at.ir.edge_slot(ix)));
            if unsettled != Some(&EdgeState::Unsettled) {
                continue;
            }
            let target = At { ix: at.ir.edge(ix).to, ..at.clone() };
            let followed = judged.get(position).copied().unwrap_or(false);
            let state = match (followed, self.node_state(&target)) {
                (false, _) => EdgeState::Dead,
                (true, NodeState::Idle) => EdgeState::Taken,
                (true, _) => EdgeState::Absorbed,
            };
            self.emit(Change::Edge { scope: String::new(), edge: at.ir.edge_name(ix), state })?;
            self.work.push_back(super::Work::Join(at.scope.clone(), target.ix));
        }
        Ok(())
    }

    /// An instance that waits on its failure, on the graph as it is now. One that never began, since its config failed,
    /// begins if the patch mended that.
    pub(super) fn judge_paused(&mut self, at: &At, rendered: bool) -> Result<(), Refusal> {
        if rendered && self.never_began(at) {
            return self.begin_mended(at);
        }
        let name = at.name();
        let answer = self.answer_aside(at)?;
        if let Some((digest, output, _)) = &answer {
            // It had answered; what failed was a condition on the way out, which may read the answer.
            self.keep(&name, at, Settled::Succeeded, Some((digest.clone(), output.clone())), None);
            let judged = self.state_as(at, NodeState::Succeeded, |router| {
                router.judge_as(at, NodeState::Succeeded)
            })?;
            if judged.is_ok() {
                return self.succeed(at, output.clone(), Cause::Decision);
            }
        }
        let Some(error) = self.live(at).and_then(|live| live.error.clone()) else { return Ok(()) };
        let kept = answer.as_ref().map(|(digest, output, _)| (digest.clone(), output.clone()));
        self.keep(&name, at, Settled::Failed, kept, Some(&error));
        let judged =
            self.state_as(at, NodeState::Failed, |router| router.judge_as(at, NodeState::Failed))?;
        self.fresh.remove(&name);
        if judged.unwrap_or_default().contains(&true) || at.node().on_error != OnError::Pause {
            return self.fail(at, error, Cause::Decision, answer);
        }
        Ok(())
    }

    fn judge_as(
        &self,
        at: &At,
        state: NodeState,
    ) -> Result<Result<Vec<bool>, crate::state::NodeError>, Refusal> {
        match state {
            NodeState::Succeeded => self.judge(at, Class::Success),
            NodeState::Passed => self.judge(at, Class::Passed),
            NodeState::Failed => self.judge(at, Class::Failure),
            _ => Ok(Ok(vec![false; at.node().outs.len()])),
        }
    }

    fn old_edge(&self, old: &Arc<Ir>, ix: u32) -> EdgeState {
        let marking = self.state.scopes.get("");
        marking
            .and_then(|marking| marking.edges.get(old.edge_slot(ix)))
            .copied()
            .unwrap_or(EdgeState::Unsettled)
    }
}

fn is_followed(state: EdgeState) -> bool {
    matches!(state, EdgeState::Taken | EdgeState::Absorbed)
}

/// The conditions that an answer of a node is judged by, by edge.
fn conditions(ir: &Ir, ix: NodeIx) -> BTreeMap<String, String> {
    let outs = ir.node(ix).outs.iter();
    outs.filter(|&&out| ir.edge(out).after != After::Failure)
        .filter_map(|&out| {
            Some((ir.edge_name(out), ir.edge(out).when.as_ref()?.source().to_owned()))
        })
        .collect()
}
