//! The state in memory, and the one way in which it changes: an operation is applied, live or from a journal.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use aob_engine::state::State;
use aob_engine::step::Timer;
use aob_engine::tier::Tier;
use aob_engine::timeline::{Move, MoveKind};
use tokio::sync::Notify;

use super::change::{Change, Op, Opened};
use super::debits::Debits;
use super::inbox::Inbox;
use super::run::Run;
use super::spend::Days;
use super::tasks::{Entry, Hand, Tasks};
use super::waiting::Wake;
use crate::LogLine;

/// Everything that is kept. Behind one lock, held for microseconds: what is slow happens before and after.
#[derive(Default)]
pub(super) struct Core {
    pub(super) runs: HashMap<Arc<str>, Run>,
    pub(super) tasks: Tasks,
    pub(super) inbox: Inbox,
    /// By time.
    pub(super) timers: BTreeSet<(u64, Arc<str>, Timer)>,
    pub(super) tenants: BTreeMap<Arc<str>, Tenant>,
    /// Ended runs by when they go.
    pub(super) expiring: BTreeSet<(u64, Arc<str>)>,
    /// Dropped runs that had a key, and since when they are gone.
    pub(super) tombstones: HashMap<Arc<str>, u64>,
    pub(super) artifacts: HashMap<String, Arc<[u8]>>,
    /// Registered node types by name, with their versions.
    pub(super) types: BTreeMap<String, (u64, Arc<[u8]>)>,
    /// Changes of them so far.
    pub(super) types_version: u64,
    /// The last record.
    pub(super) lsn: u64,
    /// The last record that dropped a run.
    pub(super) dropped: u64,
    /// Bytes of the records of what is kept.
    pub(super) live: u64,
}

/// What is listed of a tenant.
#[derive(Default)]
pub(super) struct Tenant {
    /// Runs by start.
    pub(super) started: BTreeSet<(u64, Arc<str>)>,
    /// Runs by id.
    pub(super) ids: BTreeSet<Arc<str>>,
    /// Open tickets, with their runs.
    pub(super) tickets: BTreeMap<Arc<str>, (Arc<str>, Opened)>,
    /// Open tickets by age.
    pub(super) asked: BTreeSet<(u64, Arc<str>)>,
    /// Moves by workflow and tag; a tag points where its last move led.
    pub(super) tags: BTreeMap<(String, String), Vec<Arc<Move>>>,
    /// Digests of sets of patches by workflow and name.
    pub(super) sets: BTreeMap<(String, String), String>,
    /// Answered patches, with their runs.
    pub(super) patches: BTreeSet<(String, Arc<str>)>,
    /// Runs by dedupe key, and since when.
    pub(super) keys: HashMap<String, (Arc<str>, u64)>,
    /// Starts that count.
    pub(super) debits: BTreeMap<Option<Tier>, Debits>,
    /// What its agents cost.
    pub(super) spent: Days,
    /// The document of its limits.
    pub(super) limits: Option<Arc<[u8]>>,
}

/// What is left to do once the lock is released: calls, and freeing what may be large.
#[derive(Default)]
pub(super) struct After {
    pub(super) wake: Wake,
    /// How many signals were written.
    signals: usize,
    runs: Vec<Run>,
    tasks: Vec<Entry>,
}

impl Core {
    /// Applies an operation of record `lsn`, `size` bytes of it; a step with the state after it.
    pub(super) fn apply(
        &mut self,
        op: Op,
        state: Option<&Arc<State>>,
        lsn: u64,
        size: u64,
        after: &mut After,
    ) {
        match op {
            Op::Change(change, _) => self.change(*change, state, lsn, size, after),
            Op::Drop { run, t } => self.drop_run(&run, t, lsn, after),
            Op::Signal { id, signal } => {
                self.inbox.insert(id, signal, lsn);
                after.signals += 1;
            }
            Op::Answered(ids) => ids.into_iter().for_each(|id| self.inbox.remove(id)),
            Op::Begun(id) => {
                self.tasks.begin(id);
                self.touch(id, lsn);
            }
            Op::Reported(id) => {
                self.tasks.set_aside(id, Hand::Reported);
                self.touch(id, lsn);
            }
            Op::Parked(id) => {
                self.tasks.set_aside(id, Hand::Parked);
                self.touch(id, lsn);
            }
            Op::Fired { run, timer } => {
                if let Some(kept) = self.runs.get_mut(&run) {
                    kept.touched = lsn;
                    if let Some(due) = kept.timers.remove(&timer) {
                        self.timers.remove(&(due, run, timer));
                    }
                }
            }
            Op::Log { run, lines } => self.log(&run, lines, lsn, size),
            Op::Artifact { digest, document } => {
                let length = document.len() as u64;
                if self.artifacts.insert(digest, document).is_none() {
                    self.live += length;
                }
            }
            Op::Patch { run, id, revision, record } => {
                let Some(kept) = self.runs.get_mut(&run) else { return };
                kept.touched = lsn;
                kept.bytes += size;
                self.live += size;
                let tenant = self.tenants.entry(kept.tenant.clone()).or_default();
                tenant.patches.insert((id.clone(), run));
                kept.patches.insert(id, revision, record);
            }
            Op::Base { run, revision, document } => {
                let Some(kept) = self.runs.get_mut(&run) else { return };
                kept.touched = lsn;
                kept.bytes += size;
                self.live += size;
                kept.patches.insert_base(revision, document);
            }
            Op::Move { tenant, workflow, tag, number, to } => {
                let moves = self.tenant(&tenant.into()).tags.entry((workflow, tag)).or_default();
                // Else a snapshot has it already.
                if moves.len() as u64 + 1 == u64::from(number) {
                    moves.push(to);
                    self.live += size;
                }
            }
            Op::PatchSet { tenant, workflow, name, digest } => {
                self.tenant(&tenant.into()).sets.insert((workflow, name), digest);
            }
            Op::Tag { tenant, workflow, tag, digest } => {
                let moves = self.tenant(&tenant.into()).tags.entry((workflow, tag)).or_default();
                if moves.last().is_none_or(|last| last.digest != digest) {
                    let (by, kind) = ("system".to_owned(), MoveKind::Set);
                    moves.push(Arc::new(Move { kind, digest, by, time: 0, reason: None }));
                }
            }
            Op::Key { tenant, key, run, t } => {
                self.tenant(&tenant.into()).keys.insert(key, (run, t));
            }
            Op::Debit { tenant, tier, id, t, window } => {
                self.tenant(&tenant.into()).debits.entry(tier).or_default().insert(id, t, window);
            }
            Op::Refund { tenant, tier, id } => {
                self.tenant(&tenant.into()).debits.entry(tier).or_default().remove(&id);
            }
            Op::Spend { tenant, day, taken, id, open } => {
                self.tenant(&tenant.into()).spent.set(day, taken, id, open);
            }
            Op::Limits { tenant, document } => self.tenant(&tenant.into()).limits = document,
            Op::Type { name, version, document } => {
                // A snapshot may have counted later changes.
                self.types_version = self.types_version.max(version);
                match document {
                    Some(document) => drop(self.types.insert(name, (version, document))),
                    None => drop(self.types.remove(&name)),
                }
            }
            Op::Tombstone { run, t } => drop(self.tombstones.insert(run, t)),
            Op::LogBase { run, base } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.log.set_base(base);
                }
            }
            Op::Floor { .. } | Op::End { .. } => {}
        }
    }

    /// The lists of a tenant.
    pub(super) fn tenant(&mut self, name: &Arc<str>) -> &mut Tenant {
        self.tenants.entry(name.clone()).or_default()
    }

    fn change(
        &mut self,
        change: Change,
        state: Option<&Arc<State>>,
        lsn: u64,
        size: u64,
        after: &mut After,
    ) {
        change.answered.into_iter().for_each(|id| self.inbox.remove(id));
        if let (Some(begin), Some(state)) = (change.begins, state) {
            let run = Run::new(state.clone(), begin.tenant, begin.started, begin.key);
            let tenant = self.tenants.entry(run.tenant.clone()).or_default();
            tenant.started.insert((run.started, change.run.clone()));
            tenant.ids.insert(change.run.clone());
            self.runs.insert(change.run.clone(), run);
        }
        let Some(run) = self.runs.get_mut(&change.run) else { return };
        if let Some(state) = state {
            run.state = state.clone();
            run.lsn = lsn;
        }
        run.touched = lsn;
        run.bytes += size;
        self.live += size;
        run.lines.extend(change.lines);
        run.context.extend(change.context);
        for cell in change.free {
            let task = run.cells.remove(&cell).and_then(|id| self.tasks.remove(id));
            after.tasks.extend(task);
        }
        for task in change.publish {
            if let Some(old) = run.cells.insert(task.cell, task.id) {
                after.tasks.extend(self.tasks.remove(old));
            }
            self.tasks.publish(task, lsn, &mut after.wake);
        }
        for timer in change.disarm {
            if let Some(due) = run.timers.remove(&timer) {
                self.timers.remove(&(due, change.run.clone(), timer));
            }
        }
        for (timer, due) in change.arm {
            if let Some(before) = run.timers.insert(timer.clone(), due) {
                self.timers.remove(&(before, change.run.clone(), timer.clone()));
            }
            self.timers.insert((due, change.run.clone(), timer));
        }
        if !change.open.is_empty() || !change.close.is_empty() {
            let tenant = self.tenants.entry(run.tenant.clone()).or_default();
            for opened in change.open {
                run.tickets.insert(opened.id.clone());
                tenant.asked.insert((opened.since, opened.id.clone()));
                tenant.tickets.insert(opened.id.clone(), (change.run.clone(), opened));
            }
            for ticket in change.close {
                run.tickets.remove(&ticket);
                tenant.close(&ticket);
            }
        }
        change.log.into_iter().for_each(|line| run.log.push(line));
        after.wake.runs.extend(run.followers.take());
        if let Some((ended, retention)) = change.ended {
            run.ended = Some((ended, retention));
            self.expiring.insert((ended.saturating_add(retention), change.run.clone()));
            self.end_work(&change.run, after);
        }
    }

    /// Removes what only a live run has: tasks, timers, questions.
    fn end_work(&mut self, name: &Arc<str>, after: &mut After) {
        let Some(run) = self.runs.get_mut(name) else { return };
        for (_, id) in std::mem::take(&mut run.cells) {
            after.tasks.extend(self.tasks.remove(id));
        }
        for (timer, due) in std::mem::take(&mut run.timers) {
            self.timers.remove(&(due, name.clone(), timer));
        }
        if let Some(tenant) = self.tenants.get_mut(&run.tenant) {
            for ticket in std::mem::take(&mut run.tickets) {
                tenant.close(&ticket);
            }
        }
    }

    fn drop_run(&mut self, name: &Arc<str>, t: u64, lsn: u64, after: &mut After) {
        self.end_work(name, after);
        let Some(mut run) = self.runs.remove(name) else { return };
        self.dropped = lsn;
        self.live = self.live.saturating_sub(run.bytes);
        if let Some(tenant) = self.tenants.get_mut(&run.tenant) {
            tenant.started.remove(&(run.started, name.clone()));
            tenant.ids.remove(name);
            for id in run.patches.ids() {
                tenant.patches.remove(&(id.clone(), name.clone()));
            }
        }
        if let Some((ended, retention)) = run.ended {
            self.expiring.remove(&(ended.saturating_add(retention), name.clone()));
        }
        if run.key.is_some() {
            self.tombstones.insert(name.clone(), t);
        }
        after.wake.runs.extend(run.followers.take());
        after.runs.push(run);
    }

    fn log(&mut self, name: &Arc<str>, lines: Vec<Arc<LogLine>>, lsn: u64, size: u64) {
        let Some(run) = self.runs.get_mut(name) else { return };
        run.touched = lsn;
        let before = run.log.bytes();
        lines.into_iter().for_each(|line| run.log.push(line));
        // A log is bounded, and so is what it adds to the size of its run.
        let grown = size.min((run.log.bytes().saturating_sub(before)) as u64);
        run.bytes += grown;
        self.live += grown;
    }

    fn touch(&mut self, id: u64, lsn: u64) {
        let run = self.tasks.get(id).map(|entry| entry.task.run.clone());
        if let Some(run) = run.and_then(|run| self.runs.get_mut(&run)) {
            run.touched = lsn;
        }
    }
}

impl After {
    /// Makes the calls; `news` wakes one coordinator for each signal.
    pub(super) fn run(self, news: &Notify) {
        self.wake.run();
        for _ in 0..self.signals {
            news.notify_one();
        }
    }
}

impl Tenant {
    fn close(&mut self, ticket: &Arc<str>) {
        if let Some((_, opened)) = self.tickets.remove(ticket) {
            self.asked.remove(&(opened.since, ticket.clone()));
        }
    }
}
