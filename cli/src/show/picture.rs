//! A run as its events tell it: every instance with its times, attempts and errors, which no state keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_engine::event::{Cause, Change, Event, Patched, Settled};
use aob_engine::patch::difference;
use aob_engine::state::{
    Asks, EdgeState, NodeError, NodeState, iteration_scope, split_instance, split_scope,
};

use super::graph::{Graph, Node};

/// Failed iterations that are kept of a container when ended ones are let go.
const MOST_FAILED: u32 = 10;

/// What has happened in a run.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) graph: Arc<Graph>,
    /// Rows by scope: the root is the empty path.
    pub(crate) scopes: BTreeMap<String, Vec<Row>>,
    /// Iterations of each container instance, by index.
    pub(crate) inside: BTreeMap<String, BTreeMap<u32, Iteration>>,
    /// Settled edges by scope and name.
    pub(crate) edges: BTreeMap<(String, String), EdgeState>,
    /// Whether iterations stay once they have ended; without it only some that failed do.
    keep: bool,
    pub(crate) started: u64,
    pub(crate) ended: Option<u64>,
    pub(crate) suspended: bool,
    /// The revision it is read with.
    pub(crate) revision: u32,
    /// What nodes owe to patches, by id.
    pub(crate) marks: BTreeMap<String, Mark>,
}

/// What a node owes to a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// This revision added it.
    Added(u32),
    /// This revision changed it last; it was there before.
    Changed(u32),
}

/// One iteration of a container.
#[derive(Debug, Default)]
pub(crate) struct Iteration {
    pub(crate) outcome: Option<Settled>,
}

/// One instance.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The node's id.
    pub(crate) id: String,
    pub(crate) node_type: String,
    pub(crate) state: NodeState,
    /// Attempts begun.
    pub(crate) attempts: u32,
    /// Of the first attempt.
    pub(crate) started: Option<u64>,
    pub(crate) ended: Option<u64>,
    /// What it waits for: the next attempt, the end of a delay, a deadline.
    pub(crate) due: Option<u64>,
    pub(crate) error: Option<NodeError>,
    pub(crate) cause: Option<Cause>,
    pub(crate) ticket: Option<(String, Asks)>,
    pub(crate) child: Option<String>,
    pub(crate) progress: Option<Progress>,
}

/// How far a container is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    pub(crate) total: u32,
    pub(crate) done: u32,
    pub(crate) failed: u32,
}

impl Picture {
    /// Nothing has happened.
    pub(crate) fn new(graph: Arc<Graph>, keep: bool) -> Self {
        Self {
            graph,
            scopes: BTreeMap::new(),
            inside: BTreeMap::new(),
            edges: BTreeMap::new(),
            keep,
            started: 0,
            ended: None,
            suspended: false,
            revision: 0,
            marks: BTreeMap::new(),
        }
    }

    /// Whether ended iterations stay.
    pub(crate) fn keeps(&self) -> bool {
        self.keep
    }

    /// Applies a change of an event.
    pub(crate) fn apply(&mut self, change: &Change, event: &Event) {
        let t = event.t;
        match change {
            Change::Started(_) => {
                self.started = t;
                self.open(String::new());
            }
            Change::Published { at, attempt } => self.with(at, |row| {
                row.state = NodeState::Active;
                row.attempts = *attempt;
                row.started.get_or_insert(t);
                (row.due, row.ticket) = (None, None);
            }),
            Change::Ready { at } | Change::Lost { at, .. } => {
                self.with(at, |row| row.state = NodeState::Ready)
            }
            Change::Begun { at, total, due, .. } => self.with(at, |row| {
                row.state = NodeState::Active;
                row.attempts = 1;
                row.started.get_or_insert(t);
                row.due = *due;
                row.progress = Some(Progress { total: *total, done: 0, failed: 0 });
            }),
            Change::Iteration { at, index } => {
                self.inside.entry(at.clone()).or_default().insert(*index, Iteration::default());
                self.open(iteration_scope(at, *index));
            }
            Change::IterationEnded { at, index, outcome, .. } => {
                self.iteration_ended(at, *index, *outcome)
            }
            Change::Settled { at, outcome, cause, attempt, error, .. } => self.with(at, |row| {
                row.state = state(*outcome);
                row.attempts = row.attempts.max(*attempt);
                row.ended = Some(t);
                row.cause = Some(cause.clone());
                row.error.clone_from(error);
                (row.due, row.ticket) = (None, None);
            }),
            Change::Edge { scope, edge, state } => {
                self.edges.insert((scope.clone(), edge.clone()), *state);
            }
            Change::Backoff { at, due, error } => self.with(at, |row| {
                row.state = NodeState::Backoff;
                row.due = Some(*due);
                row.error = Some(error.clone());
            }),
            Change::Waiting { at, ticket, asks, due, error, .. } => self.with(at, |row| {
                row.state = NodeState::Waiting;
                row.started.get_or_insert(t);
                row.ticket = Some((ticket.clone(), *asks));
                row.due = *due;
                row.error.clone_from(error);
            }),
            Change::Answered { at, .. } => self.with(at, |row| row.ticket = None),
            Change::Delayed { at, due } => self.with(at, |row| {
                row.state = NodeState::Waiting;
                row.started.get_or_insert(t);
                row.due = Some(*due);
            }),
            Change::Child { at, run, due, .. } => self.with(at, |row| {
                row.state = NodeState::Active;
                row.attempts += 1;
                row.started.get_or_insert(t);
                row.child = Some(run.clone());
                row.due = *due;
            }),
            Change::Suspended { on } => self.suspended = *on,
            Change::Finally { .. } => self.open("finally".to_owned()),
            Change::Ended { .. } => self.ended = Some(t),
            Change::Patched(_)
            | Change::PatchRefused { .. }
            | Change::Voted { .. }
            | Change::DecisionRefused { .. }
            | Change::Notified { .. }
            | Change::Reserved { .. }
            | Change::Counted { .. }
            | Change::Booked { .. }
            | Change::Capped { .. }
            | Change::Cancelled { .. }
            | Change::Stopped { .. }
            | Change::Failing { .. } => {}
        }
    }

    /// The root is read with another graph from here on: what it still knows keeps what happened to it.
    pub(crate) fn patched(&mut self, graph: Arc<Graph>, patched: &Patched) {
        let before = self.scopes.remove("").unwrap_or_default();
        let row = |node: &Node| {
            let known = before.iter().find(|row| row.id == node.id).cloned();
            let recalled = patched.recalled.contains(&node.id);
            let mut row = known.unwrap_or_else(|| Row::new(&node.id, &node.node_type));
            row.node_type.clone_from(&node.node_type);
            if recalled {
                row.state = NodeState::Idle;
                (row.due, row.ticket) = (None, None);
            }
            row
        };
        self.scopes.insert(String::new(), graph.body("").iter().map(row).collect());
        self.edges.retain(|(scope, edge), _| !scope.is_empty() || !patched.reset.contains(edge));
        let old = std::mem::replace(&mut self.graph, graph);
        let new = self.graph.clone();
        self.mark(&old, &new, patched.revision);
    }

    /// Marks what lies between two graphs.
    pub(crate) fn mark(&mut self, before: &Graph, after: &Graph, revision: u32) {
        let told = difference(&before.document, &after.document);
        self.revision = revision;
        for id in told.nodes_removed {
            self.marks.remove(&id);
        }
        for id in told.nodes_added {
            self.marks.insert(id, Mark::Added(revision));
        }
        for id in told.nodes_changed.into_keys() {
            let mark = self.marks.entry(id).or_insert(Mark::Changed(revision));
            if let Mark::Changed(last) = mark {
                *last = revision;
            }
        }
    }

    /// The row of an instance.
    pub(crate) fn row(&self, instance: &str) -> Option<&Row> {
        let (scope, id) = split_instance(instance);
        self.scopes.get(scope)?.iter().find(|row| row.id == id)
    }

    /// Every row with its scope: each container followed by its iterations, `finally` last.
    pub(crate) fn rows(&self) -> Vec<(String, &Row)> {
        let mut out = Vec::new();
        let mut open: Vec<String> = vec!["finally".to_owned(), String::new()];
        let mut at: Vec<(String, usize)> = Vec::new();
        while let Some(scope) = open.pop() {
            at.push((scope, 0));
            // Down into iterations and up again, without recursion.
            while let Some((scope, next)) = at.pop() {
                let Some(row) = self.scopes.get(&scope).and_then(|rows| rows.get(next)) else {
                    continue;
                };
                let instance = aob_engine::state::instance_name(&scope, &row.id);
                out.push((scope.clone(), row));
                at.push((scope, next + 1));
                let iterations = self.inside.get(&instance).into_iter().flatten();
                at.extend(
                    iterations.rev().map(|(index, _)| (iteration_scope(&instance, *index), 0)),
                );
            }
        }
        out
    }

    /// Child runs that are under way.
    pub(crate) fn has_children(&self) -> bool {
        let active = |row: &Row| row.child.is_some() && row.state == NodeState::Active;
        self.scopes.values().flatten().any(active)
    }

    fn open(&mut self, scope: String) {
        let body = match split_scope(&scope) {
            Some((container, _)) => split_instance(container).1,
            None => scope.as_str(),
        };
        let rows =
            self.graph.body(body).iter().map(|node| Row::new(&node.id, &node.node_type)).collect();
        self.scopes.insert(scope, rows);
    }

    fn with(&mut self, instance: &str, change: impl FnOnce(&mut Row)) {
        let (scope, id) = split_instance(instance);
        let rows = self.scopes.entry(scope.to_owned()).or_default();
        match rows.iter_mut().find(|row| row.id == id) {
            Some(row) => change(row),
            None => {
                // A node of a later graph than the one at hand.
                let mut row = Row::new(id, "?");
                change(&mut row);
                rows.push(row);
            }
        }
    }

    fn iteration_ended(&mut self, at: &str, index: u32, outcome: Settled) {
        let mut failed = 0;
        self.with(at, |row| {
            if let Some(progress) = &mut row.progress {
                progress.done += 1;
                progress.failed += u32::from(outcome == Settled::Failed);
                failed = progress.failed;
            }
        });
        if self.keep || (outcome == Settled::Failed && failed <= MOST_FAILED) {
            if let Some(iteration) =
                self.inside.get_mut(at).and_then(|iterations| iterations.get_mut(&index))
            {
                iteration.outcome = Some(outcome);
            }
            return;
        }
        if let Some(iterations) = self.inside.get_mut(at) {
            iterations.remove(&index);
        }
        let scope = iteration_scope(at, index);
        let below = format!("{scope}/");
        let stays = |path: &str| path != scope && !path.starts_with(&below);
        self.scopes.retain(|path, _| stays(path));
        self.inside.retain(|path, _| stays(path));
        self.edges.retain(|(path, _), _| stays(path));
    }
}

impl Mark {
    /// `+1`, `~2`.
    pub(crate) fn short(self) -> String {
        match self {
            Self::Added(revision) => format!("+{revision}"),
            Self::Changed(revision) => format!("~{revision}"),
        }
    }
}

impl Row {
    fn new(id: &str, node_type: &str) -> Self {
        Self {
            id: id.to_owned(),
            node_type: node_type.to_owned(),
            state: NodeState::Idle,
            attempts: 0,
            started: None,
            ended: None,
            due: None,
            error: None,
            cause: None,
            ticket: None,
            child: None,
            progress: None,
        }
    }

    /// Milliseconds from the begin to the end, or until now; none before it began.
    pub(crate) fn length(&self, now: u64) -> Option<u64> {
        Some(self.ended.unwrap_or(now).saturating_sub(self.started?))
    }
}

fn state(outcome: Settled) -> NodeState {
    match outcome {
        Settled::Succeeded => NodeState::Succeeded,
        Settled::Failed => NodeState::Failed,
        Settled::Skipped => NodeState::Skipped,
        Settled::Passed => NodeState::Passed,
        Settled::Cancelled => NodeState::Cancelled,
    }
}
