//! What became of a patch, as its object says it. Touches nothing.

use aob_crds::condition::{self, Said, Truth, kind, reason};
use aob_crds::{PatchFinding, PatchPhase, RunPatchStatus, event};
use aob_engine::patch::{Answer, Finding, Record};
use k8s_openapi::jiff::Timestamp;

use super::apply::Done;
use super::validate::Asked;
use crate::note::Note;

/// Most findings told of.
const MOST_FINDINGS: usize = 10;

pub(super) fn status(
    asked: &Asked,
    done: &Done,
    before: Option<&RunPatchStatus>,
    now: Timestamp,
) -> RunPatchStatus {
    let generation = Some(asked.named.generation);
    let old = before.map_or(&[][..], |before| &before.conditions);
    let (phase, said) = said(done);
    let answer = done.record.as_ref().map(|record| &record.answer);
    let findings = match answer {
        Some(Answer::Refused(findings)) => findings.iter().take(MOST_FINDINGS).map(told).collect(),
        _ => Vec::new(),
    };
    let revision = match answer {
        Some(Answer::Accepted(accepted)) => {
            Some(i32::try_from(accepted.revision).unwrap_or(i32::MAX))
        }
        _ => None,
    };
    RunPatchStatus {
        observed_generation: generation,
        id: done.record.as_ref().map(|record| record.id.clone()),
        run: done.run.clone(),
        phase,
        revision,
        actor: Some(asked.by.clone()),
        findings,
        conditions: condition::merge(old, vec![said], generation, now),
    }
}

fn said(done: &Done) -> (PatchPhase, Said) {
    let applied =
        |truth: Truth, reason, message: String| Said::new(kind::APPLIED, truth, reason, message);
    match (&done.record, &done.waits) {
        (Some(Record { answer: Answer::Accepted(accepted), .. }), _) => match &done.undone_by {
            Some(by) => {
                let message = format!("taken out again by {by}");
                (PatchPhase::Undone, applied(Truth::False, reason::UNDONE, message))
            }
            None => {
                let (reason, message) = match &done.stays {
                    Some(why) => (reason::UNDO_REFUSED, format!("it stays in force: {why}")),
                    None => (reason::APPLIED, format!("it made revision {}", accepted.revision)),
                };
                (PatchPhase::Applied, applied(Truth::True, reason, message))
            }
        },
        (Some(Record { answer: Answer::Refused(findings), .. }), _) => {
            let first = findings.first().map_or_else(String::new, |one| {
                format!("{}: {} (at {})", one.code, one.message, place(&one.pointer))
            });
            let rest = findings.len().saturating_sub(1);
            let more = if rest > 0 { format!("; and {rest} more") } else { String::new() };
            let message = format!("{first}{more}");
            (PatchPhase::Refused, applied(Truth::False, reason::PATCH_REFUSED, message))
        }
        (None, Some((reason, message, true))) => {
            (PatchPhase::Refused, applied(Truth::False, reason, message.clone()))
        }
        (None, Some((reason, message, false))) => {
            (PatchPhase::Pending, applied(Truth::Unknown, reason, message.clone()))
        }
        (None, None) => (
            PatchPhase::Pending,
            applied(Truth::Unknown, reason::PENDING, "it has no answer yet".into()),
        ),
    }
}

fn told(finding: &Finding) -> PatchFinding {
    PatchFinding {
        code: finding.code.clone(),
        pointer: finding.pointer.clone(),
        message: finding.message.clone(),
    }
}

/// A pointer as people read it.
fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the whole request" } else { pointer }
}

/// What happened between two statuses.
pub(super) fn notes(before: Option<&RunPatchStatus>, after: &RunPatchStatus) -> Vec<Note> {
    if before.is_some_and(|before| before.phase == after.phase) {
        return Vec::new();
    }
    let message = condition::find(&after.conditions, kind::APPLIED).map(|one| one.message.clone());
    let message = message.unwrap_or_default();
    match after.phase {
        PatchPhase::Pending => Vec::new(),
        PatchPhase::Applied => vec![Note::normal(event::PATCH_APPLIED, message)],
        PatchPhase::Refused => vec![Note::warning(event::PATCH_REFUSED, message)],
        PatchPhase::Undone => vec![Note::normal(event::PATCH_UNDONE, message)],
    }
}
