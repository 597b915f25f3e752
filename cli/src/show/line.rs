//! One line for each change of a run.

use aob_engine::catalogue;
use aob_engine::event::{Cause, Change, Event, Settled};
use aob_engine::issue::excerpt;
use aob_engine::state::{Asks, CancelMode, Cap, NodeError, dollars};

use super::picture::Picture;
use super::plain;
use super::time::{length, rfc3339};

/// What a change says to a person; nothing for those that another line tells too. The picture already has it.
pub(crate) fn line(change: &Change, event: &Event, picture: &Picture) -> Option<String> {
    let took = |at: &str| {
        picture
            .row(at)
            .and_then(|row| row.length(event.t))
            .map_or(String::new(), |ms| format!(" after {}", length(ms)))
    };
    let text = match change {
        Change::Started(started) => {
            format!("{} {} started by {}", started.run, started.workflow, event.by)
        }
        Change::Published { at, attempt: 1 } => format!("{at} started"),
        Change::Published { at, attempt } => format!("{at} started, attempt {attempt}"),
        Change::Begun { at, total, .. } => {
            match picture.row(at).map(|row| row.node_type.as_str()) {
                Some("loop") => format!("{at} began: at most {total} rounds"),
                _ => format!("{at} began: {total} items"),
            }
        }
        Change::Iteration { at, index } => format!("{at}[{index}] began"),
        Change::IterationEnded { at, index, outcome, error, .. } => {
            format!("{at}[{index}] {}{}", outcome.name(), because(error.as_ref()))
        }
        Change::Settled { at, outcome: Settled::Passed, cause, .. } => {
            format!("{at} passed over: {}", why(cause))
        }
        Change::Settled { at, outcome: Settled::Skipped, cause, .. } => {
            format!("{at} skipped: {}", why(cause))
        }
        Change::Settled { at, outcome, error, .. } => {
            format!("{at} {}{}{}", outcome.name(), took(at), because(error.as_ref()))
        }
        Change::Backoff { at, due, error } => {
            format!(
                "{at} failed{}; next attempt in {}",
                because(Some(error)),
                length(due.saturating_sub(event.t))
            )
        }
        Change::Lost { at, returned: false } => {
            format!("{at} lost its worker; another attempt follows")
        }
        Change::Lost { at, returned: true } => {
            format!("{at} was handed back by a worker that stops; another attempt follows")
        }
        Change::Waiting { at, ticket, asks, error, .. } => match asks {
            Asks::Gate => format!("{at} waits for an approval: {ticket}"),
            Asks::Failure => {
                format!("{at} failed and waits for a person: {ticket}{}", because(error.as_ref()))
            }
            Asks::Unknown => format!("{at} waits for a person, its outcome is unknown: {ticket}"),
            Asks::Budget => {
                format!("{at} waits for a budget: {ticket}{}", because(error.as_ref()))
            }
            Asks::Patch => format!("{at} proposes a patch and waits for a person: {ticket}"),
        },
        Change::PatchRefused { patch, code, pointer, .. } => {
            let rule = catalogue::find(code).map_or("", |entry| entry.title);
            let at = match pointer.as_str() {
                "" => String::new(),
                pointer => format!(" (at {})", excerpt(pointer)),
            };
            format!("{patch} of {} refused: {code}: {rule}{at}", event.by)
        }
        Change::Voted { at, by, .. } => format!("{at} approved by {by}; more approvals are needed"),
        Change::DecisionRefused { at, answer, by, why, .. } => {
            format!("{at}: {answer} of {by} refused: {why}")
        }
        Change::Notified { at, attempt, error, due, .. } => match (error, due) {
            (None, _) => format!("{at}: the webhook was told"),
            (Some(error), Some(due)) => format!(
                "{at}: the webhook was not told (attempt {attempt}: {error}); again in {}",
                length(due.saturating_sub(event.t))
            ),
            (Some(error), None) => format!("{at}: the webhook was not told: {error}; given up"),
        },
        Change::Answered { at, answer, by, reason, .. } => {
            format!(
                "{at} answered: {answer} by {by}{}",
                reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"))
            )
        }
        // A child run that has used nothing gives back what was reserved for it.
        Change::Booked { amount, .. } if amount.is_zero() => return None,
        Change::Booked { at, amount } => format!("{at} used {amount}"),
        Change::Capped { agent, cap, reason } => {
            let who = if agent.is_empty() { "the run" } else { agent.as_str() };
            let reason = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
            format!("{who} may use {} by {}{reason}", most(cap), event.by)
        }
        Change::Delayed { at, due } => format!("{at} waits until {}", rfc3339(*due)),
        Change::Child { at, run, .. } => format!("{at} began as {run}"),
        Change::Suspended { on: true } => format!("suspended by {}", event.by),
        Change::Suspended { on: false } => format!("resumed by {}", event.by),
        Change::Cancelled { mode, reason, .. } => {
            let how = if *mode == CancelMode::Now { " at once" } else { "" };
            format!(
                "to be ended{how} by {}{}",
                event.by,
                reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"))
            )
        }
        Change::Stopped { at, error } => {
            format!("{at} begins nothing further{}", because(Some(error)))
        }
        Change::Patched(patched) => {
            let reason =
                patched.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
            let undoes = patched
                .undoes
                .as_ref()
                .map_or(String::new(), |undoes| format!(", which takes out {undoes}"));
            let recalled = match patched.recalled.as_slice() {
                [] => String::new(),
                recalled => format!("; takes back {}", recalled.join(", ")),
            };
            let (revision, patch) = (patched.revision, &patched.patch);
            format!(
                "patched by {} to revision {revision} with {patch}{undoes}{reason}{recalled}",
                event.by
            )
        }
        Change::Finally { outcome, .. } => format!("finally begins: {} so far", outcome.name()),
        Change::Ended { outcome, error, .. } => {
            format!(
                "{} after {}{}",
                outcome.name(),
                length(event.t.saturating_sub(picture.started)),
                because(error.as_ref())
            )
        }
        // What was reserved is told when it is used.
        Change::Ready { .. }
        | Change::Edge { .. }
        | Change::Failing { .. }
        | Change::Reserved { .. }
        | Change::Counted { .. } => return None,
    };
    Some(plain(&text))
}

/// The instance that a change is about; none if it is the run.
pub(crate) fn subject(change: &Change) -> Option<&str> {
    match change {
        Change::Published { at, .. }
        | Change::Ready { at }
        | Change::Begun { at, .. }
        | Change::Iteration { at, .. }
        | Change::IterationEnded { at, .. }
        | Change::Settled { at, .. }
        | Change::Backoff { at, .. }
        | Change::Lost { at, .. }
        | Change::Waiting { at, .. }
        | Change::Voted { at, .. }
        | Change::Answered { at, .. }
        | Change::DecisionRefused { at, .. }
        | Change::Notified { at, .. }
        | Change::Booked { at, .. }
        | Change::Delayed { at, .. }
        | Change::Child { at, .. }
        | Change::Stopped { at, .. } => Some(at),
        _ => None,
    }
}

/// A cap as people read it: `5.00 USD, 100 calls`.
fn most(cap: &Cap) -> String {
    let parts = [
        cap.usd.map(|usd| format!("{} USD", dollars(usd))),
        cap.tokens.map(|tokens| format!("{tokens} tokens")),
        cap.calls.map(|calls| format!("{calls} calls")),
        cap.ms.map(length),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Why an instance was not run.
pub(crate) fn why(cause: &Cause) -> &'static str {
    match cause {
        Cause::DeadPath => "no way leads here",
        Cause::Gate => "an approval before it did not open",
        Cause::UnknownType => "nobody knows its type",
        Cause::AgentLimit => "the limit of agents is reached",
        Cause::Drain => "the run fails",
        Cause::Cancel => "on request",
        Cause::Timer => "its time was over",
        Cause::Limit => "a limit of the run",
        Cause::Replay => "as in the run that this one replays",
        Cause::Completion | Cause::Decision | Cause::Expression | Cause::Lost => "it was settled",
    }
}

fn because(error: Option<&NodeError>) -> String {
    error.map_or(String::new(), |error| {
        let at = error.at.as_ref().map_or(String::new(), |at| format!(" (at {at})"));
        format!(": {}: {}{at}", error.code, error.message)
    })
}
