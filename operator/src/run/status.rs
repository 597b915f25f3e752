//! How a run stands, as its object says it. Touches nothing.

use std::time::Duration;

use aob_crds::condition::{self, Said, Truth, kind, reason};
use aob_crds::{Phase, RunStatus, Usage, event};
use aob_engine::state::{Amount, RunOutcome, State, dollars};
use aob_engine::tier::Tier;
use k8s_openapi::jiff::Timestamp;

use super::dereference::{Facts, NotBegun};
use super::validate::Asked;
use crate::note::Note;

pub(super) fn status(
    asked: &Asked,
    facts: &Facts,
    before: Option<&RunStatus>,
    now: Timestamp,
) -> RunStatus {
    let generation = Some(asked.named.generation);
    let old = before.map_or(&[][..], |before| &before.conditions);
    let merge = |said| condition::merge(old, said, generation, now);
    match (&facts.state, &facts.not_begun) {
        (Some(state), _) => RunStatus {
            observed_generation: generation,
            conditions: merge(said(facts, state)),
            ..seen(asked, facts, state)
        },
        // What was last seen of it stays.
        (None, Some(why)) if facts.was_there => RunStatus {
            observed_generation: generation,
            tickets: Vec::new(),
            message: Some(why.message.clone()),
            conditions: merge(not_there(old, why)),
            ..before.cloned().unwrap_or_default()
        },
        (None, why) => {
            let pending = NotBegun {
                reason: reason::PENDING,
                message: "it has not begun".to_owned(),
                is_final: false,
            };
            let why = why.as_ref().unwrap_or(&pending);
            RunStatus {
                observed_generation: generation,
                phase: match (why.is_final, why.reason) {
                    (true, reason::CANCELLED_BEFORE_START) => Phase::Cancelled,
                    (true, _) => Phase::Failed,
                    (false, reason::SUSPENDED) => Phase::Suspended,
                    (false, _) => Phase::Pending,
                },
                message: Some(why.message.clone()),
                conditions: merge(not_begun(why)),
                ..RunStatus::default()
            }
        }
    }
}

fn seen(asked: &Asked, facts: &Facts, state: &State) -> RunStatus {
    let head = &state.head;
    let begun_on = head.base.as_ref().unwrap_or(&head.digest);
    RunStatus {
        id: Some(asked.run.to_string()),
        store_epoch: Some(format!("{:016x}", facts.epoch)),
        digest: Some(begun_on.to_string()),
        phase: phase(state),
        progress: Some(format!("{}/{}", head.settled, head.instances)),
        revision: Some(i32::try_from(head.revision).unwrap_or(i32::MAX)),
        tier: Some(head.tier().to_string()),
        usage: usage(state),
        tickets: facts.tickets.clone(),
        message: head
            .failure
            .as_ref()
            .map(|failure| format!("{}: {}", failure.code, failure.message)),
        ..RunStatus::default()
    }
}

/// What its agents have spent; nothing of a run without any.
fn usage(state: &State) -> Option<Usage> {
    let spent = &state.head.spent;
    let all = spent.values().fold(Amount::default(), |sum, one| sum.plus(*one));
    (!spent.is_empty()).then(|| Usage { usd: Some(dollars(all.usd)) })
}

fn phase(state: &State) -> Phase {
    match state.status() {
        "succeeded" => Phase::Succeeded,
        "cancelled" => Phase::Cancelled,
        "failed" => Phase::Failed,
        "suspended" => Phase::Suspended,
        "waiting" => Phase::Waiting,
        _ => Phase::Running,
    }
}

fn said(facts: &Facts, state: &State) -> Vec<Said> {
    let head = &state.head;
    let tier = match head.tier() {
        Tier::Simple => reason::TIER_SIMPLE,
        Tier::Standard => reason::TIER_STANDARD,
        Tier::Heavy => reason::TIER_HEAVY,
    };
    let admitted = Said::new(kind::ADMITTED, true, tier, format!("counted as {}", head.tier()));
    let waiting = match facts.tickets.first() {
        Some(first) if phase(state) == Phase::Waiting => {
            let text = format!("{} asks: `aob approve {}`", first.node, first.id);
            Said::new(kind::WAITING, true, reason::TICKETS_OPEN, text)
        }
        _ => Said::new(kind::WAITING, false, reason::NOTHING_ASKED, ""),
    };
    if !state.is_ended() {
        let going = |kind, truth: Truth| Said::new(kind, truth, reason::RUNNING, "it goes on");
        let [complete, succeeded] =
            [going(kind::COMPLETE, Truth::False), going(kind::SUCCEEDED, Truth::Unknown)];
        return vec![admitted, waiting, complete, succeeded];
    }
    let failure = head.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default();
    let (good, why) = match head.outcome {
        Some(RunOutcome::Succeeded) => (true, reason::SUCCEEDED),
        Some(RunOutcome::Cancelled) => (false, reason::CANCELLED),
        _ => (false, reason::FAILED),
    };
    vec![
        admitted,
        waiting,
        Said::new(kind::COMPLETE, true, why, failure.clone()),
        Said::new(kind::SUCCEEDED, good, why, failure),
    ]
}

fn not_begun(why: &NotBegun) -> Vec<Said> {
    let NotBegun { reason: because, message, is_final } = why;
    let end = |kind, truth: Truth| {
        let reason = if *is_final { because } else { reason::NOT_STARTED };
        Said::new(kind, truth, reason, message.clone())
    };
    let is_refused =
        *is_final || matches!(*because, reason::TIER_LIMIT | reason::WORKFLOW_NOT_FOUND);
    let admitted = if is_refused { Truth::False } else { Truth::Unknown };
    vec![
        Said::new(kind::ADMITTED, admitted, because, message.clone()),
        Said::new(kind::WAITING, false, reason::NOTHING_ASKED, ""),
        end(kind::COMPLETE, Truth::from(*is_final)),
        end(kind::SUCCEEDED, if *is_final { Truth::False } else { Truth::Unknown }),
    ]
}

/// It was seen before and is not there: whether it was admitted is known, how it went is not.
fn not_there(old: &[condition::Condition], why: &NotBegun) -> Vec<Said> {
    let admitted = condition::find(old, kind::ADMITTED).map(|one| match one.reason.as_str() {
        "TierHeavy" => reason::TIER_HEAVY,
        "TierStandard" => reason::TIER_STANDARD,
        _ => reason::TIER_SIMPLE,
    });
    let text = why.message.clone();
    let complete = if why.is_final { Truth::True } else { Truth::Unknown };
    vec![
        Said::new(kind::ADMITTED, true, admitted.unwrap_or(reason::TIER_SIMPLE), ""),
        Said::new(kind::WAITING, false, reason::NOTHING_ASKED, ""),
        Said::new(kind::COMPLETE, complete, why.reason, text.clone()),
        Said::new(kind::SUCCEEDED, Truth::Unknown, why.reason, text),
    ]
}

/// The same status for a spec that was changed after the end.
pub(super) fn observed(asked: &Asked, before: Option<&RunStatus>) -> Option<RunStatus> {
    let generation = Some(asked.named.generation);
    let mut after = before.filter(|before| before.observed_generation != generation)?.clone();
    after.observed_generation = generation;
    for one in &mut after.conditions {
        one.observed_generation = generation;
    }
    Some(after)
}

/// How long the object of a run that is over stays; none: for ever.
pub(super) fn left(asked: &Asked, before: Option<&RunStatus>, now: Timestamp) -> Option<Duration> {
    let stays = asked.stays?;
    let ended = condition::find(&before?.conditions, kind::COMPLETE)?.last_transition_time.0;
    let passed = Duration::try_from(now.duration_since(ended)).unwrap_or_default();
    Some(stays.saturating_sub(passed))
}

/// What happened between two statuses.
pub(super) fn notes(before: Option<&RunStatus>, after: &RunStatus) -> Vec<Note> {
    let was = before.map(|before| before.phase);
    let mut notes = Vec::new();
    let id = after.id.as_deref().unwrap_or_default();
    if after.id.is_some() && before.is_none_or(|before| before.id.is_none()) {
        let tier = after.tier.as_deref().unwrap_or_default();
        notes.push(Note::normal(event::STARTED, format!("{id}, tier {tier}")));
    }
    let message = after.message.clone().unwrap_or_default();
    let admitted = |status: &RunStatus| {
        condition::find(&status.conditions, kind::ADMITTED)
            .map(|one| (one.status.clone(), one.reason.clone()))
    };
    // A run that is applied together with its workflow looks for it a moment too early: its condition says so.
    let is_refused = admitted(after)
        .is_some_and(|(status, reason)| status == "False" && reason != reason::WORKFLOW_NOT_FOUND);
    if is_refused && before.and_then(admitted) != admitted(after) {
        notes.push(Note::warning(event::NOT_ADMITTED, message.clone()));
    }
    let is_missing = |status: &RunStatus| {
        let complete = condition::find(&status.conditions, kind::COMPLETE);
        complete.is_some_and(|one| one.reason == reason::MISSING)
    };
    if is_missing(after) && !before.is_some_and(is_missing) {
        notes.push(Note::warning(event::MISSING, message.clone()));
    }
    if was == Some(after.phase) {
        return notes;
    }
    match after.phase {
        Phase::Waiting => {
            let asks =
                after.tickets.first().map(|first| format!("{} asks: {}", first.node, first.id));
            notes.push(Note::normal(event::WAITING, asks.unwrap_or_default()));
        }
        Phase::Suspended => notes.push(Note::normal(event::SUSPENDED, "nothing new begins")),
        Phase::Running if was == Some(Phase::Suspended) => {
            notes.push(Note::normal(event::RESUMED, "it goes on"));
        }
        Phase::Succeeded => {
            let progress = after.progress.as_deref().unwrap_or_default();
            notes.push(Note::normal(event::SUCCEEDED, progress));
        }
        Phase::Failed if !is_refused => notes.push(Note::warning(event::FAILED, message)),
        Phase::Cancelled => notes.push(Note::normal(event::CANCELLED, message)),
        _ => {}
    }
    notes
}

#[cfg(test)]
mod tests;
