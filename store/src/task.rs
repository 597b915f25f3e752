//! Tasks, claims, leases and signals.

use std::sync::Arc;

use aob_engine::state::Fence;
use aob_engine::step::Input;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The process's name, new at every start.
    pub consumer: Arc<str>,
    /// Queues it serves: node types, some with `@` and a tenant.
    pub types: Arc<[Arc<str>]>,
    /// Which shard.
    pub shard: u32,
    /// Most tasks.
    pub max: usize,
}

/// A claimed task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Where it is from.
    pub at: TaskRef,
    /// From 1.
    pub attempt: u32,
    /// Milliseconds from the claim.
    pub timeout: Option<u64>,
    /// Whether it has to be begun with a beat that says so.
    pub once: bool,
    /// The rendered config.
    pub input: Arc<Value>,
}

/// What names a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRef {
    /// The run.
    pub run: Arc<str>,
    /// The instance.
    pub instance: String,
    /// The queue that it is of: the node type, and perhaps `@` and a tenant ([`TaskRef::kind`]).
    pub node_type: Arc<str>,
    /// What its completion carries.
    pub fence: Fence,
    /// The cell in the run's table.
    pub cell: u32,
    /// The store's name for the entry.
    pub entry: String,
}

impl TaskRef {
    /// The node type.
    pub fn kind(&self) -> &str {
        aob_engine::ir::type_of_queue(&self.node_type)
    }
}

/// A sign of life.
#[derive(Debug)]
pub struct Beat {
    /// The process.
    pub consumer: Arc<str>,
    /// The shard of all tasks named.
    pub shard: u32,
    /// Types it serves: where tasks it does not know of are looked for.
    pub types: Arc<[Arc<str>]>,
    /// Tasks it works on.
    pub tasks: Vec<TaskRef>,
    /// Positions in `tasks` of `once` tasks that begin with this beat.
    pub begin: Vec<usize>,
    /// Lease length in milliseconds.
    pub lease: u64,
}

/// What a beat tells.
#[derive(Debug, Default)]
pub struct Kept {
    /// One per task named: whether it is still the consumer's.
    pub kept: Vec<bool>,
    /// Tasks of the consumer that it did not name.
    pub unnamed: Vec<Task>,
}

/// What a coordinator is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The run.
    pub run: Arc<str>,
    /// What happened.
    pub input: Input,
    /// Milliseconds since 1970.
    pub t: u64,
}

/// A signal with its name in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalEntry {
    /// For the acknowledgement.
    pub id: String,
    /// What happened.
    pub signal: Signal,
}
