//! A run's history as lines that can be read, one per event.

use aob_engine::event::{Cause, Change, Event, Settled};
use aob_engine::state::{Asks, CancelMode};

/// `a succeeded; a->b taken; b out`
pub(crate) fn line(event: &Event) -> String {
    event.changes.iter().map(told).collect::<Vec<_>>().join("; ")
}

fn told(change: &Change) -> String {
    match change {
        Change::Started(_) => "started".to_owned(),
        Change::Published { at, attempt: 1 } => format!("{at} out"),
        Change::Published { at, attempt } => format!("{at} out #{attempt}"),
        Change::Ready { at } => format!("{at} ready"),
        Change::Begun { at, .. } => format!("{at} begun"),
        Change::Iteration { at, index } => format!("{at}[{index}] begins"),
        Change::IterationEnded { at, index, outcome, .. } => {
            format!("{at}[{index}] {}", outcome.name())
        }
        Change::Settled { at, outcome: Settled::Succeeded, .. } => format!("{at} succeeded"),
        Change::Settled { at, error: Some(error), .. } => format!("{at} failed: {}", error.code),
        Change::Settled { at, outcome, cause, .. } => {
            format!("{at} {} by {}", outcome.name(), why(cause))
        }
        Change::Edge { scope, edge, state } if scope.is_empty() => {
            format!("{edge} {}", state.name())
        }
        Change::Edge { scope, edge, state } => format!("{scope}:{edge} {}", state.name()),
        Change::Backoff { at, .. } => format!("{at} backs off"),
        Change::Lost { at, returned: false } => format!("{at} lost"),
        Change::Lost { at, returned: true } => format!("{at} handed back"),
        Change::Waiting { at, asks, .. } => format!("{at} asks {}", question(*asks)),
        Change::Voted { at, by, .. } => format!("{at} has a vote of {by}"),
        Change::Answered { at, answer, .. } => format!("{at} answered {answer}"),
        Change::DecisionRefused { at, answer, by, code, .. } => {
            format!("{at} refuses {answer} of {by}: {code}")
        }
        Change::Notified { at, attempt, error, .. } => {
            format!("{at} told #{attempt}{}", if error.is_some() { " in vain" } else { "" })
        }
        Change::Reserved { at, amount } => format!("{at} reserves {}", amount.usd),
        Change::Booked { at, amount } => format!("{at} books {}", amount.usd),
        Change::Capped { agent, .. } => format!("{agent} capped"),
        Change::Delayed { at, .. } => format!("{at} waits"),
        Change::Child { at, .. } => format!("{at} has a child"),
        Change::Counted { at, agents, starts } => format!("{at} had {agents} more, {starts} times"),
        Change::Suspended { on: true } => "suspended".to_owned(),
        Change::Suspended { on: false } => "resumed".to_owned(),
        Change::Cancelled { mode: CancelMode::Graceful, .. } => "cancel gracefully".to_owned(),
        Change::Cancelled { mode: CancelMode::Now, .. } => "cancel now".to_owned(),
        Change::Stopped { at, .. } => format!("{at} stops"),
        Change::Failing { scope, .. } if scope.is_empty() => "failing".to_owned(),
        Change::Failing { scope, .. } => format!("failing {scope}"),
        Change::Patched(patch) => format!("patched to revision {}", patch.revision),
        Change::PatchRefused { code, .. } => format!("patch refused: {code}"),
        Change::Finally { outcome, .. } => format!("finally after {}", outcome.name()),
        Change::Ended { outcome, .. } => format!("ended {}", outcome.name()),
    }
}

fn why(cause: &Cause) -> &'static str {
    match cause {
        Cause::Completion => "completion",
        Cause::DeadPath => "dead path",
        Cause::Gate => "gate",
        Cause::UnknownType => "unknown type",
        Cause::AgentLimit => "agent limit",
        Cause::Decision => "decision",
        Cause::Timer => "timer",
        Cause::Expression => "expression",
        Cause::Drain => "drain",
        Cause::Cancel => "cancel",
        Cause::Lost => "loss",
        Cause::Limit => "limit",
        Cause::Replay => "replay",
    }
}

fn question(asks: Asks) -> &'static str {
    match asks {
        Asks::Gate => "gate",
        Asks::Failure => "failure",
        Asks::Unknown => "unknown",
        Asks::Budget => "budget",
        Asks::Patch => "patch",
    }
}
