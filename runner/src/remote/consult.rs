//! What an agent's attempt asks of its run, for a runner that reaches no store: the questions of a
//! [`Desk`](crate::node::Desk), one after the other. Whoever answers trusts no word about whose the attempt is: it looks.

use std::sync::Arc;

use aob_engine::catalogue::{BAD_ANSWER, NODE_LOST};
use aob_engine::ir::Pool;
use aob_engine::patch::Finding;
use aob_engine::state::{Amount, split_instance};
use aob_store::TaskRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Error, Remote, TaskName, refused};
use crate::node::{self, Closing, Desk as _, Failure};

/// A question; each is one of the desk's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase", deny_unknown_fields)]
pub enum Question {
    /// The run as it is.
    Scene {},
    /// The output of an instance that has settled.
    Output {
        /// Which.
        node: String,
    },
    /// Books what was used, then reserves.
    Reserve {
        /// Of the last reservation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        used: Option<Amount>,
        /// What is about to be used.
        amount: Amount,
        /// What the next attempt goes on from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<Arc<Value>>,
    },
    /// Books what was used.
    Book {
        /// Of the last reservation.
        used: Amount,
    },
    /// Judges a patch as if it came with an answer now.
    Judge {
        /// A document of `patch.schema.json`.
        request: Value,
    },
    /// A patch was refused before it was sent.
    Refused {
        /// The same.
        request: Value,
        /// Why.
        findings: Vec<Finding>,
    },
    /// Answers with a patch.
    Finish {
        /// Both.
        closing: Closing,
    },
}

/// What a question is answered with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// As the desk answers it.
    Answer(Value),
    /// As the desk fails.
    Failure(Failure),
}

/// What a task is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Agent,
    Other,
}

impl Remote {
    /// Asks a run something for an attempt of an agent in it.
    ///
    /// # Errors
    /// [`Error::Refused`] if that is no question, or the task was not given to runners of this tenant; the store's.
    pub async fn consult(
        self: &Arc<Self>,
        tenant: &str,
        (task, fence): (&str, &str),
        question: Value,
    ) -> Result<Told, Error> {
        let TaskName { at, .. } = TaskName::fenced(task, fence)?;
        let question: Question = serde_json::from_value(question)
            .map_err(|error| refused(&BAD_ANSWER, "/question", error.to_string()))?;
        match self.is_theirs(tenant, &at).await? {
            Some(Role::Agent) => {}
            Some(Role::Other) => {
                let message = "only an agent's attempt asks its run";
                return Err(refused(&BAD_ANSWER, "/task", message));
            }
            None => {
                let lost = Failure::new(&NODE_LOST, "the attempt is not this runner's any more");
                return Ok(Told::Failure(lost));
            }
        }
        let task = as_asked(&at);
        let runs = &*self.runs;
        let answered = match question {
            Question::Scene {} => told(runs.scene(&task).await),
            Question::Output { node } => told(node::Desk::output(runs, &task, &node).await),
            Question::Reserve { used, amount, kept } => {
                told(runs.reserve(&task, used, amount, kept).await)
            }
            Question::Book { used } => told(runs.book(&task, used).await),
            Question::Judge { request } => told(runs.judge(&task, &request).await),
            Question::Refused { request, findings } => {
                told(runs.refused(&task, &request, &findings).await)
            }
            Question::Finish { closing } => told(runs.finish(&task, &closing).await),
        };
        Ok(answered)
    }

    /// What the task is of, if the run waits for this very one and gave it to runners or workers of this tenant.
    pub(super) async fn is_theirs(
        &self,
        tenant: &str,
        task: &TaskRef,
    ) -> Result<Option<Role>, Error> {
        if !self.may_answer(tenant, task).await? {
            return Ok(None);
        }
        let Some(state) = self.runs.store().load(&task.run).await? else { return Ok(None) };
        let (scope, id) = split_instance(&task.instance);
        let Some(marking) = state.scopes.get(scope) else { return Ok(None) };
        let Some(ir) = self.ir_of_scope(&state, scope).await? else { return Ok(None) };
        let Some(ix) = ir.find(id) else { return Ok(None) };
        let (node, live) = (ir.node(ix), marking.live.get(&(ir.slot(ix) as u32)));
        let is_it = live.is_some_and(|live| live.fence == task.fence);
        // Programs of registered types answer, and ask nothing: what they use is not in a run's books.
        Ok(match node.asks_a_model() {
            _ if !is_it || node.pool == Pool::System => None,
            true => Some(Role::Agent),
            false => Some(Role::Other),
        })
    }
}

/// A task as its desk is asked about it.
pub(super) fn as_asked(at: &TaskRef) -> node::Task {
    node::Task {
        run: at.run.to_string(),
        instance: at.instance.clone(),
        node_type: at.kind().to_owned(),
        // Only a first attempt has nothing that an earlier one kept: it is looked for.
        attempt: 2,
        fence: at.fence.to_string(),
        key: format!("{}/{}", at.run, at.instance),
        input: Value::Null,
    }
}

fn told<T: Serialize>(result: Result<T, Failure>) -> Told {
    match result.map(|answer| serde_json::to_value(answer)) {
        Ok(Ok(answer)) => Told::Answer(answer),
        // The answers are plain data.
        Ok(Err(error)) => Told::Failure(Failure::new(&NODE_LOST, error.to_string())),
        Err(failure) => Told::Failure(failure),
    }
}
