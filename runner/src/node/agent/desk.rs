//! What an attempt of an agent asks of its run.

use std::sync::Arc;

use aob_engine::patch::Finding;
use aob_engine::state::Amount;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::node::{Failure, Task};

/// The run as an agent sees it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Scene {
    /// The workflow's name.
    pub workflow: String,
    /// Revision of the graph below.
    pub revision: u32,
    /// `{nodes: [{id, type, state}], edges: [{from, to}]}`, of the run's root.
    pub graph: Value,
    /// Ids of the agents in that graph.
    pub agents_here: Vec<String>,
    /// Agents that were ever in the run, or that child runs have or hold.
    pub agents: u32,
    /// How many of these are of child runs.
    #[serde(default)]
    pub below: u32,
    /// Registered types whose nodes are agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agent_types: Vec<String>,
    /// How many there may be.
    pub most_agents: u32,
    /// Nodes that this agent has added so far.
    pub placed: u32,
    /// Nodes that are settled with an output: what the tool `outputs` reads.
    pub outputs: Vec<String>,
    /// Whether a cap of money holds, so that a model without a price cannot be asked.
    pub money: bool,
    /// Milliseconds that a budget leaves this agent.
    pub left: Option<u64>,
    /// What an earlier attempt of it had come to when its budget was used up.
    pub turns: Option<Arc<Value>>,
}

/// Whether something may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Granted {
    /// It is reserved.
    Yes,
    /// A budget does not reach; the run waits for a person, and this attempt is over.
    Waits(String),
    /// The attempt is no longer the current one.
    Gone,
}

/// What the run says of a proposed patch. Nothing of it has taken effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Judged {
    /// It would be accepted; in words what it changes.
    Accepted(String),
    /// It would need a person's word; in words what it changes.
    Word(String),
    /// Why not.
    Refused(Vec<Finding>),
}

/// What became of an answer with a patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Finished {
    /// Both count.
    Applied,
    /// The run waits for a person's word on the patch.
    Waits,
    /// Neither counts, and the attempt is still the current one.
    Refused(Vec<Finding>),
    /// The attempt is no longer the current one.
    Gone,
}

/// An answer with the patch that comes with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Closing {
    /// The answer.
    pub output: Value,
    /// A document of `patch.schema.json`.
    pub request: Value,
    /// Whether the patch needs a person's word.
    pub word: bool,
}

/// Who answers for the run. Implemented by [`crate::runs::Runs`].
#[async_trait]
pub trait Desk: Send + Sync {
    /// The run as it is.
    ///
    /// # Errors
    /// That the run is not there, or cannot be read now.
    async fn scene(&self, task: &Task) -> Result<Scene, Failure>;

    /// The output of an instance that has settled.
    ///
    /// # Errors
    /// As [`Desk::scene`].
    async fn output(&self, task: &Task, node: &str) -> Result<Option<Arc<Value>>, Failure>;

    /// Books what was used of the last reservation, if there was one, then reserves. `kept` is what the next attempt
    /// goes on from if this one has to wait.
    ///
    /// # Errors
    /// As [`Desk::scene`].
    async fn reserve(
        &self,
        task: &Task,
        used: Option<Amount>,
        amount: Amount,
        kept: Option<Arc<Value>>,
    ) -> Result<Granted, Failure>;

    /// Books what was used of the last reservation.
    ///
    /// # Errors
    /// As [`Desk::scene`].
    async fn book(&self, task: &Task, used: Amount) -> Result<(), Failure>;

    /// Judges a patch as if it came with an answer now. A refusal is among the run's events.
    ///
    /// # Errors
    /// As [`Desk::scene`].
    async fn judge(&self, task: &Task, request: &Value) -> Result<Judged, Failure>;

    /// Keeps, among the run's events, that a patch was refused before it was sent.
    ///
    /// # Errors
    /// As [`Desk::scene`].
    async fn refused(
        &self,
        task: &Task,
        request: &Value,
        findings: &[Finding],
    ) -> Result<(), Failure>;

    /// Answers with a patch: both count, or neither.
    ///
    /// # Errors
    /// As [`Desk::scene`].
    async fn finish(&self, task: &Task, closing: &Closing) -> Result<Finished, Failure>;
}
