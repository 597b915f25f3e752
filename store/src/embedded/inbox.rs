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
            let is_late = |(since, _): &&(Instant, u64)| {
                // What was given out in this very call is not late, however short the time is.
                *since < now && now.saturating_duration_since(*since) >= takeover
            };
            let late = self.pending.first().filter(is_late);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use aob_engine::step::Input;
    use tokio::time::Instant;

    use super::Inbox;
    use crate::task::Signal;

    fn inbox(signals: u64) -> Inbox {
        let mut inbox = Inbox::default();
        for id in 1..=signals {
            let input = Input::Suspend { on: true, by: "user:ann".into() };
            inbox.insert(id, Arc::new(Signal { run: "run_a".into(), input, t: id }), 10 + id);
        }
        inbox
    }

    fn given(inbox: &mut Inbox, max: usize, takeover: u64, now: Instant) -> Vec<u64> {
        let (given, _) = inbox.give(max, Duration::from_millis(takeover), now);
        given.into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn oldest_first_and_what_is_late_before_it() {
        let (mut inbox, start) = (inbox(5), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(given(&mut inbox, 2, 100, at(0)), [1, 2]);
        assert_eq!(given(&mut inbox, 1, 100, at(50)), [3]);
        assert_eq!(inbox.next_takeover(Duration::from_millis(100)), Some(at(100)));
        inbox.remove(1);
        assert_eq!(given(&mut inbox, 2, 100, at(120)), [2, 4]);
        assert!(inbox.has_free());
        assert_eq!(given(&mut inbox, 9, 0, at(120)), [3, 5], "nothing twice in a moment");
        assert!(!inbox.has_free());
        assert_eq!(inbox.give(9, Duration::from_millis(1), at(500)).1, 15, "the youngest record");
    }
}
