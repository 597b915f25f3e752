//! Signals: each is given to one coordinator; what one left pending is taken over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::task::Signal;

/// Every signal that has not been answered, by number.
#[derive(Default)]
pub(super) struct Inbox {
    entries: BTreeMap<u64, Entry>,
    /// Given to nobody.
    free: BTreeSet<u64>,
    /// Given, by when.
    pending: BTreeSet<(Instant, u64)>,
}

struct Entry {
    signal: Arc<Signal>,
    given: Option<Instant>,
    lsn: u64,
}

impl Inbox {
    /// A new signal, written by a record.
    pub(super) fn insert(&mut self, id: u64, signal: Arc<Signal>, lsn: u64) {
        self.entries.insert(id, Entry { signal, given: None, lsn });
        self.free.insert(id);
    }

    /// An answered signal goes.
    pub(super) fn remove(&mut self, id: u64) {
        let Some(entry) = self.entries.remove(&id) else { return };
        self.free.remove(&id);
        if let Some(given) = entry.given {
            self.pending.remove(&(given, id));
        }
    }

    /// Gives out signals: what has been pending for as long as `takeover` first, then the oldest; with the
    /// youngest record that wrote one of them.
    pub(super) fn give(
        &mut self,
        max: usize,
        takeover: Duration,
        now: Instant,
    ) -> (Vec<(u64, Arc<Signal>)>, u64) {
        let (mut given, mut lsn) = (Vec::new(), 0);
        while given.len() < max {
            let late = self
                .pending
                .first()
                .filter(|(since, _)| now.saturating_duration_since(*since) >= takeover);
            let Some(id) = late.map(|(_, id)| *id).or_else(|| self.free.first().copied()) else {
                break;
            };
            let Some(entry) = self.entries.get_mut(&id) else { break };
            if let Some(before) = entry.given.replace(now) {
                self.pending.remove(&(before, id));
            }
            self.free.remove(&id);
            self.pending.insert((now, id));
            given.push((id, entry.signal.clone()));
            lsn = lsn.max(entry.lsn);
            if takeover.is_zero() && given.len() >= self.entries.len() {
                break;
            }
        }
        (given, lsn)
    }

    /// When the next pending signal is taken over.
    pub(super) fn next_takeover(&self, takeover: Duration) -> Option<Instant> {
        self.pending.first().and_then(|(since, _)| since.checked_add(takeover))
    }

    /// Whether there is one that nobody has been given.
    pub(super) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// Every signal with its number.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, &Arc<Signal>)> {
        self.entries.iter().map(|(id, entry)| (*id, &entry.signal))
    }
}
