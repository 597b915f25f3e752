//! Runs made by hand: a root scope of some nodes in a chain, moved on without a graph. What a draft
//! gives is what the engine would: one more event, the next seq, a chained hash, cells given lowest first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aob_engine::event::{Change, Event, Kind, Settled, chain};
use aob_engine::patch::{Accepted, Answer, Finding, Preview, Record};
use aob_engine::state::{
    Asks, EdgeState, Fence, Head, Live, Marking, NodeState, Phase, RunOutcome, ScopePath, State,
    Ticket,
};
use aob_engine::step::{Effects, Envelope, Publish, TicketNotice, Timer};
use aob_store::{Claim, Commit, Committed, Item, Outcome, SignalEntry, Store, Task};
use serde_json::{Value, json};

/// When the fixtures' runs begin, in milliseconds since 1970.
pub(crate) const BEGIN: u64 = 1_700_000_000_000;

/// No waiting.
pub(crate) const AT_ONCE: Duration = Duration::ZERO;

/// Longer than any case takes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Waits until it holds, for [`LONG`] at most.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !holds().await {
        assert!(since.elapsed() < LONG, "{what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A step that has not been committed.
pub(crate) struct Draft {
    before: Option<Arc<State>>,
    /// The state after it; its seq and hash are set by [`Draft::item`].
    pub(crate) after: State,
    /// What is to be written with it.
    pub(crate) effects: Effects,
    epoch: u64,
    patch: Option<Arc<Record>>,
}

/// A run id that no other case uses, in shard 0.
pub(crate) fn run_id() -> Arc<str> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    aob_store::id::run(BEGIN + next, u128::from(std::process::id()), 0)
}

/// The start of a run with so many nodes, all idle, of tenant `t`.
pub(crate) fn start(store: &dyn Store, run: &Arc<str>, nodes: usize) -> Draft {
    let root = Marking {
        revision: 0,
        body: 0,
        nodes: vec![NodeState::Idle; nodes],
        edges: vec![EdgeState::Unsettled; nodes.saturating_sub(1)],
        live: BTreeMap::new(),
        unsettled: u32::try_from(nodes).unwrap(),
        failed: None,
    };
    let head = Head {
        run: run.clone(),
        workflow: "flow".into(),
        tenant: "t".into(),
        seq: 0,
        revision: 0,
        digest: "sha256:00".into(),
        pinned: BTreeMap::new(),
        types: None,
        pinned_types: BTreeMap::new(),
        base: None,
        patch_set: None,
        refusals: 0,
        patches: 0,
        phase: Phase::Running,
        last: "".into(),
        started: BEGIN,
        deadline: BEGIN + 3_600_000,
        ended: None,
        outcome: None,
        failure: None,
        suspended: false,
        cancel: None,
        parent: None,
        tokens: 0,
        settled: 0,
        instances: nodes as u64,
        agent_starts: 0,
        below: Default::default(),
        agents: 0,
        agents_gone: Default::default(),
        placed: Default::default(),
        patchers: Default::default(),
        denials: 0,
        spent: Default::default(),
        caps: Default::default(),
        allowed: Default::default(),
        bytes: 0,
        depth: 0,
        keep: 0,
        by: "user:ann".into(),
    };
    let scopes = BTreeMap::from([(ScopePath::from(""), root)]);
    let after = State { head, scopes, cells: 0, free: BTreeSet::new() };
    Draft { before: None, after, effects: Effects::default(), epoch: store.epoch(), patch: None }
}

/// What follows on a state.
pub(crate) fn next(store: &dyn Store, before: &Arc<State>) -> Draft {
    Draft {
        before: Some(before.clone()),
        after: (**before).clone(),
        effects: Effects::default(),
        epoch: store.epoch(),
        patch: None,
    }
}

/// The graph of a revision, as a document.
pub(crate) fn graph(revision: u32) -> Value {
    json!({"spec": {"nodes": [{"id": format!("n{revision}"), "type": "noop"}], "edges": []}})
}

/// The record of an accepted patch.
pub(crate) fn accepted(id: &str, revision: u32) -> Record {
    let operation = json!({"op": "add", "path": "/nodes/-", "value": {
        "id": format!("n{revision}"), "config": {"a": 1.5, "b": [null, u64::MAX, -3], "ü\n": "\u{0}"},
    }});
    let answer = Answer::Accepted(Accepted {
        revision,
        graph: aob_engine::compile::spec_digest(&graph(revision)),
        operations: vec![serde_json::from_value(operation).unwrap()],
        cancel: vec!["n0".into()],
        undoes: Some("patch_0".into()),
        effects: Preview { start: vec![format!("n{revision}")], ..Preview::default() },
    });
    record(id, BEGIN + u64::from(revision), answer)
}

/// The record of a refused patch.
pub(crate) fn refused(id: &str, time: u64) -> Record {
    let finding = Finding {
        code: "AOB2104".into(),
        pointer: "/operations/0".into(),
        message: "no".into(),
        remedy: "another".into(),
        details: Vec::new(),
    };
    record(id, time, Answer::Refused(vec![finding]))
}

fn record(id: &str, time: u64, answer: Answer) -> Record {
    Record {
        id: id.into(),
        request: "sha256:0c".into(),
        by: "user:ann".into(),
        time,
        reason: Some("because".into()),
        answer,
    }
}

/// The instance of a slot.
pub(crate) fn instance(slot: u32) -> String {
    format!("n{slot}")
}

/// An output as it is kept.
pub(crate) fn output(fence: Fence, value: Value) -> Envelope {
    Envelope {
        fence,
        outcome: Settled::Succeeded,
        digest: Some("sha256:0a".into()),
        value: Some(Arc::new(value)),
        error: None,
    }
}

impl Draft {
    /// Gives out the task of a slot, type `noop`.
    pub(crate) fn publish(self, slot: u32) -> Self {
        self.publish_as(slot, "noop", false, json!({"slot": slot}))
    }

    /// Gives out the task of a slot.
    pub(crate) fn publish_as(
        mut self,
        slot: u32,
        node_type: &str,
        once: bool,
        input: Value,
    ) -> Self {
        let (fence, cell) = (self.fence(), self.cell());
        let root = self.after.scopes.get_mut("").unwrap();
        let before = root.live.remove(&slot);
        let live = Live {
            cell,
            fence,
            failures: before.as_ref().map_or(0, |live| live.failures),
            losses: before.as_ref().map_or(0, |live| live.losses),
            returns: 0,
            due: None,
            ticket: None,
            error: None,
            container: None,
            child: None,
            reserved: None,
            wants: None,
            part: Default::default(),
        };
        let attempt = live.attempt();
        root.nodes[slot as usize] = NodeState::Active;
        root.live.insert(slot, live);
        self.after.head.tokens += 1;
        self.effects.publish.push(Publish {
            cell,
            instance: instance(slot),
            node_type: node_type.into(),
            fence,
            attempt,
            timeout: Some(5_000),
            once,
            input: Arc::new(input),
        });
        self
    }

    /// Settles a slot with an output; its task is done with.
    pub(crate) fn settle(mut self, slot: u32, value: Value) -> Self {
        let fence = self.fence();
        self = self.take_from_cell(slot, false);
        let root = self.after.scopes.get_mut("").unwrap();
        root.nodes[slot as usize] = NodeState::Succeeded;
        root.unsettled -= 1;
        self.after.head.settled += 1;
        self.effects.context.push((instance(slot), output(fence, value)));
        self
    }

    /// Takes a slot's task back, if nobody has claimed it.
    pub(crate) fn recall(mut self, slot: u32) -> Self {
        self = self.take_from_cell(slot, true);
        self.after.scopes.get_mut("").unwrap().nodes[slot as usize] = NodeState::Idle;
        self
    }

    /// The slot's attempt was lost: its task is done with, another follows in the same step.
    pub(crate) fn lost(mut self, slot: u32) -> Self {
        let live = self.after.scopes.get_mut("").unwrap().live.get_mut(&slot).unwrap();
        live.losses += 1;
        self.effects.ack.push(live.cell);
        self.after.free.insert(live.cell);
        self.after.head.tokens -= 1;
        self.publish(slot)
    }

    /// Opens a question at an idle slot.
    pub(crate) fn ask(mut self, slot: u32, ticket: &str) -> Self {
        let (fence, cell) = (self.fence(), self.cell());
        let root = self.after.scopes.get_mut("").unwrap();
        root.nodes[slot as usize] = NodeState::Waiting;
        let ticket = Ticket {
            id: ticket.into(),
            asks: Asks::Gate,
            binds: "sha256:0b".into(),
            votes: Vec::new(),
            notices: 0,
        };
        let notice =
            TicketNotice { id: ticket.id.clone(), instance: instance(slot), asks: Asks::Gate };
        let live = Live {
            cell,
            fence,
            failures: 0,
            losses: 0,
            returns: 0,
            due: None,
            ticket: Some(ticket),
            error: None,
            container: None,
            child: None,
            reserved: None,
            wants: None,
            part: Default::default(),
        };
        root.live.insert(slot, live);
        self.effects.open.push(notice);
        self
    }

    /// Closes the question of a slot and settles it.
    pub(crate) fn answer(mut self, slot: u32) -> Self {
        let root = self.after.scopes.get_mut("").unwrap();
        let live = root.live.remove(&slot).unwrap();
        root.nodes[slot as usize] = NodeState::Succeeded;
        root.unsettled -= 1;
        self.after.free.insert(live.cell);
        self.after.head.settled += 1;
        self.effects.close.push(live.ticket.unwrap().id);
        self
    }

    /// Arms a timer.
    pub(crate) fn arm(mut self, timer: Timer, due: u64) -> Self {
        self.effects.arm.push((timer, due));
        self
    }

    /// Ends the run, succeeded, at a time.
    pub(crate) fn end(mut self, at: u64) -> Self {
        self.after.head.phase = Phase::Ended;
        self.after.head.outcome = Some(RunOutcome::Succeeded);
        self.after.head.ended = Some(at);
        self.after.head.tokens = 0;
        for root in std::mem::take(&mut self.after.scopes).into_values() {
            self.after.free.extend(root.live.into_values().map(|live| live.cell));
        }
        self
    }

    /// A patch, as far as a store sees one, and its record.
    pub(crate) fn patched_as(mut self, id: &str) -> Self {
        self.after.head.revision += 1;
        self.after.head.patches += 1;
        self.patch = Some(Arc::new(accepted(id, self.after.head.revision)));
        self
    }

    /// A patch of which nothing is kept.
    pub(crate) fn patched(mut self) -> Self {
        self.after.head.revision += 1;
        self
    }

    /// A refused patch and its record.
    pub(crate) fn refused(mut self, id: &str, time: u64) -> Self {
        self.after.head.refusals += 1;
        self.patch = Some(Arc::new(refused(id, time)));
        self
    }

    /// The fence of what this step publishes.
    pub(crate) fn fence(&self) -> Fence {
        Fence(self.epoch, self.before.as_ref().map_or(1, |before| before.head.seq + 1))
    }

    /// The item: without link, key or signals, kept for an hour.
    pub(crate) fn item(mut self) -> Item {
        let seq = self.fence().1;
        let event = Event {
            n: seq,
            t: BEGIN + seq,
            rev: self.before.as_ref().map_or(0, |before| before.head.revision),
            kind: if seq == 1 { Kind::RunStarted } else { Kind::NodesSettled },
            by: "system".into(),
            epoch: self.epoch,
            prev: self.after.head.last.to_string(),
            changes: vec![Change::Suspended { on: false }],
        };
        let line = event.line().unwrap();
        self.after.head.seq = seq;
        self.after.head.last = chain(&line).into();
        Item {
            before: self.before,
            after: Arc::new(self.after),
            line,
            effects: self.effects,
            signals: Vec::new(),
            send: Vec::new(),
            link: 0,
            key: None,
            retention: 3_600_000,
            patch: self.patch,
        }
    }

    fn take_from_cell(mut self, slot: u32, recall: bool) -> Self {
        let root = self.after.scopes.get_mut("").unwrap();
        if let Some(live) = root.live.remove(&slot) {
            self.after.head.tokens -= 1;
            let cells = if recall { &mut self.effects.recall } else { &mut self.effects.ack };
            cells.push(live.cell);
            self.after.free.insert(live.cell);
        }
        self
    }

    /// The lowest free cell, or a new one.
    fn cell(&mut self) -> u32 {
        self.after.free.pop_first().unwrap_or_else(|| {
            self.after.cells += 1;
            self.after.cells - 1
        })
    }
}

/// An item that only acknowledges: no event, the state as it is.
pub(crate) fn acks_alone(state: &Arc<State>, signals: Vec<String>) -> Item {
    Item {
        before: Some(state.clone()),
        after: state.clone(),
        line: Vec::new(),
        effects: Effects::default(),
        signals,
        send: Vec::new(),
        link: 0,
        key: None,
        retention: 3_600_000,
        patch: None,
    }
}

/// Commits items without claiming.
pub(crate) async fn commit(store: &dyn Store, items: Vec<Item>) -> Vec<Outcome> {
    commit_and_claim(store, items, None).await.outcomes
}

/// Commits items, then claims.
pub(crate) async fn commit_and_claim(
    store: &dyn Store,
    items: Vec<Item>,
    claim: Option<Claim>,
) -> Committed {
    store.commit(Commit { items, claim, holder: None }).await.unwrap()
}

/// Commits one step that must be applied; its state.
pub(crate) async fn applied(store: &dyn Store, draft: Draft) -> Arc<State> {
    let item = draft.item();
    let after = item.after.clone();
    assert_eq!(commit(store, vec![item]).await, [Outcome::Applied]);
    after
}

/// What consumer `name` asks for, type `noop`, in shard 0.
pub(crate) fn noops(name: &str, max: usize) -> Claim {
    claim_of(name, &["noop"], max)
}

/// What consumer `name` asks for, in shard 0.
pub(crate) fn claim_of(name: &str, types: &[&str], max: usize) -> Claim {
    Claim {
        consumer: name.into(),
        types: types.iter().map(|&name| Arc::from(name)).collect(),
        shard: 0,
        max,
    }
}

/// Claims what is there.
pub(crate) async fn claim(store: &dyn Store, name: &str, max: usize) -> Vec<Task> {
    store.claim(&noops(name, max), AT_ONCE).await.unwrap()
}

/// Signals that nobody has been given.
pub(crate) async fn signals(store: &dyn Store, name: &str) -> Vec<SignalEntry> {
    store.signals(0, name, 1_000, AT_ONCE).await.unwrap()
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// The instances of tasks, sorted.
pub(crate) fn instances(tasks: &[Task]) -> Vec<&str> {
    let mut names: Vec<&str> = tasks.iter().map(|task| task.at.instance.as_str()).collect();
    names.sort_unstable();
    names
}
