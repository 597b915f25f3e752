//! What a completion, a time, a decision leads to. Pure: state, context and moment in, a step out.
//!
//! Every change goes through `Router::emit`, which applies it with the same function that folds
//! events, so that the state after a step *is* the fold of its event.

mod begin;
mod below;
mod budget;
mod container;
mod decide;
mod drain;
mod finish;
mod input;
mod join;
mod patch;
mod proposal;
mod settle;
mod share;
mod ticket;
mod view;

pub use budget::{Budget, run_budget};
pub use patch::{Candidate, RefusedPatch, apply_patch, apply_patch_with, preview, refuse_patch};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use crate::canonical;
use crate::catalogue;
use crate::event::{Change, Event, Kind, Replays, Started};
use crate::ir::{Ir, NodeIx, ROOT};
use crate::issue::Issue;
use crate::state::{self, Corrupt, IrSet, NodeState, ScopePath, Stamp, State, instance_name};
use crate::step::{
    Context, Due, Effects, Envelope, Input, Now, Refusal, Replay, StartRequest, Step, Timer,
    Verdict,
};

/// Most tasks of one run that are out at once; further ones are ready and follow in order.
pub const WINDOW: u32 = 64;
/// Largest output of a node, in bytes of its JSON.
pub const LARGEST_OUTPUT: u64 = 256 * 1024;
/// All outputs of a run together, in bytes.
pub const ALL_OUTPUTS: u64 = 16 * 1024 * 1024;
/// Lost attempts that an instance survives.
pub const MOST_LOSSES: u32 = 3;
/// Milliseconds that claimed attempts have after a graceful cancel.
pub const GRACE: u64 = 30_000;
/// Milliseconds that the exit handler has.
pub const FINALLY: u64 = 10 * 60_000;
/// Deepest child run.
pub const DEEPEST_CHILD: u32 = 5;
/// Most places named at which an input does not fit.
const MOST_MISFITS: usize = 100;

/// The first step of a run whose child runs, if it begins with any, have no agents.
///
/// # Errors
/// [`Refusal::Start`] if the input does not fit `spec.input` or is too large.
pub fn start(
    irs: &IrSet,
    revision: u32,
    request: &StartRequest,
    now: Now,
) -> Result<Step, Refusal> {
    let context: BTreeMap<String, Envelope> = BTreeMap::new();
    start_with(irs, revision, request, &context, now)
}

/// The same of any run: `context` holds what its child runs may have of agents ([`crate::step::Reach`]).
///
/// # Errors
/// As [`start`], and [`Refusal::Missing`] as [`advance`].
pub fn start_with(
    irs: &IrSet,
    revision: u32,
    request: &StartRequest,
    context: &dyn Context,
    now: Now,
) -> Result<Step, Refusal> {
    let ir = irs.get(revision)?;
    let bytes = check_input(ir, &request.input)?;
    let started = Started {
        run: request.run.to_string(),
        workflow: ir.name.clone(),
        digest: ir.digest.clone(),
        input: canonical::digest(&request.input),
        tenant: request.tenant.to_string(),
        deadline: now.time.saturating_add(ir.limits.duration),
        parent: request.parent.clone(),
        depth: request.depth,
        bytes,
        types: ir.types.as_ref().map(|types| types.digest.clone()),
        base: request.on.as_ref().map(|on| on.base.to_string()),
        patch_set: request.on.as_ref().map(|on| on.set.to_string()),
        replays: request
            .replay
            .as_ref()
            .map(|replay| Replays { run: replay.run.to_string(), from: replay.from.clone() }),
        keep: request.keep,
        allowed: request.allowed,
    };
    let most = request.allowed.agents(&ir.limits);
    if ir.agents > most {
        let message =
            format!("the graph has {} agents; {} may have {most}", ir.agents, request.tenant);
        let issue = Issue::new(&catalogue::LIMIT, "/spec/nodes", message);
        return Err(Refusal::Start(vec![issue]));
    }
    let stamp = Stamp { n: 1, t: now.time, rev: revision, epoch: now.epoch, by: &request.by };
    let state = state::begin(&started, &stamp, irs)?;
    let deadline = started.deadline;
    let mut router = Router::new(irs, state, context, now, &request.by);
    router.replay.clone_from(&request.replay);
    router.emit(Change::Started(Box::new(started)))?;
    router.keep_value("input", &request.input);
    router
        .effects
        .arm
        .push((Timer { instance: String::new(), what: Due::Duration, seq: 1 }, deadline));
    router.open_scope(&"".into())?;
    router.run()?;
    router.finish(vec![Verdict::Applied])
}

/// What inputs lead to, all of them in one event. Each gets its verdict; one that is refused changes
/// nothing and refuses no other.
///
/// # Errors
/// [`Refusal::Missing`] names context keys to load before asking again: nothing else is ever read.
/// [`Refusal::Revision`] names an IR to load. [`Refusal::Corrupt`] if state and graph do not fit.
pub fn advance(
    irs: &IrSet,
    state: &State,
    context: &dyn Context,
    inputs: &[Input],
    now: Now,
) -> Result<Step, Refusal> {
    let by = inputs.iter().find_map(input::actor).unwrap_or("system").to_owned();
    let mut router = Router::new(irs, state.clone(), context, now, &by);
    let mut verdicts = Vec::with_capacity(inputs.len());
    for input in inputs {
        verdicts.push(router.take(input)?);
        router.run()?;
    }
    router.finish(verdicts)
}

/// Where an instance is, with the IR of its scope.
#[derive(Debug, Clone)]
pub(crate) struct At {
    scope: ScopePath,
    ix: NodeIx,
    ir: Arc<Ir>,
}

/// What is still to be looked at in this step.
enum Work {
    /// Whether a node's join fires.
    Join(ScopePath, NodeIx),
    /// Whether a scope is over.
    Scope(ScopePath),
    /// A scope that drains: what has not started settles cancelled. After all joins.
    Drain(ScopePath),
}

pub(crate) struct Router<'a> {
    irs: &'a IrSet,
    context: &'a dyn Context,
    now: Now,
    by: String,
    state: State,
    changes: Vec<Change>,
    effects: Effects,
    fresh: BTreeMap<String, Envelope>,
    work: VecDeque<Work>,
    drains: VecDeque<ScopePath>,
    /// Answers that instances settle with instead of running.
    replay: Option<Arc<Replay>>,
    /// The agent whose proposal this step applies with a person's word.
    applies: Option<String>,
    /// A child run has given money back.
    freed: bool,
    /// Nodes whose instances were found to wait for what child runs hold, since inputs were last taken.
    waits: BTreeSet<Arc<str>>,
    /// Among how many agents and child runs what is left is divided, since then.
    hungry: Option<u32>,
}

impl<'a> Router<'a> {
    fn new(irs: &'a IrSet, state: State, context: &'a dyn Context, now: Now, by: &str) -> Self {
        Self {
            irs,
            context,
            now,
            by: by.to_owned(),
            state,
            changes: Vec::new(),
            effects: Effects::default(),
            fresh: BTreeMap::new(),
            work: VecDeque::new(),
            drains: VecDeque::new(),
            replay: None,
            applies: None,
            freed: false,
            waits: BTreeSet::new(),
            hungry: None,
        }
    }

    /// Works until nothing follows any more, then fills the window, and gives the child runs of it their money.
    fn run(&mut self) -> Result<(), Refusal> {
        self.waits.clear();
        self.hungry = None;
        loop {
            while let Some(work) = self.work.pop_front() {
                match work {
                    Work::Join(scope, ix) => self.join(&scope, ix)?,
                    Work::Scope(scope) => self.scope_settled(&scope)?,
                    Work::Drain(scope) => self.drains.push_back(scope),
                }
            }
            if let Some(scope) = self.drains.pop_front() {
                self.drain(&scope)?;
            } else if std::mem::take(&mut self.freed) {
                self.wake()?;
            } else if !self.publish_next()? {
                return self.allot();
            }
        }
    }

    /// Applies a change and records it.
    fn emit(&mut self, change: Change) -> Result<(), Refusal> {
        let stamp = Stamp {
            n: self.state.head.seq + 1,
            t: self.now.time,
            rev: self.state.head.revision,
            epoch: self.now.epoch,
            by: &self.by,
        };
        state::apply(&mut self.state, &change, &stamp, self.irs)?;
        self.changes.push(change);
        Ok(())
    }

    fn finish(mut self, verdicts: Vec<Verdict>) -> Result<Step, Refusal> {
        self.effects.context = self.fresh.into_iter().collect();
        if self.changes.is_empty() {
            return Ok(Step {
                state: self.state,
                event: None,
                line: Vec::new(),
                verdicts,
                effects: self.effects,
            });
        }
        let event = Event {
            n: self.state.head.seq + 1,
            t: self.now.time,
            rev: self.state.head.revision,
            kind: self.changes.iter().map(kind).max().unwrap_or(Kind::NodesSettled),
            by: self.by,
            epoch: self.now.epoch,
            prev: self.state.head.last.to_string(),
            changes: self.changes,
        };
        let line = event.line().map_err(|error| Refusal::Corrupt(error.to_string()))?;
        state::seal(&mut self.state, event.n, &line);
        Ok(Step { state: self.state, event: Some(event), line, verdicts, effects: self.effects })
    }

    /// The fence of everything published in this step.
    fn fence(&self) -> state::Fence {
        state::Fence(self.now.epoch, self.state.head.seq + 1)
    }

    /// The IR of a scope.
    fn ir(&self, scope: &str) -> Result<Arc<Ir>, Refusal> {
        let marking =
            self.state.scopes.get(scope).ok_or_else(|| Corrupt(format!("no scope {scope}")))?;
        self.irs.get(marking.revision).cloned().map_err(|_| Refusal::Revision(marking.revision))
    }

    fn at(&self, scope: &ScopePath, ix: NodeIx) -> Result<At, Refusal> {
        Ok(At { scope: scope.clone(), ix, ir: self.ir(scope)? })
    }

    /// The instance behind a name, if its scope is live.
    fn find(&self, instance: &str) -> Result<Option<At>, Refusal> {
        let (scope, id) = state::split_instance(instance);
        let Some((scope, marking)) = self.state.scopes.get_key_value(scope) else {
            return Ok(None);
        };
        let ir = self.ir(scope)?;
        let ix = ir.find(id).filter(|&ix| ir.node(ix).body == marking.body);
        Ok(ix.map(|ix| At { scope: scope.clone(), ix, ir }))
    }

    fn node_state(&self, at: &At) -> NodeState {
        let marking = self.state.scopes.get(&at.scope);
        marking
            .and_then(|marking| marking.nodes.get(at.slot()))
            .copied()
            .unwrap_or(NodeState::Cancelled)
    }

    fn live(&self, at: &At) -> Option<&state::Live> {
        self.state.scopes.get(&at.scope)?.live.get(&(at.slot() as u32))
    }

    /// Begins the nodes of a new scope that wait for nothing.
    fn open_scope(&mut self, scope: &ScopePath) -> Result<(), Refusal> {
        let ir = self.ir(scope)?;
        let body = self.state.scopes.get(scope).map_or(ROOT, |marking| marking.body);
        for ix in ir.body(body).nodes.clone() {
            if ir.node(ix).ins.is_empty() {
                self.begin(&At { scope: scope.clone(), ix, ir: ir.clone() })?;
            }
        }
        self.work.push_back(Work::Scope(scope.clone()));
        Ok(())
    }

    /// Keeps a value that is no node's output.
    fn keep_value(&mut self, key: &str, value: &Arc<Value>) {
        let envelope = Envelope {
            fence: self.fence(),
            outcome: crate::event::Settled::Succeeded,
            digest: None,
            value: Some(value.clone()),
            error: None,
        };
        self.fresh.insert(key.to_owned(), envelope);
    }

    /// A context entry; none if there is none.
    fn kept(&self, key: &str) -> Result<Option<&Envelope>, Refusal> {
        if let Some(envelope) = self.fresh.get(key) {
            return Ok(Some(envelope));
        }
        self.context.get(key).ok_or_else(|| Refusal::Missing(vec![key.to_owned()]))
    }
}

impl At {
    fn name(&self) -> String {
        instance_name(&self.scope, &self.ir.node(self.ix).id)
    }

    fn node(&self) -> &crate::ir::Node {
        self.ir.node(self.ix)
    }

    fn slot(&self) -> usize {
        self.ir.slot(self.ix)
    }
}

impl From<Corrupt> for Refusal {
    fn from(corrupt: Corrupt) -> Self {
        Self::Corrupt(corrupt.0)
    }
}

/// Size of a value as JSON, in bytes.
pub fn json_size(value: &Value) -> u64 {
    size(value)
}

/// Size of a value as JSON, in bytes.
pub(crate) fn size(value: &Value) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail; a value that could not be written would be refused as too large.
    serde_json::to_writer(&mut count, value).map_or(u64::MAX, |()| count.0)
}

fn check_input(ir: &Ir, input: &Value) -> Result<u64, Refusal> {
    let bytes = size(input);
    let refuse = |issue: Issue| Refusal::Start(vec![issue]);
    if bytes > LARGEST_OUTPUT {
        let message = format!("the input has {bytes} bytes; at most {LARGEST_OUTPUT} are taken");
        return Err(refuse(Issue::new(&catalogue::BAD_INPUT, "", message)));
    }
    let Some(schema) = &ir.input else { return Ok(bytes) };
    let validator = jsonschema::validator_for(schema).map_err(|error| {
        refuse(Issue::new(
            &catalogue::BAD_INPUT,
            "/spec/input",
            crate::issue::excerpt(&error.to_string()),
        ))
    })?;
    let misfits: Vec<Issue> = validator
        .iter_errors(input)
        .take(MOST_MISFITS)
        .map(|error| {
            let place = error.instance_path().to_string();
            let message =
                format!("the input does not fit: {}", crate::issue::excerpt(&error.to_string()));
            Issue::new(&catalogue::BAD_INPUT, place, message)
        })
        .collect();
    if misfits.is_empty() { Ok(bytes) } else { Err(Refusal::Start(misfits)) }
}

fn kind(change: &Change) -> Kind {
    match change {
        Change::Started(_) => Kind::RunStarted,
        Change::Patched(_) => Kind::PatchApplied,
        Change::PatchRefused { .. } => Kind::PatchRefused,
        Change::Ended { .. } => Kind::RunEnded,
        Change::Finally { .. } => Kind::FinallyStarted,
        Change::Cancelled { .. } => Kind::CancelRequested,
        Change::Suspended { .. } => Kind::SuspendChanged,
        Change::Answered { .. } | Change::Voted { .. } => Kind::Decided,
        Change::DecisionRefused { .. } => Kind::DecisionRefused,
        Change::Notified { .. } => Kind::TicketNotified,
        Change::Waiting { .. } => Kind::TicketOpened,
        Change::Lost { .. } => Kind::AttemptLost,
        Change::Reserved { .. } | Change::Booked { .. } | Change::Capped { .. } => {
            Kind::UsageBooked
        }
        Change::Backoff { .. } => Kind::RetryScheduled,
        _ => Kind::NodesSettled,
    }
}
