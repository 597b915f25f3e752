//! R4 and R5: the config of an instance that has started, or that could not start because of it.

use std::sync::Arc;

use super::compare::changed_fields;
use super::{Plan, Router};
use crate::catalogue;
use crate::event::Change;
use crate::ir::{Ir, Kind};
use crate::issue::Issue;
use crate::mutant::{self, Mutant};
use crate::route::At;
use crate::step::Refusal;

impl Router<'_> {
    /// A new config of what has started is rendered on what is recorded, and refused if that fails: it would fail in
    /// the next attempt.
    pub(super) fn check_configs(
        &self,
        new: &Arc<Ir>,
        plan: &Plan,
        issues: &mut Vec<Issue>,
    ) -> Result<(), Refusal> {
        if mutant::is(Mutant::ConfigsNotJudged) {
            return Ok(());
        }
        let root: crate::state::ScopePath = "".into();
        for id in &plan.rendered {
            let Some(ix) = new.find(id) else { continue };
            for template in new.node(ix).kind.rendered() {
                if let Err(error) = self.render(&root, template)? {
                    let message = format!(
                        "`{id}` has started, and its new config fails on what is recorded: {}: {}",
                        error.code, error.message
                    );
                    let place = format!("/nodes/{id}/config");
                    issues.push(Issue::new(&catalogue::PATCH_CONFIG, place, message));
                }
            }
        }
        Ok(())
    }

    /// What waits on a condition of its edges has answered, and that answer counts once the edges are mended: with another
    /// config or another time limit it would be the answer of nothing in the graph. A container keeps its config from its
    /// beginning.
    pub(super) fn check_answered(
        &self,
        old: &Arc<Ir>,
        new: &Arc<Ir>,
        plan: &Plan,
        issues: &mut Vec<Issue>,
    ) -> Result<(), Refusal> {
        if mutant::is(Mutant::AnsweredMayChange) {
            return Ok(());
        }
        for id in &plan.paused {
            let (Some(ix), Some(to)) = (old.find(id), new.find(id)) else { continue };
            let at = At { scope: "".into(), ix, ir: old.clone() };
            let has_answered = self.answer_aside(&at)?.is_some();
            let holds_bodies = at.node().kind.body().is_some();
            let kept: &[&str] = match has_answered {
                true => &["config", "timeout"],
                false if holds_bodies && !self.never_began(&at) => &["config"],
                false => continue,
            };
            let entry =
                if holds_bodies { &catalogue::PATCH_BODY } else { &catalogue::PATCH_STARTED };
            for field in changed_fields(old, ix, new, to) {
                if !kept.contains(&field) {
                    continue;
                }
                let how = if has_answered { "answered" } else { "begun" };
                let message = format!("`{id}` has {how}, and its `{field}` cannot change");
                let mut issue = Issue::new(entry, format!("/nodes/{id}/{field}"), message);
                issue.remedy =
                    Some("Change what its edges ask, or put another node behind it.".to_owned());
                issues.push(issue);
            }
        }
        Ok(())
    }

    /// Whether an instance waits on a failure that came before any attempt, iteration or question of it.
    pub(super) fn never_began(&self, at: &At) -> bool {
        let asked = matches!(at.node().kind, Kind::Approval { .. });
        self.live(at).is_some_and(|live| {
            let code = live.error.as_ref().map(|error| error.code.as_str());
            let answered = asked && matches!(code, Some("rejected" | "deadline"));
            !live.was_tried() && live.container.is_none() && live.child.is_none() && !answered
        })
    }

    /// The question about a config that failed is closed, and the instance begins.
    pub(super) fn begin_mended(&mut self, at: &At) -> Result<(), Refusal> {
        let Some(ticket) = self.live(at).and_then(|live| live.ticket.clone()) else {
            return Ok(());
        };
        self.effects.close.push(ticket.id.clone());
        self.emit(Change::Answered {
            at: at.name(),
            ticket: ticket.id.to_string(),
            answer: "retry".to_owned(),
            by: self.by.clone(),
            reason: Some("a patch mended its config".to_owned()),
        })?;
        self.begin_again(at)
    }
}
