//! What became of a request to patch a run: kept with the run, so that whoever asks again gets the same answer.

use serde::{Deserialize, Serialize};

use super::{Operation, Overlay};
use crate::issue::Issue;

/// Lines that are kept of what shows a finding.
const MOST_DETAILS: usize = 20;

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// `patch_...`.
    pub id: String,
    /// `sha256:<hex>` of what was asked: the same id with another one is refused.
    pub request: String,
    /// Who asked.
    pub by: String,
    /// When it was answered, in milliseconds since 1970.
    pub time: u64,
    /// Why, in the words of whoever asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What became of it.
    #[serde(flatten)]
    pub answer: Answer,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::large_enum_variant, reason = "one for each request, and most are accepted")]
pub enum Answer {
    /// It took effect.
    Accepted(Accepted),
    /// It did not, and nothing of it did.
    Refused(Vec<Finding>),
}

/// A revision that a patch made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Its number.
    pub revision: u32,
    /// Digest of its graph.
    pub graph: String,
    /// Canonical operations that lead to it from the revision before.
    pub operations: Vec<Operation>,
    /// Instances that were cancelled by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancel: Vec<String>,
    /// The patch that it takes out, if it is an undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// What it did at once.
    pub effects: Preview,
}

/// What a patch does in its own commit, by instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// Instances that begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<String>,
    /// Published tasks taken back before anybody claimed them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recall: Vec<String>,
    /// Claimed instances that are cancelled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancel: Vec<String>,
    /// Open questions that no longer stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub void: Vec<String>,
    /// Instances that settle at once: skipped, passed over, or paused and judged afresh.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settle: Vec<String>,
    /// Containers whose body changed after they began, and the first iteration, from 0, that
    /// is on the new one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_iteration: Vec<(String, u32)>,
    /// Whether the run ends with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends: bool,
}

/// An [`Issue`] that can be kept and sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `AOB2104`.
    pub code: String,
    /// Pointer into the request.
    pub pointer: String,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Further lines that show it: what came between two revisions, the path round a gate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

impl Record {
    /// The revision it made, if it was accepted.
    pub fn accepted(&self) -> Option<&Accepted> {
        match &self.answer {
            Answer::Accepted(accepted) => Some(accepted),
            Answer::Refused(_) => None,
        }
    }

    /// The overlay it is, if it was accepted.
    pub fn overlay(&self) -> Option<Overlay> {
        self.accepted().map(|accepted| Overlay {
            id: self.id.clone(),
            operations: accepted.operations.clone(),
            by: self.by.clone(),
            time: self.time,
            reason: self.reason.clone(),
            undoes: accepted.undoes.clone(),
        })
    }
}

impl From<&Issue> for Finding {
    fn from(issue: &Issue) -> Self {
        Self {
            code: issue.entry.code.to_owned(),
            pointer: issue.pointer.clone(),
            message: issue.message.clone(),
            remedy: issue.help().to_owned(),
            details: issue.details.iter().take(MOST_DETAILS).cloned().collect(),
        }
    }
}
