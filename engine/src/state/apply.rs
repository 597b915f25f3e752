//! The one place where a state changes: events applied change by change, no decision taken.

use std::sync::Arc;

use super::{
    Asks, Cancel, Container, EdgeState, Fence, Head, Live, Marking, NodeState, Part, Phase,
    ScopePath, State, Ticket, iteration_scope, split_instance,
};
use crate::event::{Change, Event, Settled, Started, chain};
use crate::ir::{After, BodyIx, Ir, NodeIx, ROOT};
use crate::mutant::{self, Mutant};

/// The IRs that a run's scopes are read with, by revision.
#[derive(Debug, Clone, Default)]
pub struct IrSet {
    irs: Vec<(u32, Arc<Ir>)>,
}

/// What an event gives to each of its changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp<'a> {
    pub(crate) n: u64,
    pub(crate) t: u64,
    pub(crate) rev: u32,
    pub(crate) epoch: u64,
    pub(crate) by: &'a str,
}

/// A state or event that does not fit its graph: a damaged store, or a defect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Corrupt(pub String);

/// The state after an event; `line` is the event's bytes as stored. The first event needs no state.
///
/// # Errors
/// [`Corrupt`] if the event does not fit the state or the graph.
pub fn fold(
    state: Option<State>,
    event: &Event,
    line: &[u8],
    irs: &IrSet,
) -> Result<State, Corrupt> {
    let mut state = match (state, event.changes.first()) {
        (Some(state), _) => state,
        (None, Some(Change::Started(started))) => begin(started, &event.stamp(), irs)?,
        (None, _) => return Err(Corrupt(format!("event {} has no state before it", event.n))),
    };
    if event.n != state.head.seq + 1 || *event.prev != *state.head.last {
        return Err(Corrupt(format!("event {} does not follow event {}", event.n, state.head.seq)));
    }
    for change in &event.changes {
        apply(&mut state, change, &event.stamp(), irs)?;
    }
    seal(&mut state, event.n, line);
    Ok(state)
}

/// The empty state of a run that begins with this event.
pub(crate) fn begin(started: &Started, event: &Stamp<'_>, irs: &IrSet) -> Result<State, Corrupt> {
    let ir = irs.get(event.rev)?;
    let root = Marking::new(ir, ROOT, event.rev);
    let head = Head {
        run: started.run.as_str().into(),
        workflow: started.workflow.as_str().into(),
        tenant: started.tenant.as_str().into(),
        seq: 0,
        revision: event.rev,
        digest: started.digest.as_str().into(),
        pinned: Default::default(),
        types: started.types.as_deref().map(Into::into),
        pinned_types: Default::default(),
        base: started.base.as_deref().map(Into::into),
        patch_set: started.patch_set.as_deref().map(Into::into),
        refusals: 0,
        patches: 0,
        phase: Phase::Running,
        last: "".into(),
        started: event.t,
        deadline: started.deadline,
        ended: None,
        outcome: None,
        failure: None,
        suspended: false,
        cancel: None,
        parent: started.parent.clone(),
        tokens: 0,
        settled: 0,
        instances: u64::from(root.unsettled),
        agents: ir.agents,
        agent_starts: 0,
        agents_gone: Default::default(),
        placed: Default::default(),
        patchers: Default::default(),
        denials: 0,
        spent: Default::default(),
        caps: Default::default(),
        allowed: started.allowed,
        below: Default::default(),
        bytes: started.bytes,
        depth: started.depth,
        by: event.by.into(),
        keep: started.keep,
    };
    Ok(State { head, scopes: [("".into(), root)].into(), cells: 0, free: Default::default() })
}

/// Counts the event and chains it.
pub(crate) fn seal(state: &mut State, n: u64, line: &[u8]) {
    state.head.seq = n;
    state.head.last = chain(line).into();
}

/// Applies one change.
pub(crate) fn apply(
    state: &mut State,
    change: &Change,
    event: &Stamp<'_>,
    irs: &IrSet,
) -> Result<(), Corrupt> {
    let fence = Fence(event.epoch, event.n);
    match change {
        Change::Started(_) => {}
        Change::Published { at, .. } => {
            let agent = Place::find(state, irs, at)?.is_agent;
            state.head.tokens += 1;
            state.head.agent_starts += u32::from(agent);
            let live = set(state, irs, at, NodeState::Active, fence)?;
            live.due = None;
        }
        Change::Ready { at } => {
            let place = Place::find(state, irs, at)?;
            let was_published = place.is_task && place.state == NodeState::Active;
            state.head.tokens = state.head.tokens.saturating_sub(u32::from(was_published));
            let marking = place.marking(state)?;
            marking.nodes[place.slot] = NodeState::Ready;
        }
        Change::Begun { at, total, concurrency, tolerate, due } => {
            let live = set(state, irs, at, NodeState::Active, fence)?;
            live.due = *due;
            live.container = Some(Container {
                total: *total,
                next: 0,
                done: 0,
                failed: 0,
                cut: 0,
                concurrency: *concurrency,
                tolerate: *tolerate,
                failure: None,
            });
        }
        Change::Iteration { at, index } => {
            let place = Place::find(state, irs, at)?;
            let body = place.body.ok_or_else(|| Corrupt(format!("{at} has no body")))?;
            // Within an iteration the body is the one that this iteration began with.
            let revision = match mutant::is(Mutant::NestedBodyNotPinned) {
                true => state.head.revision,
                false => place.marking(state)?.revision,
            };
            let marking = Marking::new(irs.get(revision)?, body, revision);
            state.head.instances += u64::from(marking.unsettled);
            container(state, &place, at)?.next = index + 1;
            state.scopes.insert(iteration_scope(at, *index).into(), marking);
        }
        Change::IterationEnded { at, index, outcome, .. } => {
            let place = Place::find(state, irs, at)?;
            let progress = container(state, &place, at)?;
            progress.done += 1;
            progress.failed += u32::from(*outcome == Settled::Failed);
            progress.cut += u32::from(*outcome == Settled::Cancelled);
            state.scopes.remove(iteration_scope(at, *index).as_str());
        }
        Change::Settled { at, outcome, bytes, .. } => {
            let place = Place::find(state, irs, at)?;
            if place.state.is_settled() {
                return Err(Corrupt(format!("{at} settles twice")));
            }
            state.head.tokens = state
                .head
                .tokens
                .saturating_sub(u32::from(place.is_task && place.state == NodeState::Active));
            state.head.settled += 1;
            state.head.bytes += bytes;
            let marking = place.marking(state)?;
            marking.nodes[place.slot] = match outcome {
                Settled::Succeeded => NodeState::Succeeded,
                Settled::Failed => NodeState::Failed,
                Settled::Skipped => NodeState::Skipped,
                Settled::Passed => NodeState::Passed,
                Settled::Cancelled => NodeState::Cancelled,
            };
            marking.unsettled = marking.unsettled.saturating_sub(1);
            if let Some(live) = marking.live.remove(&(place.slot as u32)) {
                state.free.insert(live.cell);
            }
        }
        Change::Edge { scope, edge, state: to } => {
            let slot = edge_slot(state, irs, scope, edge)?;
            let marking = scope_mut(state, scope)?;
            if marking.edges[slot] != EdgeState::Unsettled {
                return Err(Corrupt(format!("edge {edge} settles twice")));
            }
            marking.edges[slot] = *to;
        }
        Change::Backoff { at, due, error } => {
            release(state, irs, at)?;
            let live = set(state, irs, at, NodeState::Backoff, fence)?;
            forget_loss(live);
            live.ticket = None;
            live.failures += 1;
            live.due = Some(*due);
            live.error = Some(error.clone());
        }
        Change::Lost { at, returned } => {
            release(state, irs, at)?;
            let place = Place::find(state, irs, at)?;
            let live = place.live(state, at)?;
            live.losses += u32::from(!returned);
            live.returns += u32::from(*returned);
            place.marking(state)?.nodes[place.slot] = NodeState::Ready;
        }
        Change::Waiting { at, ticket, asks, binds, due, error, wants } => {
            release(state, irs, at)?;
            // The fence of a lost attempt stays: its late answer settles the instance.
            let place = Place::find(state, irs, at)?;
            let tried = place.is_task && place.state == NodeState::Active;
            let keep =
                if *asks == Asks::Unknown { Some(place.live(state, at)?.fence) } else { None };
            let live = set(state, irs, at, NodeState::Waiting, keep.unwrap_or(fence))?;
            let late = forget_loss(live);
            live.failures += u32::from((tried || late) && *asks == Asks::Failure);
            live.losses += u32::from(*asks == Asks::Unknown);
            live.due = *due;
            live.error.clone_from(error);
            live.wants = *wants;
            live.ticket = Some(Ticket {
                id: ticket.as_str().into(),
                asks: *asks,
                binds: binds.as_str().into(),
                votes: Vec::new(),
                notices: 0,
            });
        }
        Change::Voted { at, by, .. } => {
            let place = Place::find(state, irs, at)?;
            if let Some(ticket) = &mut place.live(state, at)?.ticket {
                ticket.votes.push(by.as_str().into());
            }
        }
        Change::DecisionRefused { .. } => state.head.denials += 1,
        Change::Notified { at, attempt, .. } => {
            let place = Place::find(state, irs, at)?;
            if let Some(ticket) = &mut place.live(state, at)?.ticket {
                ticket.notices = *attempt;
            }
        }
        Change::Answered { at, .. } => {
            let place = Place::find(state, irs, at)?;
            let live = place.live(state, at)?;
            live.ticket = None;
            live.due = None;
        }
        Change::Reserved { at, amount } => {
            let place = Place::find(state, irs, at)?;
            place.live(state, at)?.reserved = Some(*amount);
        }
        Change::Booked { at, amount } => {
            let place = Place::find(state, irs, at)?;
            place.live(state, at)?.reserved = None;
            if !amount.is_zero() {
                let spent = state.head.spent.entry(split_instance(at).1.into()).or_default();
                *spent = spent.plus(*amount);
            }
        }
        Change::Capped { agent, cap, .. } => {
            let known = state.head.caps.entry(agent.as_str().into()).or_default();
            *known = cap.or(*known);
        }
        Change::Delayed { at, due } => {
            set(state, irs, at, NodeState::Waiting, fence)?.due = Some(*due);
        }
        Change::Child { at, run, due, part } => {
            let live = set(state, irs, at, NodeState::Active, fence)?;
            live.child = Some(run.as_str().into());
            live.due = *due;
            live.part = *part;
            if !part.is_empty() {
                let known = state.head.below.agents.entry(split_instance(at).1.into()).or_default();
                *known = part.agents.max(*known);
            }
        }
        Change::Counted { at, agents, starts } => {
            let place = Place::find(state, irs, at)?;
            place.live(state, at)?.part = Part::default();
            let below = &mut state.head.below;
            below.grown = below.grown.saturating_add(*agents);
            below.starts = below.starts.saturating_add(*starts);
        }
        Change::Suspended { on } => state.head.suspended = *on,
        Change::Cancelled { mode, outcome, grace, .. } => {
            state.head.cancel = Some(Cancel { mode: *mode, outcome: *outcome, grace: *grace });
            if state.head.phase == Phase::Running {
                state.head.phase = Phase::Draining;
            }
        }
        Change::Stopped { at, error } => {
            let place = Place::find(state, irs, at)?;
            container(state, &place, at)?.failure = Some(error.clone());
        }
        Change::Failing { scope, error } => {
            scope_mut(state, scope)?.failed.get_or_insert_with(|| error.clone());
            if scope.is_empty() {
                state.head.failure.get_or_insert_with(|| error.clone());
                if state.head.phase == Phase::Running {
                    state.head.phase = Phase::Draining;
                }
            }
        }
        Change::Finally { outcome, error, due, .. } => {
            let ir = irs.get(event.rev)?;
            let body = ir.finally.ok_or_else(|| Corrupt("no exit handler".to_owned()))?;
            let marking = Marking::new(ir, body, event.rev);
            state.head.instances += u64::from(marking.unsettled);
            state.head.phase = Phase::Finally;
            state.head.outcome = Some(*outcome);
            state.head.deadline = *due;
            if let Some(error) = error {
                state.head.failure.get_or_insert_with(|| error.clone());
            }
            state.scopes.insert("finally".into(), marking);
        }
        Change::Patched(patched) => super::patched::apply(state, patched, event.by, irs)?,
        Change::PatchRefused { .. } => state.head.refusals += 1,
        Change::Ended { outcome, error, .. } => {
            state.head.phase = Phase::Ended;
            state.head.outcome = Some(*outcome);
            state.head.ended = Some(event.t);
            if let Some(error) = error {
                state.head.failure.get_or_insert_with(|| error.clone());
            }
        }
    }
    Ok(())
}

impl Event {
    fn stamp(&self) -> Stamp<'_> {
        Stamp { n: self.n, t: self.t, rev: self.rev, epoch: self.epoch, by: &self.by }
    }
}

impl IrSet {
    /// With one IR, for revision `revision`.
    pub fn new(revision: u32, ir: Arc<Ir>) -> Self {
        Self { irs: vec![(revision, ir)] }
    }

    /// Adds the IR of a revision.
    pub fn insert(&mut self, revision: u32, ir: Arc<Ir>) {
        if self.get(revision).is_err() {
            self.irs.push((revision, ir));
        }
    }

    /// The IR of a revision.
    ///
    /// # Errors
    /// If it has not been loaded.
    pub fn get(&self, revision: u32) -> Result<&Arc<Ir>, Corrupt> {
        self.irs
            .iter()
            .rev()
            .find(|(known, _)| *known == revision)
            .map(|(_, ir)| ir)
            .ok_or_else(|| Corrupt(format!("revision {revision} is not at hand")))
    }
}

impl Marking {
    /// A fresh marking of a body: everything idle.
    pub fn new(ir: &Ir, body: BodyIx, revision: u32) -> Self {
        let content = ir.body(body);
        let nodes = content.nodes.len();
        Self {
            revision,
            body,
            nodes: vec![NodeState::Idle; nodes],
            edges: vec![EdgeState::Unsettled; content.edges.len()],
            live: Default::default(),
            unsettled: nodes as u32,
            failed: None,
        }
    }
}

/// Where an instance is.
struct Place {
    scope: ScopePath,
    slot: usize,
    state: NodeState,
    body: Option<BodyIx>,
    is_task: bool,
    is_agent: bool,
}

impl Place {
    fn find(state: &State, irs: &IrSet, at: &str) -> Result<Self, Corrupt> {
        let (scope, id) = split_instance(at);
        let (scope, marking) = state
            .scopes
            .get_key_value(scope)
            .ok_or_else(|| Corrupt(format!("no scope for {at}")))?;
        let ir = irs.get(marking.revision)?;
        let ix = ir.find(id).filter(|&ix| ir.node(ix).body == marking.body);
        let ix = ix.ok_or_else(|| Corrupt(format!("no instance {at}")))?;
        let slot = ir.slot(ix);
        let kind = &ir.node(ix).kind;
        let (is_task, is_agent) = match kind {
            crate::ir::Kind::Task { agent, .. } => (true, *agent),
            _ => (false, false),
        };
        let now = *marking.nodes.get(slot).ok_or_else(|| Corrupt(format!("no slot for {at}")))?;
        Ok(Self { scope: scope.clone(), slot, state: now, body: kind.body(), is_task, is_agent })
    }

    fn marking<'a>(&self, state: &'a mut State) -> Result<&'a mut Marking, Corrupt> {
        scope_mut(state, &self.scope)
    }

    fn live<'a>(&self, state: &'a mut State, at: &str) -> Result<&'a mut Live, Corrupt> {
        let live = self.marking(state)?.live.get_mut(&(self.slot as u32));
        live.ok_or_else(|| Corrupt(format!("{at} is not live")))
    }
}

/// Moves an instance to a live state and gives it a cell if it has none.
fn set<'a>(
    state: &'a mut State,
    irs: &IrSet,
    at: &str,
    to: NodeState,
    fence: Fence,
) -> Result<&'a mut Live, Corrupt> {
    let place = Place::find(state, irs, at)?;
    if place.state.is_settled() {
        return Err(Corrupt(format!("{at} has settled")));
    }
    let slot = place.slot as u32;
    let known =
        state.scopes.get(&place.scope).is_some_and(|marking| marking.live.contains_key(&slot));
    let cell = if known {
        0
    } else {
        state.free.pop_first().unwrap_or_else(|| {
            state.cells += 1;
            state.cells - 1
        })
    };
    let marking = place.marking(state)?;
    marking.nodes[place.slot] = to;
    let live = marking.live.entry(slot).or_insert_with(|| Live {
        cell,
        fence,
        failures: 0,
        losses: 0,
        returns: 0,
        due: None,
        ticket: None,
        error: None,
        container: None,
        child: None,
        reserved: None,
        wants: None,
        part: Part::default(),
    });
    live.fence = fence;
    Ok(live)
}

/// An attempt whose outcome was unknown has failed after all: it counts as a failure, not as a loss.
fn forget_loss(live: &mut Live) -> bool {
    let late = live.ticket.as_ref().is_some_and(|ticket| ticket.asks == Asks::Unknown);
    live.losses = live.losses.saturating_sub(u32::from(late));
    late
}

/// A task that is no longer out takes its token back.
fn release(state: &mut State, irs: &IrSet, at: &str) -> Result<(), Corrupt> {
    let place = Place::find(state, irs, at)?;
    state.head.tokens = state
        .head
        .tokens
        .saturating_sub(u32::from(place.is_task && place.state == NodeState::Active));
    Ok(())
}

fn container<'a>(
    state: &'a mut State,
    place: &Place,
    at: &str,
) -> Result<&'a mut Container, Corrupt> {
    place
        .live(state, at)?
        .container
        .as_mut()
        .ok_or_else(|| Corrupt(format!("{at} is no container")))
}

fn scope_mut<'a>(state: &'a mut State, scope: &str) -> Result<&'a mut Marking, Corrupt> {
    state.scopes.get_mut(scope).ok_or_else(|| Corrupt(format!("no scope {scope}")))
}

fn edge_slot(state: &State, irs: &IrSet, scope: &str, edge: &str) -> Result<usize, Corrupt> {
    let unknown = || Corrupt(format!("no edge {edge} in {scope}"));
    let marking = state.scopes.get(scope).ok_or_else(unknown)?;
    let ir = irs.get(marking.revision)?;
    let (from, rest) = edge.split_once("->").ok_or_else(unknown)?;
    let (to, after) = match rest.split_once(':') {
        None => (rest, After::Success),
        Some((to, "failure")) => (to, After::Failure),
        Some((to, "always")) => (to, After::Always),
        Some(_) => return Err(unknown()),
    };
    let node = |id: &str| -> Result<NodeIx, Corrupt> { ir.find(id).ok_or_else(unknown) };
    let ix = ir.find_edge(node(from)?, node(to)?, after).ok_or_else(unknown)?;
    Some(ir.edge_slot(ix)).filter(|&slot| slot < marking.edges.len()).ok_or_else(unknown)
}
