//! Tasks that are out: queues by type, who holds what since when, and who waits for more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::change::Published;
use super::waiting::{Waiting, Wake};
use crate::task::Claim;

/// Every task that is out.
#[derive(Default)]
pub(super) struct Tasks {
    entries: HashMap<u64, Entry>,
    /// Unclaimed, oldest first.
    queues: BTreeMap<Arc<str>, BTreeSet<u64>>,
    /// By consumer.
    owned: HashMap<Arc<str>, BTreeSet<u64>>,
    /// Claimed ones by their last sign of life.
    leases: BTreeSet<(Instant, u64)>,
    /// Who waits for a task.
    pub(super) waiting: Waiting,
}

/// One task that is out.
pub(super) struct Entry {
    pub(super) task: Arc<Published>,
    pub(super) hand: Hand,
    /// Whether it said that it begins.
    pub(super) begun: bool,
    /// The record that published it.
    pub(super) lsn: u64,
}

/// In whose hands a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hand {
    /// In the queue.
    Nobody,
    /// A consumer's, with its last sign of life.
    Worker(Arc<str>, Instant),
    /// Its answer is a signal.
    Reported,
    /// Its loss is a signal.
    Parked,
}

impl Tasks {
    pub(super) fn get(&self, id: u64) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// Puts a new task into its queue.
    pub(super) fn publish(&mut self, task: Arc<Published>, lsn: u64, wake: &mut Wake) {
        self.queue(&task.node_type).insert(task.id);
        self.waiting.call(&task.node_type, 1, wake);
        self.entries.insert(task.id, Entry { task, hand: Hand::Nobody, begun: false, lsn });
    }

    /// Takes a task out, whoever has it.
    pub(super) fn remove(&mut self, id: u64) -> Option<Entry> {
        self.let_go(id);
        self.entries.remove(&id)
    }

    /// Gives a consumer the oldest unclaimed tasks of its types.
    pub(super) fn claim(
        &mut self,
        claim: &Claim,
        max: usize,
        now: Instant,
        wake: &mut Wake,
    ) -> Vec<Arc<Published>> {
        let mut tasks = Vec::new();
        while tasks.len() < max {
            let oldest = |name: &Arc<str>| self.queues.get(name).and_then(BTreeSet::first).copied();
            let Some(id) = claim.types.iter().filter_map(oldest).min() else { break };
            self.give(id, &claim.consumer, now);
            tasks.extend(self.entries.get(&id).map(|entry| entry.task.clone()));
        }
        if !tasks.is_empty() {
            // Whoever was woken for what is left may have gone away, or may have taken something else.
            self.pass_on(&claim.types, wake);
        }
        tasks
    }

    /// Wakes one who waits for each type that still has tasks.
    pub(super) fn pass_on(&mut self, types: &[Arc<str>], wake: &mut Wake) {
        for name in types {
            if self.queues.contains_key(name) {
                self.waiting.call(name, 1, wake);
            }
        }
    }

    /// Puts a task into a consumer's hands, from now on.
    pub(super) fn give(&mut self, id: u64, consumer: &Arc<str>, now: Instant) {
        self.let_go(id);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.hand = Hand::Worker(consumer.clone(), now);
        self.leases.insert((now, id));
        match self.owned.get_mut(consumer) {
            Some(owned) => drop(owned.insert(id)),
            None => drop(self.owned.insert(consumer.clone(), BTreeSet::from([id]))),
        }
    }

    /// Takes a task out of the hands of workers.
    pub(super) fn set_aside(&mut self, id: u64, hand: Hand) {
        self.let_go(id);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.hand = hand;
        }
    }

    /// Notes that a `once` task begins.
    pub(super) fn begin(&mut self, id: u64) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.begun = true;
        }
    }

    /// What a consumer holds.
    pub(super) fn owned(&self, consumer: &str) -> impl Iterator<Item = &Entry> {
        self.owned.get(consumer).into_iter().flatten().filter_map(|id| self.entries.get(id))
    }

    /// Claimed tasks without a sign of life for as long as `lease`, at most `most`.
    pub(super) fn expired(
        &self,
        lease: Duration,
        now: Instant,
        most: usize,
    ) -> Vec<Arc<Published>> {
        let old = self
            .leases
            .iter()
            .take_while(|(since, _)| now.saturating_duration_since(*since) >= lease);
        old.take(most)
            .filter_map(|(_, id)| self.entries.get(id))
            .map(|entry| entry.task.clone())
            .collect()
    }

    /// Unclaimed tasks by type: how many, and the oldest.
    pub(super) fn queued(&self) -> impl Iterator<Item = (&Arc<str>, usize, &Published)> {
        self.queues.iter().filter_map(|(name, queue)| {
            let oldest = self.entries.get(queue.first()?)?;
            Some((name, queue.len(), &*oldest.task))
        })
    }

    /// When a worker last gave a sign of life for a task of a type.
    pub(super) fn last_sign(&self, node_type: &str) -> Option<Instant> {
        let of_type = |id: &u64| {
            self.entries.get(id).is_some_and(|entry| &*entry.task.node_type == node_type)
        };
        self.leases.iter().rev().find(|(_, id)| of_type(id)).map(|(sign, _)| *sign)
    }

    /// Every task.
    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    fn queue(&mut self, node_type: &Arc<str>) -> &mut BTreeSet<u64> {
        self.queues.entry(node_type.clone()).or_default()
    }

    fn let_go(&mut self, id: u64) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        match std::mem::replace(&mut entry.hand, Hand::Parked) {
            Hand::Nobody => {
                if let Some(queue) = self.queues.get_mut(&entry.task.node_type) {
                    queue.remove(&id);
                    if queue.is_empty() {
                        self.queues.remove(&entry.task.node_type);
                    }
                }
            }
            Hand::Worker(consumer, since) => {
                self.leases.remove(&(since, id));
                if let Some(owned) = self.owned.get_mut(&consumer) {
                    owned.remove(&id);
                    if owned.is_empty() {
                        self.owned.remove(&consumer);
                    }
                }
            }
            Hand::Reported | Hand::Parked => {}
        }
    }
}
