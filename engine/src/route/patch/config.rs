//! R4 and R5: the config of an instance that has started, or that could not start because of it.

use std::sync::Arc;

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

    /// What waits on a condition of its edges has answered. An approval that was given, and a container, are not asked
    /// for another answer, so that their config would be that of no answer.
    pub(super) fn check_answered(
        &self,
        old: &Arc<Ir>,
        plan: &Plan,
        issues: &mut Vec<Issue>,
    ) -> Result<(), Refusal> {
        for id in &plan.rendered {
            let Some(ix) = old.find(id) else { continue };
            let at = At { scope: "".into(), ix, ir: old.clone() };
            let entry = match at.node().kind {
                Kind::Approval { .. } if self.answer_aside(&at)?.is_some() => {
                    &catalogue::PATCH_STARTED
                }
                Kind::Foreach { .. } | Kind::Loop { .. } if !self.never_began(&at)? => {
                    &catalogue::PATCH_BODY
                }
                _ => continue,
            };
            if !self.is_paused(&at) || mutant::is(Mutant::AnsweredMayChange) {
                continue;
            }
            let message = format!("`{id}` has answered, and its `config` cannot change");
            issues.push(Issue::new(entry, format!("/nodes/{id}/config"), message));
        }
        Ok(())
    }

    /// Whether an instance waits on a failure that came before any attempt, iteration, question or answer of it.
    pub(super) fn never_began(&self, at: &At) -> Result<bool, Refusal> {
        let asked = matches!(at.node().kind, Kind::Approval { .. });
        let untried = self.live(at).is_some_and(|live| {
            let code = live.error.as_ref().map(|error| error.code.as_str());
            let answered = asked && matches!(code, Some("rejected" | "deadline"));
            !live.was_tried() && live.container.is_none() && live.child.is_none() && !answered
        });
        // A delay that is over has answered, and so has a foreach over nothing: what failed is a condition on the way out.
        Ok(untried && (mutant::is(Mutant::AnsweredBeginsAgain) || self.answer_aside(at)?.is_none()))
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
