//! The store and the model side by side: each thing is done to both, and then everything is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aob_engine::state::{NodeState, State};
use aob_engine::step::{Answer, Due, Input, Timer};
use aob_store::{Beat, Item, Outcome, Signal, Store};
use proptest::prelude::*;
use serde_json::json;

use super::run::{Hand, ModelRun, ModelTask};
use super::{Checked, NODES, Op};
use crate::suite::Launcher;
use crate::suite::fixture::{
    AT_ONCE, BEGIN, Draft, LONG, claim_of, commit_and_claim, instance, next, run_id, start,
};
use crate::suite::patches::document;

pub(super) struct World {
    pub(super) store: Arc<dyn Store>,
    tenant: String,
    node_type: String,
    runs: BTreeMap<usize, ModelRun>,
    keys: BTreeMap<u8, Arc<str>>,
    signals: Vec<Signal>,
    held: BTreeMap<String, Signal>,
    time: u64,
    armed: u64,
}

impl World {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        let name = run_id();
        Self {
            store,
            tenant: format!("t-{name}"),
            node_type: format!("noop-{name}"),
            runs: BTreeMap::new(),
            keys: BTreeMap::new(),
            signals: Vec::new(),
            held: BTreeMap::new(),
            time: BEGIN,
            armed: 0,
        }
    }

    pub(super) async fn play(&mut self, op: Op) -> Checked<()> {
        match op {
            Op::Start { run, key, publish } => self.start(run, key, publish).await?,
            Op::Hop { run, stale, settle, publish, recall, arm, disarm, ack, claim, patch } => {
                let Some(model) = self.runs.get(&run) else { return Ok(()) };
                let before = if stale { model.older.clone() } else { None }
                    .unwrap_or_else(|| model.state.clone());
                let draft = self.draft(run, &before, [settle, publish], recall, [arm, disarm]);
                let draft = match patch {
                    Some((true, id)) => draft.patched_as(&format!("patch_{id}")),
                    Some((false, id)) => draft.refused(&format!("patch_{id}"), BEGIN + 7),
                    None => draft,
                };
                let mut item = draft.item();
                if ack {
                    let mine =
                        self.held.iter().filter(|(_, signal)| signal.run == self.runs[&run].id);
                    item.signals = mine.map(|(id, _)| id.clone()).collect();
                }
                self.hop(run, item, claim).await?;
            }
            Op::Compact { run, revision } => {
                let Some(model) = self.runs.get_mut(&run) else { return Ok(()) };
                let made = (1..=model.state.head.revision).contains(&revision);
                let compacted = self.store.compact(&model.id, revision, &document(revision)).await;
                prop_assert_eq!(compacted.is_ok(), made, "{:?}", compacted);
                model.bases.extend(made.then_some(revision));
            }
            Op::End { run, keep } => {
                let Some(model) = self.runs.get(&run) else { return Ok(()) };
                let item = next(&*self.store, &model.state).end(self.time).item();
                self.hop(run, Item { retention: if keep { 30 } else { 0 }, ..item }, 0).await?;
            }
            Op::Claim { consumer, max } => {
                let types = [self.node_type.as_str()];
                let tasks = self
                    .store
                    .claim(&claim_of(&consumer.to_string(), &types, max), AT_ONCE)
                    .await
                    .unwrap();
                self.take(consumer, max, tasks)?;
            }
            Op::Beat { consumer, leave_out, begin } => {
                self.beat(consumer, leave_out, begin).await?
            }
            Op::Report { consumer } => self.report(consumer).await,
            Op::Sweep { expire, ahead } => self.sweep(expire, ahead).await?,
            Op::Signals { max } => self.take_signals(max).await?,
            Op::AckSignals => {
                let ids: Vec<String> = std::mem::take(&mut self.held).into_keys().collect();
                self.store.ack_signals(0, &ids).await.unwrap();
            }
            Op::DropExpired => {
                self.time += 10;
                let time = self.time;
                let before = self.runs.len();
                self.runs.retain(|_, run| run.expires > time);
                let dropped = self.store.drop_expired(0, time, 1_000).await.unwrap();
                prop_assert_eq!(dropped, before - self.runs.len());
            }
        }
        self.check().await
    }

    async fn start(&mut self, run: usize, key: Option<u8>, publish: u32) -> Checked<()> {
        let id = self.runs.get(&run).map_or_else(run_id, |model| model.id.clone());
        let mut draft = start(&*self.store, &id, NODES as usize);
        draft.after.head.tenant = self.tenant.as_str().into();
        for slot in 0..publish {
            draft = draft.publish_as(slot, &self.node_type, slot % 2 == 1, json!({"slot": slot}));
        }
        let item = Item { key: key.map(|key| key.to_string()), ..draft.item() };
        let (state, line) = (item.after.clone(), item.line.clone());
        let expected = if self.runs.contains_key(&run) {
            Outcome::Exists(id.clone())
        } else if let Some(first) = key.and_then(|key| self.keys.get(&key)) {
            Outcome::Exists(first.clone())
        } else {
            Outcome::Applied
        };
        let publishes = item.effects.publish.clone();
        let committed = commit_and_claim(&*self.store, vec![item], None).await;
        prop_assert_eq!(&committed.outcomes, std::slice::from_ref(&expected));
        if expected == Outcome::Applied {
            let mut model = ModelRun {
                id: id.clone(),
                state,
                older: None,
                lines: vec![line],
                context: BTreeMap::new(),
                tasks: BTreeMap::new(),
                timers: BTreeMap::new(),
                expires: u64::MAX,
                records: Vec::new(),
                bases: BTreeSet::new(),
            };
            model.publish(&publishes);
            self.runs.insert(run, model);
            if let Some(key) = key {
                self.keys.insert(key, id);
            }
        }
        Ok(())
    }

    /// A step on `before` that moves what can be moved there.
    fn draft(
        &mut self,
        run: usize,
        before: &Arc<State>,
        [settle, publish]: [u32; 2],
        recall: bool,
        timers: [bool; 2],
    ) -> Draft {
        let mut draft = next(&*self.store, before);
        let state_of = |draft: &Draft, slot: u32| {
            draft.after.scopes.get("").map_or(NodeState::Skipped, |root| root.nodes[slot as usize])
        };
        if state_of(&draft, settle) == NodeState::Active {
            let fresh = self.runs[&run]
                .tasks
                .get(&settle)
                .is_some_and(|task| task.fence.0 == self.store.epoch());
            // Just after a restart a task of the epoch before cannot be told from a claimed one everywhere.
            draft = if recall && fresh {
                draft.recall(settle)
            } else {
                draft.settle(settle, json!({"n": self.time}))
            };
        }
        let idle: Vec<u32> =
            (0..NODES).filter(|&slot| state_of(&draft, slot) == NodeState::Idle).collect();
        for &slot in idle.iter().take(publish as usize) {
            draft = draft.publish_as(slot, &self.node_type, slot % 2 == 1, json!({"slot": slot}));
        }
        if timers[0] {
            self.armed += 1;
            let timer = Timer { instance: instance(settle), what: Due::Delay, seq: self.armed };
            draft = draft.arm(timer, self.time + 5 * u64::from(settle));
        }
        if timers[1] {
            draft.effects.disarm.extend(self.runs[&run].timers.keys().next().cloned());
        }
        draft
    }

    async fn hop(&mut self, run: usize, item: Item, claim: usize) -> Checked<()> {
        let model = self.runs.get_mut(&run).unwrap();
        let before = item.before.clone().unwrap();
        let claimed = |cell: &u32| {
            model.tasks.values().any(|task| task.cell == *cell && task.hand != Hand::Nobody)
        };
        let expected = if model.state.is_ended() {
            Outcome::Ended
        } else if before.head.seq != model.state.head.seq
            || item.patch.as_ref().is_some_and(|patch| model.knows(&patch.id))
        {
            Outcome::Conflict
        } else if item.effects.recall.iter().any(claimed) {
            Outcome::Claimed
        } else {
            Outcome::Applied
        };
        let (after, line, effects) = (item.after.clone(), item.line.clone(), item.effects.clone());
        let (acks, retention, patch) = (item.signals.clone(), item.retention, item.patch.clone());
        let asked = (claim > 0).then(|| claim_of("0", &[self.node_type.as_str()], claim));
        let committed = commit_and_claim(&*self.store, vec![item], asked).await;
        prop_assert_eq!(&committed.outcomes, std::slice::from_ref(&expected));
        if matches!(expected, Outcome::Applied | Outcome::Ended) {
            self.held.retain(|id, _| !acks.contains(id));
        }
        if expected != Outcome::Applied {
            return self.take(0, claim.saturating_sub(1), committed.claimed);
        }
        model.older = Some(std::mem::replace(&mut model.state, after));
        model.lines.push(line);
        model.records.extend(patch.map(|record| (*record).clone()));
        model.context.extend(effects.context);
        model.tasks.retain(|_, task| {
            !effects.ack.contains(&task.cell) && !effects.recall.contains(&task.cell)
        });
        model.publish(&effects.publish);
        model.timers.retain(|timer, _| !effects.disarm.contains(timer));
        model.timers.extend(effects.arm);
        if let Some(ended) = model.state.head.ended {
            model.tasks.clear();
            model.timers.clear();
            model.expires = ended + retention;
            if retention == 0 {
                self.runs.remove(&run);
            }
        }
        self.take(0, claim, committed.claimed)
    }

    fn take(&mut self, consumer: u8, max: usize, tasks: Vec<aob_store::Task>) -> Checked<()> {
        let free = self
            .runs
            .values()
            .flat_map(|run| run.tasks.values())
            .filter(|task| task.hand == Hand::Nobody)
            .count();
        prop_assert_eq!(tasks.len(), free.min(max));
        for claimed in tasks {
            let run = self.runs.values_mut().find(|run| run.id == claimed.at.run);
            let task = run.and_then(|run| {
                run.tasks
                    .values_mut()
                    .find(|task| task.fence == claimed.at.fence && task.cell == claimed.at.cell)
            });
            let Some(task) = task else {
                return Err(TestCaseError::fail(format!("{claimed:?} is not out")));
            };
            prop_assert_eq!(&task.hand, &Hand::Nobody);
            prop_assert_eq!(task.once, claimed.once);
            task.hand = Hand::Consumer(consumer);
            task.at = Some(claimed.at);
        }
        Ok(())
    }

    async fn beat(&mut self, consumer: u8, leave_out: usize, begin: bool) -> Checked<()> {
        let (mut named, mut rest, mut begins) = (Vec::new(), BTreeSet::new(), Vec::new());
        for task in self.runs.values_mut().flat_map(|run| run.tasks.values_mut()) {
            let (true, Some(at)) = (task.hand == Hand::Consumer(consumer), task.at.clone()) else {
                continue;
            };
            if rest.len() < leave_out {
                rest.insert(at.entry);
                continue;
            }
            if begin && task.once && task.fence.0 == self.store.epoch() {
                begins.push(named.len());
                task.begun = true;
            }
            named.push(at);
        }
        let count = named.len();
        let beat = Beat {
            consumer: consumer.to_string().into(),
            shard: 0,
            types: [Arc::from(self.node_type.as_str())].into(),
            tasks: named,
            begin: begins,
            lease: 60_000,
        };
        let kept = self.store.beat(&beat).await.unwrap();
        prop_assert_eq!(kept.kept, vec![true; count]);
        let unnamed: BTreeSet<String> =
            kept.unnamed.into_iter().map(|task| task.at.entry).collect();
        prop_assert_eq!(unnamed, rest);
        Ok(())
    }

    async fn report(&mut self, consumer: u8) {
        for run in self.runs.values_mut() {
            let mine = |task: &&mut ModelTask| task.hand == Hand::Consumer(consumer);
            let Some(task) = run.tasks.values_mut().find(mine) else { continue };
            let at = task.at.clone().unwrap();
            let result = Answer::Output(Arc::new(json!({"entry": at.entry})));
            let input = Input::Settled { instance: at.instance.clone(), fence: at.fence, result };
            let signal = Signal { run: run.id.clone(), input, t: self.time };
            self.store.report(&consumer.to_string(), &at, &signal).await.unwrap();
            task.hand = Hand::Away;
            self.signals.push(signal);
            return;
        }
    }

    async fn sweep(&mut self, expire: bool, ahead: u64) -> Checked<()> {
        self.time += ahead;
        let before = self.signals.len();
        for run in self.runs.values_mut() {
            for (slot, task) in &mut run.tasks {
                if expire && matches!(task.hand, Hand::Consumer(_)) {
                    task.hand = Hand::Away;
                    let input = Input::Lost {
                        instance: instance(*slot),
                        fence: task.fence,
                        begun: task.begun,
                    };
                    self.signals.push(Signal { run: run.id.clone(), input, t: self.time });
                }
            }
            while let Some(timer) = run
                .timers
                .iter()
                .find(|(_, due)| **due <= self.time)
                .map(|(timer, _)| timer.clone())
            {
                run.timers.remove(&timer);
                self.signals.push(Signal {
                    run: run.id.clone(),
                    input: Input::Timer(timer),
                    t: self.time,
                });
            }
        }
        let next = self.runs.values().flat_map(|run| run.timers.values()).min();
        let lease = if expire { AT_ONCE } else { LONG };
        let swept = self.store.sweep(0, lease, self.time).await.unwrap();
        prop_assert_eq!(swept, (self.signals.len() - before, next.map(|due| due - self.time)));
        Ok(())
    }

    async fn take_signals(&mut self, max: usize) -> Checked<()> {
        let there = self.signals.len();
        let entries = self.store.signals(0, "c", max, AT_ONCE).await.unwrap();
        prop_assert!(entries.len() <= max);
        let count = entries.len();
        let mut again = 0;
        for entry in entries {
            if self.held.get(&entry.id) == Some(&entry.signal) {
                again += 1;
                continue;
            }
            let Some(at) = self.signals.iter().position(|signal| *signal == entry.signal) else {
                return Err(TestCaseError::fail(format!(
                    "{entry:?} was not written, or comes twice"
                )));
            };
            self.signals.remove(at);
            self.held.insert(entry.id, entry.signal);
        }
        prop_assert!(again > 0 || count == there.min(max), "{count} of {there} signals");
        Ok(())
    }

    /// Everything that can be read is what the model says.
    async fn check(&self) -> Checked<()> {
        let mut live = BTreeSet::new();
        for run in self.runs.values() {
            live.insert(run.id.to_string());
            let state = self.store.load(&run.id).await.unwrap();
            prop_assert_eq!(state.as_deref(), Some(&*run.state));
            prop_assert_eq!(&self.store.events(&run.id, 0, 1_000).await.unwrap(), &run.lines);
            let keys: Vec<String> = (0..NODES).map(instance).collect();
            prop_assert_eq!(&self.store.context(&run.id, &keys).await.unwrap(), &run.context);
            run.check_patches(&*self.store).await?;
            if !run.state.is_ended() {
                let older = |task: &ModelTask| task.fence.0 != self.store.epoch();
                let mut claimed = self.store.claimed(&run.state).await.unwrap();
                claimed.retain(|name| {
                    run.tasks.iter().any(|(slot, task)| instance(*slot) == *name && !older(task))
                });
                claimed.sort();
                let held =
                    run.tasks.iter().filter(|(_, task)| task.hand != Hand::Nobody && !older(task));
                let held: Vec<String> = held.map(|(slot, _)| instance(*slot)).collect();
                prop_assert_eq!(claimed, held);
            }
        }
        let (runs, _) = self.store.runs(&self.tenant, None, 100).await.unwrap();
        let listed: BTreeSet<String> = runs.into_iter().map(|line| line.run).collect();
        prop_assert_eq!(listed, live);
        Ok(())
    }

    /// Ends every run, so that the next case finds a store without tasks, timers or signals.
    pub(super) async fn end(&mut self) -> Checked<()> {
        for run in self.runs.keys().copied().collect::<Vec<_>>() {
            if !self.runs[&run].state.is_ended() {
                self.play(Op::End { run, keep: false }).await?;
            }
        }
        self.store.drop_expired(0, self.time + 1_000_000, 1_000).await.unwrap();
        self.runs.clear();
        while !self.signals.is_empty() || !self.held.is_empty() {
            self.play(Op::AckSignals).await?;
            self.take_signals(1_000).await?;
        }
        Ok(())
    }

    /// Work in hand is given up first: what a restart does to it differs between the stores.
    pub(super) async fn restart(
        mut self,
        launcher: &mut dyn Launcher,
        kill: bool,
    ) -> Checked<Self> {
        self.sweep(true, 0).await?;
        self.store =
            if kill { launcher.kill(self.store).await } else { launcher.reopen(self.store).await };
        self.signals.extend(std::mem::take(&mut self.held).into_values());
        // Where pending signals stay pending, they come by being taken over.
        tokio::time::sleep(launcher.takeover()).await;
        self.check().await?;
        Ok(self)
    }
}
