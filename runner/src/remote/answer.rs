//! A worker's answer to a task.

use std::sync::Arc;

use aob_engine::canonical::digest;
use aob_engine::catalogue::{BAD_ANSWER, BAD_TASK};
use aob_engine::ir::Pool;
use aob_engine::route::LARGEST_OUTPUT;
use aob_engine::state::{NodeError, State, split_instance};
use aob_engine::step::{Answer, Envelope, Input, Verdict};
use aob_store::{Claim, Task, TaskRef};
use serde::Serialize;
use serde_json::Value;

use super::claim::queues;
use super::{ClaimAsk, Error, Handed, Remote, TaskName, refused};
use crate::clock;
use crate::runs;

/// Deepest output.
const DEEPEST: usize = 64;
/// Longest message of an error, in bytes.
const MESSAGE: usize = 2_048;

/// A task is done.
#[derive(Debug, Clone)]
pub struct Completion {
    /// As it was given out.
    pub task: String,
    /// As it was given out.
    pub fence: String,
    /// The output.
    pub output: Arc<Value>,
    /// A document of `patch.schema.json`: it takes effect with the answer, or neither does.
    pub patch: Option<Value>,
    /// What the worker would do next; it is not waited for.
    pub next: Option<ClaimAsk>,
}

/// A task has failed.
#[derive(Debug, Clone)]
pub struct Failing {
    /// As it was given out.
    pub task: String,
    /// As it was given out.
    pub fence: String,
    /// `lower_case`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// Whether another attempt may help; it is made if the node has a `retry`.
    pub retryable: bool,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Taken {
    /// It counts.
    Recorded,
    /// It was given before, and counted then.
    Same,
    /// The attempt was answered before, with something else: that counts.
    Conflicting,
    /// The attempt is no longer the current one, or the run is over.
    Superseded,
}

impl Remote {
    /// Takes an output. Asked again, it says so again. What is wanted next is claimed in the commit that takes the
    /// output, from among what is published in its shard by then; no tasks come with a patch, or if that found none.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Patch`]; the store's.
    pub async fn complete(
        self: &Arc<Self>,
        tenant: &str,
        done: &Completion,
    ) -> Result<(Taken, Vec<Handed>), Error> {
        let name = TaskName::fenced(&done.task, &done.fence)?;
        if deeper(&done.output, DEEPEST) {
            let message = format!("the output is nested deeper than {DEEPEST}");
            return Err(refused(&BAD_ANSWER, "/output", message));
        }
        let size = aob_engine::route::json_size(&done.output);
        if size > LARGEST_OUTPUT {
            let message = format!("the output is {size} bytes of JSON, at most {LARGEST_OUTPUT}");
            return Err(refused(&BAD_ANSWER, "/output", message));
        }
        let next = done.next.as_ref().map(|next| self.next(tenant, next, &name.at));
        let next = next.transpose()?;
        if !self.may_answer(tenant, &name.at).await? {
            return Ok((Taken::Superseded, Vec::new()));
        }
        let answer = Answer::Output(done.output.clone());
        if let Some(patch) = &done.patch {
            return Ok((self.settle_with(&name.at, &done.output, patch).await?, Vec::new()));
        }
        let (taken, tasks) = self.settle_then_claim(&name.at, answer, next).await?;
        let now = clock::now();
        Ok((taken, tasks.into_iter().map(|task| self.handed(task, now)).collect()))
    }

    /// The claim that goes with an answer.
    fn next(&self, tenant: &str, ask: &ClaimAsk, answered: &TaskRef) -> Result<Claim, Error> {
        let types = queues(tenant, ask).map_err(|error| match error {
            Error::Refused(mut issue) => {
                issue.pointer.insert_str(0, "/next");
                Error::Refused(issue)
            }
            other => other,
        })?;
        let consumer = self.consumer.clone();
        Ok(Claim { consumer, types, shard: self.shard(&answered.run), max: ask.max })
    }

    /// Takes a failure.
    ///
    /// # Errors
    /// [`Error::Refused`], the store's.
    pub async fn fail(self: &Arc<Self>, tenant: &str, failed: &Failing) -> Result<Taken, Error> {
        let name = TaskName::fenced(&failed.task, &failed.fence)?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=63).contains(&failed.code.len()) || !failed.code.bytes().all(plain) {
            let message = "a code is 1 to 63 lower-case letters, digits and `_`";
            return Err(refused(&BAD_ANSWER, "/error/code", message));
        }
        if !self.may_answer(tenant, &name.at).await? {
            return Ok(Taken::Superseded);
        }
        let message = &failed.message[..failed.message.floor_char_boundary(MESSAGE)];
        let error = NodeError::new(failed.code.clone(), message);
        self.settle(&name.at, Answer::Error { error, retryable: failed.retryable }).await
    }

    /// Commits an answer.
    pub(super) async fn settle(
        self: &Arc<Self>,
        task: &TaskRef,
        result: Answer,
    ) -> Result<Taken, Error> {
        Ok(self.settle_then_claim(task, result, None).await?.0)
    }

    async fn settle_then_claim(
        self: &Arc<Self>,
        task: &TaskRef,
        result: Answer,
        next: Option<Claim>,
    ) -> Result<(Taken, Vec<Task>), Error> {
        let (instance, fence) = (task.instance.clone(), task.fence);
        let input = Input::Settled { instance, fence, result: result.clone() };
        let (verdict, tasks) = match self.take_in(&task.run, input, next).await {
            Err(Error::Runs(runs::Error::NoRun(_))) => (Verdict::Unknown, Vec::new()),
            taken => taken?,
        };
        let taken = match verdict {
            Verdict::Applied => Taken::Recorded,
            Verdict::Same => Taken::Same,
            Verdict::Conflicting => Taken::Conflicting,
            Verdict::Ended => match self.settled_before(task, &result).await {
                Ok(taken) => taken,
                Err(error) => {
                    self.give_back(tasks).await;
                    return Err(error);
                }
            },
            _ => Taken::Superseded,
        };
        Ok((taken, tasks))
    }

    /// An answer to a run that is over may be the one that ended it.
    async fn settled_before(&self, task: &TaskRef, result: &Answer) -> Result<Taken, Error> {
        let Some(Envelope { digest: output, error, .. }) = self.answered(task).await? else {
            return Ok(Taken::Superseded);
        };
        let same = match result {
            Answer::Output(value) => output.as_deref() == Some(&digest(value)),
            Answer::Error { error: given, .. } => {
                let code = error.as_ref().and_then(|error| error.get("code")?.as_str());
                code == Some(&given.code)
            }
        };
        Ok(if same { Taken::Same } else { Taken::Conflicting })
    }

    /// What is kept of the answer to this very task.
    pub(super) async fn answered(&self, task: &TaskRef) -> Result<Option<Envelope>, Error> {
        let key = [task.instance.clone()];
        let kept = self.runs.store().context(&task.run, &key).await?.remove(&task.instance);
        Ok(kept.filter(|kept| kept.fence == task.fence))
    }

    /// Whether the run has such a task for workers of this tenant; one that is not there any more takes no answer.
    pub(super) async fn may_answer(&self, tenant: &str, task: &TaskRef) -> Result<bool, Error> {
        let (scope, id) = split_instance(&task.instance);
        let peeked = self.runs.peek(&task.run).filter(|state| state.scopes.contains_key(scope));
        let state = match peeked {
            Some(state) => state,
            None => match self.runs.store().load(&task.run).await? {
                Some(state) => state,
                None => return Ok(false),
            },
        };
        let stranger = || refused(&BAD_TASK, "/task", "this is no task that was given out");
        if *state.head.tenant != *tenant {
            return Err(stranger());
        }
        let Some(ir) = self.ir_of_scope(&state, scope).await? else {
            // The scope or the run is over; what it kept may be the same answer.
            return Ok(true);
        };
        let Some(node) = ir.find(id).map(|ix| ir.node(ix)) else { return Ok(false) };
        // What the installation's own runners execute is answered by them alone.
        let registered =
            |used: &aob_engine::ir::UsedTypes| used.document.get(&*node.node_type).is_some();
        let is_given = node.pool == Pool::Runners || ir.types.as_deref().is_some_and(registered);
        if !is_given || *node.node_type != *task.kind() {
            return Err(stranger());
        }
        Ok(true)
    }

    pub(super) async fn ir_of_scope(
        &self,
        state: &State,
        scope: &str,
    ) -> Result<Option<Arc<aob_engine::ir::Ir>>, Error> {
        match state.scopes.get(scope) {
            Some(marking) => Ok(Some(self.runs.ir_of_revision(state, marking.revision).await?)),
            None => Ok(None),
        }
    }
}

/// Whether a value is nested deeper than so many levels.
fn deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| deeper(item, levels - 1)),
        Value::Object(members) => {
            levels == 0 || members.values().any(|item| deeper(item, levels - 1))
        }
        _ => false,
    }
}
