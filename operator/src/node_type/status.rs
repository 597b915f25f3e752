//! What a NodeType says of itself. Touches nothing.

use aob_crds::condition::{self, Said, kind, reason};
use aob_crds::{NodeTypeStatus, event};
use aob_engine::issue::Issue;
use aob_engine::registry::RunBy;
use k8s_openapi::jiff::Timestamp;

use crate::identity::Named;
use crate::note::Note;

/// How the store knows a type.
#[derive(Debug)]
pub(super) enum Registered {
    /// As the object says it.
    As { version: u64, run: &'static str },
    /// Not, or otherwise.
    Absent,
    /// It registers none.
    Refused(Vec<Issue>),
}

/// Who runs its tasks, in a word.
pub(super) fn word(run: &RunBy) -> &'static str {
    match run {
        RunBy::Worker => "worker",
        RunBy::Http(_) => "http",
        RunBy::Lambda(_) => "lambda",
        RunBy::Job => "job",
    }
}

pub(super) fn status(
    named: &Named,
    registered: &Registered,
    before: Option<&NodeTypeStatus>,
    now: Timestamp,
) -> NodeTypeStatus {
    let generation = Some(named.generation);
    let old = before.map_or(&[][..], |before| &before.conditions);
    let (version, run, said) = match registered {
        Registered::As { version, run } => {
            let said = vec![
                Said::new(kind::READY, true, reason::REGISTERED, format!("version {version}")),
                Said::new(kind::STALLED, false, reason::NOT_STALLED, ""),
            ];
            (i64::try_from(*version).ok(), Some((*run).to_owned()), said)
        }
        Registered::Absent => {
            let said = vec![
                Said::new(kind::READY, false, reason::PENDING, "it is not registered yet"),
                Said::new(kind::STALLED, false, reason::NOT_STALLED, ""),
            ];
            (None, None, said)
        }
        Registered::Refused(issues) => {
            let told: Vec<String> = issues.iter().take(5).map(ToString::to_string).collect();
            let told = told.join("; ");
            let said = vec![
                Said::new(kind::READY, false, reason::INVALID, told.clone()),
                Said::new(kind::STALLED, true, reason::INVALID, told),
            ];
            (None, None, said)
        }
    };
    let conditions = condition::merge(old, said, generation, now);
    NodeTypeStatus { observed_generation: generation, version, run, conditions }
}

/// What happened between two statuses.
pub(super) fn notes(before: Option<&NodeTypeStatus>, after: &NodeTypeStatus) -> Vec<Note> {
    if before.is_some_and(|before| before.version == after.version)
        && before.map(|before| before.observed_generation) == Some(after.observed_generation)
    {
        return Vec::new();
    }
    let ready = condition::find(&after.conditions, kind::READY);
    let message = ready.map(|one| one.message.clone()).unwrap_or_default();
    match after.version {
        Some(_) => vec![Note::normal(event::REGISTERED, message)],
        None => vec![Note::warning(event::INVALID, message)],
    }
}
