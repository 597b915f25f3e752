//! The compiled form of one revision: indices instead of names, expressions parsed, joins ordered.
//!
//! Immutable and a pure function of the graph, so it is only ever a cache. Nodes are ordered by
//! (body, id) and edges by (body, target, source, after): a body's nodes and edges, and a node's
//! in-edges, are contiguous ranges, and a position within its body (its *slot*) names a node or edge
//! in a marking.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::expr::{Expr, Template};
use crate::issue::Issue;

/// Index of a node in [`Ir::nodes`].
pub type NodeIx = u32;
/// Index of an edge in [`Ir::edges`].
pub type EdgeIx = u32;
/// Index of a body in [`Ir::bodies`]; 0 is the root.
pub type BodyIx = u32;

/// The root scope.
pub const ROOT: BodyIx = 0;

/// One compiled revision.
#[derive(Debug)]
pub struct Ir {
    /// The workflow's name (`metadata.name`).
    pub name: String,
    /// `sha256:<hex>` of the canonical spec.
    pub digest: String,
    /// All nodes by (body, id).
    pub nodes: Vec<Node>,
    /// Node indices ordered by id, for look-ups.
    pub by_id: Vec<NodeIx>,
    /// All edges by (body, target, source, after).
    pub edges: Vec<Edge>,
    /// Root first, then each container's body, then `finally` if there is one.
    pub bodies: Vec<Body>,
    /// The exit handler's body.
    pub finally: Option<BodyIx>,
    /// `spec.output`.
    pub output: Option<Template>,
    /// JSON Schema of the input, as written.
    pub input: Option<Value>,
    /// Effective limits.
    pub limits: Limits,
    /// Nodes of type `agent`.
    pub agents: u32,
    /// How long a finished run is kept, in milliseconds.
    pub retention: Retention,
    /// What it was told of the registered types that its nodes are of; none if they are of none.
    pub types: Option<Arc<UsedTypes>>,
    /// Which of its tenant's runners execute what is theirs ([`crate::pool::name`]).
    pub runners: Arc<str>,
    /// Findings that refuse nothing.
    pub warnings: Vec<Issue>,
}

/// The registered types that a graph's nodes are of, as they were when it was compiled. A revision keeps them:
/// whatever is registered, changed or removed later, it is compiled to the same again.
#[derive(Debug, Clone, PartialEq)]
pub struct UsedTypes {
    /// `sha256:<hex>` of the document.
    pub digest: String,
    /// By name: what [`crate::registry::Registry::with_used`] reads.
    pub document: Value,
}

/// Limits that hold for a run: the smaller of the workflow's and the installation's.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Distinct agent nodes ever in a revision of the run.
    pub agents: u32,
    /// Dispatches of agents, iterations and retries included.
    pub agent_starts: u32,
    /// Nodes of the graph.
    pub nodes: u32,
    /// Node instances over all iterations.
    pub instances: u64,
    /// Accepted patches.
    pub patches: u32,
    /// Milliseconds from start to the end of the graph.
    pub duration: u64,
    /// Micro-dollars; absent: no budget.
    pub spend: Option<u64>,
}

/// Milliseconds that a run is kept after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// After success.
    pub succeeded: u64,
    /// After failure or cancellation.
    pub failed: u64,
}

/// One node.
#[derive(Debug)]
pub struct Node {
    /// Its id.
    pub id: Arc<str>,
    /// The type as written.
    pub node_type: Arc<str>,
    /// What the engine does with it.
    pub kind: Kind,
    /// The body it lies in.
    pub body: BodyIx,
    /// How its in-edges combine.
    pub join: Join,
    /// Retry of attempts; `attempts: 1` is none.
    pub retry: Retry,
    /// Milliseconds; of a leaf for one attempt from its claim, else from begin to settle.
    pub timeout: Option<u64>,
    /// What an unhandled failure does.
    pub on_error: OnError,
    /// Who may run its attempts.
    pub pool: Pool,
    /// What repeating an attempt may do.
    pub effect: Effect,
    /// What its type and config say of that, whatever the node itself declares.
    pub innate: Effect,
    /// Range of its in-edges in [`Ir::edges`], ordered by (source, after).
    pub ins: Range<EdgeIx>,
    /// Its out-edges.
    pub outs: Vec<EdgeIx>,
}

/// What the engine does with a node.
#[derive(Debug)]
pub enum Kind {
    /// A worker runs it: `config` rendered is its input. Built-in or registered type.
    Task {
        /// The rendered input.
        config: Template,
        /// `assert` of a transform: judged after `value` and seeing it as `value`.
        asserts: Vec<Assert>,
        /// Whether it is an LLM agent, which is counted.
        agent: bool,
    },
    /// Waits.
    Delay {
        /// `{for}` or `{until}`, rendered at begin.
        config: Template,
    },
    /// Asks a person.
    Approval {
        /// Title, details, approvers, deadline: rendered at begin.
        config: Template,
    },
    /// Repeats its body over a list.
    Foreach {
        /// The list.
        items: Template,
        /// Name of the item in the body.
        name: Arc<str>,
        /// Items live at once, a number or an expression; checked to be 1..=1000 at begin.
        concurrency: Template,
        /// Failed items that do not fail the node.
        tolerate: Template,
        /// What each item gives.
        result: Option<Template>,
        /// Its body.
        body: BodyIx,
    },
    /// Repeats its body until a condition holds.
    Loop {
        /// Ends the loop when true after a round.
        until: Expr,
        /// Most rounds.
        max: Template,
        /// What each round gives.
        result: Option<Template>,
        /// Its body.
        body: BodyIx,
    },
    /// A child run.
    Child {
        /// `{name, tag | digest, input}`, rendered at begin.
        config: Template,
    },
    /// A type that nobody knows: passed over.
    Unknown,
}

/// One assertion of a transform.
#[derive(Debug)]
pub struct Assert {
    /// The condition.
    pub that: Expr,
    /// What to say when it is false; a text once it is rendered.
    pub message: Option<Template>,
}

/// How in-edges combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// When all have settled and at least one was taken.
    All,
    /// At the first taken.
    Any,
}

/// Which answers of its source an edge follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum After {
    /// Succeeded or passed.
    Success,
    /// Failed.
    Failure,
    /// Any of these.
    Always,
}

/// What an unhandled failure does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The scope drains and fails.
    Fail,
    /// No edge is taken, the scope goes on.
    Continue,
    /// The instance waits with a ticket.
    Pause,
}

/// What repeating an attempt may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing outside changes.
    Pure,
    /// Repeating is harmless.
    Idempotent,
    /// Must not be repeated without a person's word.
    Once,
}

/// Who may run the attempts of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// The installation's own runners.
    System,
    /// Workers of the run's tenant: they are given nothing of another one.
    Tenant,
    /// The tenant's own runners, where an installation has them.
    Runners,
}

/// Retry of one node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// Attempts in all, from 1.
    pub attempts: u32,
    /// Milliseconds before the second attempt.
    pub backoff: u64,
    /// What each further wait is multiplied with.
    pub factor: f64,
    /// Longest wait in milliseconds.
    pub max_backoff: u64,
}

/// One edge.
#[derive(Debug)]
pub struct Edge {
    /// Source.
    pub from: NodeIx,
    /// Target, in the same body.
    pub to: NodeIx,
    /// Which answers it follows.
    pub after: After,
    /// Its condition.
    pub when: Option<Expr>,
    /// Taken when no sibling's `when` held.
    pub otherwise: bool,
}

/// One scope's content.
#[derive(Debug)]
pub struct Body {
    /// The container it belongs to; none for root and `finally`.
    pub container: Option<NodeIx>,
    /// Its nodes.
    pub nodes: Range<NodeIx>,
    /// Its edges.
    pub edges: Range<EdgeIx>,
    /// `sha256:<hex>` over its nodes, edges and nested bodies: what an iteration pins.
    pub digest: String,
    /// Without `result`: the nodes that have no success or always out-edge.
    pub last: Vec<NodeIx>,
}

impl Pool {
    /// The queue of a node type's tasks: what is named in a claim. `acme.enrich`, `acme.enrich@finance` for workers,
    /// `agent+0123456789@finance` for runners of a name.
    pub fn queue(self, node_type: &Arc<str>, runners: &str, tenant: &str) -> Arc<str> {
        match self {
            Self::System => node_type.clone(),
            Self::Tenant => format!("{node_type}@{tenant}").into(),
            Self::Runners => format!("{node_type}+{runners}@{tenant}").into(),
        }
    }
}

/// The node type behind a queue's name: no type has an `@` or a `+` in its own.
pub fn type_of_queue(queue: &str) -> &str {
    let all = queue.split_once('@').map_or(queue, |(all, _)| all);
    all.split_once('+').map_or(all, |(node_type, _)| node_type)
}

/// The tenant behind a queue's name, and the name of its runners if it is theirs. None of a queue of the installation.
pub fn tenant_of_queue(queue: &str) -> Option<(&str, Option<&str>)> {
    let (all, tenant) = queue.split_once('@')?;
    Some((tenant, all.split_once('+').map(|(_, runners)| runners)))
}

impl Ir {
    /// The node with this id.
    pub fn find(&self, id: &str) -> Option<NodeIx> {
        self.by_id
            .binary_search_by(|&ix| (*self.nodes[ix as usize].id).cmp(id))
            .ok()
            .map(|at| self.by_id[at])
    }

    /// The node at an index that this IR gave out.
    pub fn node(&self, ix: NodeIx) -> &Node {
        &self.nodes[ix as usize]
    }

    /// The edge at an index that this IR gave out.
    pub fn edge(&self, ix: EdgeIx) -> &Edge {
        &self.edges[ix as usize]
    }

    /// The body at an index that this IR gave out.
    pub fn body(&self, ix: BodyIx) -> &Body {
        &self.bodies[ix as usize]
    }

    /// A node's slot in its body's marking.
    pub fn slot(&self, ix: NodeIx) -> usize {
        (ix - self.body(self.node(ix).body).nodes.start) as usize
    }

    /// An edge's slot in its body's marking.
    pub fn edge_slot(&self, ix: EdgeIx) -> usize {
        let body = self.node(self.edge(ix).to).body;
        (ix - self.body(body).edges.start) as usize
    }

    /// The edge with this identity.
    pub fn find_edge(&self, from: NodeIx, to: NodeIx, after: After) -> Option<EdgeIx> {
        let ins = self.node(to).ins.clone();
        let slice = &self.edges[ins.start as usize..ins.end as usize];
        slice
            .binary_search_by(|edge| (edge.from, edge.after).cmp(&(from, after)))
            .ok()
            .map(|at| ins.start + at as u32)
    }

    /// An edge's identity: `fetch->save`, `fetch->tell:failure`.
    pub fn edge_name(&self, ix: EdgeIx) -> String {
        let edge = self.edge(ix);
        let suffix = match edge.after {
            After::Success => "",
            After::Failure => ":failure",
            After::Always => ":always",
        };
        format!("{}->{}{suffix}", self.node(edge.from).id, self.node(edge.to).id)
    }
}

impl Node {
    /// Whether it is an LLM agent, which is counted.
    pub fn is_agent(&self) -> bool {
        matches!(self.kind, Kind::Task { agent: true, .. })
    }

    /// Whether it is an agent of the built-in type, whose questions and tools are AOB's own: one of a registered type is
    /// a program like others.
    pub fn asks_a_model(&self) -> bool {
        self.is_agent() && &*self.node_type == "agent"
    }
}

impl Kind {
    /// The body of a foreach or loop.
    pub fn body(&self) -> Option<BodyIx> {
        match self {
            Self::Foreach { body, .. } | Self::Loop { body, .. } => Some(*body),
            _ => None,
        }
    }
}
