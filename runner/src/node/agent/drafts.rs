//! The patches that a model proposes in one attempt: judged as they come, taken with the answer or not at all.

use std::collections::BTreeSet;

use aob_engine::canonical;
use aob_engine::patch::Finding;
use serde_json::{Value, json};

use super::config::Policy;
use super::desk::{Desk, Judged, Scene};
use super::{advice, edits, guard};
use crate::node::{Failure, Task};

/// Refusals after which no further patch is looked at.
const ATTEMPTS: u32 = 3;
/// Characters of a reason.
const REASON: usize = 1_000;

/// What an attempt has proposed so far.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    refused: u32,
    seen: BTreeSet<String>,
    closed: bool,
    staged: Option<Staged>,
}

/// A patch that was found good and waits for the answer.
#[derive(Debug, Clone)]
pub(super) struct Staged {
    pub(super) request: Value,
    pub(super) word: bool,
}

impl Drafts {
    /// What the next attempt has to know of them.
    pub(super) fn keep(&self) -> Value {
        let staged = self.staged.as_ref();
        let staged = staged.map(|staged| json!({"request": staged.request, "word": staged.word}));
        json!({"refused": self.refused, "seen": self.seen, "closed": self.closed, "staged": staged})
    }

    /// What an earlier attempt kept; nothing of what cannot be read.
    pub(super) fn kept(kept: &Value) -> Self {
        let staged = kept.get("staged").and_then(|staged| {
            let (request, word) = (staged.get("request")?.clone(), staged.get("word")?.as_bool()?);
            Some(Staged { request, word })
        });
        let seen = kept.get("seen").and_then(Value::as_array);
        let seen = seen.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let refused = kept.get("refused").and_then(Value::as_u64).unwrap_or_default();
        Self {
            refused: u32::try_from(refused).unwrap_or(ATTEMPTS),
            seen: seen.collect(),
            closed: kept.get("closed").and_then(Value::as_bool).unwrap_or_default(),
            staged,
        }
    }

    /// The patch that goes with the answer.
    pub(super) fn staged(&self) -> Option<&Staged> {
        self.staged.as_ref()
    }

    /// Judges a call of the tool `patch`; what the model is told, and whether that is an error.
    pub(super) async fn propose(
        &mut self,
        desk: &dyn Desk,
        task: &Task,
        scene: &Scene,
        policy: Option<&Policy>,
        arguments: &Value,
    ) -> Result<(String, bool), Failure> {
        if self.closed {
            return Ok((advice::CLOSED.to_owned(), true));
        }
        let allowed = policy.map_or(&[][..], |policy| policy.allow.as_slice());
        let proposal =
            canonical::digest(&json!([arguments.get("edits"), arguments.get("operations")]));
        if !self.seen.insert(proposal) {
            self.closed = true;
            return Ok((advice::SAME.to_owned(), true));
        }
        let operations = match edits::operations(arguments) {
            Ok(operations) => operations,
            Err(findings) => return Ok((self.refuse(&findings, allowed), true)),
        };
        let before = self.staged.as_ref().and_then(|staged| staged.request.get("operations"));
        let before = before.and_then(Value::as_array).map_or(0, Vec::len);
        let edits = arguments.get("edits").and_then(Value::as_array).map_or(0, Vec::len);
        let located = |found: Vec<Finding>| -> Vec<Finding> {
            found.into_iter().map(|found| edits::located(found, before, edits)).collect()
        };
        let request = self.request(scene, operations, arguments.get("reason"));
        let findings = guard::before_patch(scene, policy, &request);
        if !findings.is_empty() {
            desk.refused(task, &request, &findings).await?;
            let findings = located(findings);
            return Ok((self.refuse(&findings, allowed), true));
        }
        let (word, shown) = match desk.judge(task, &request).await? {
            Judged::Refused(findings) => {
                return Ok((self.refuse(&located(findings), allowed), true));
            }
            Judged::Accepted(shown) => (false, shown),
            Judged::Word(shown) => (true, shown),
        };
        self.staged = Some(Staged { request, word });
        let when = match word {
            true => {
                "It needs a person's word: it is asked for with your answer, and the run goes on either way."
            }
            false => "It takes effect with your answer.",
        };
        Ok((format!("The patch is good. {when}\n{shown}"), false))
    }

    /// The run has refused at the end what it had found good; what the model is told.
    pub(super) fn overtaken(&mut self, findings: &[Finding], policy: Option<&Policy>) -> String {
        self.staged = None;
        let allowed = policy.map_or(&[][..], |policy| policy.allow.as_slice());
        format!(
            "The workflow has changed while you worked, and your patch does not fit any more.\n{}",
            self.refuse(findings, allowed)
        )
    }

    /// Whether another patch would be looked at.
    pub(super) fn is_open(&self) -> bool {
        !self.closed
    }

    fn refuse(&mut self, findings: &[Finding], allowed: &[String]) -> String {
        self.refused += 1;
        let left = ATTEMPTS.saturating_sub(self.refused);
        self.closed = left == 0;
        advice::refusal(findings, allowed, left)
    }

    /// The request: what was found good before, and this. A second call adds to the first.
    fn request(&self, scene: &Scene, operations: Vec<Value>, reason: Option<&Value>) -> Value {
        let before = self.staged.as_ref().and_then(|staged| staged.request.get("operations"));
        let mut all = before.and_then(Value::as_array).cloned().unwrap_or_default();
        all.extend(operations);
        let reason = reason.and_then(Value::as_str).unwrap_or("proposed by an agent");
        let reason: String = reason.chars().take(REASON).collect();
        json!({"operations": all, "base": scene.revision, "onConflict": "Rebase", "reason": reason})
    }
}
