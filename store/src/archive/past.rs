//! A run of the archive in memory, and the few that were asked for last.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use aob_engine::patch::Record;
use aob_engine::state::State;
use aob_engine::step::Envelope;

use crate::{Chain, LogLine, Result, patched};

/// Most runs that are kept in memory.
const MOST: usize = 64;
/// Most bytes of their events, logs and documents.
const MOST_BYTES: usize = 64 << 20;

/// A run that has ended and left the store.
pub(super) struct Past {
    pub(super) state: Arc<State>,
    pub(super) parts: Parts,
    bytes: usize,
}

/// What it has beside its state.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) events: Vec<Vec<u8>>,
    pub(super) context: BTreeMap<String, Envelope>,
    /// Lines with their positions.
    pub(super) logs: Vec<(u64, LogLine)>,
    pub(super) patches: Vec<Record>,
    /// Revisions and their documents.
    pub(super) bases: Vec<(u32, Vec<u8>)>,
}

impl Parts {
    pub(super) fn of(self, state: Arc<State>) -> Past {
        let size = |envelope: &Envelope| {
            envelope.value.as_ref().map_or(0, |value| value.to_string().len())
        };
        let bytes = self.events.iter().map(Vec::len).sum::<usize>()
            + self.logs.iter().map(|(_, line)| line.text.len()).sum::<usize>()
            + self.bases.iter().map(|(_, document)| document.len()).sum::<usize>()
            + self.context.values().map(size).sum::<usize>();
        Past { state, parts: self, bytes }
    }
}

impl Past {
    pub(super) fn seq(&self) -> u64 {
        self.parts.events.len() as u64
    }

    pub(super) fn events(&self, after: u64, most: usize) -> Vec<Vec<u8>> {
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        self.parts.events.iter().skip(after).take(most).cloned().collect()
    }

    pub(super) fn logs(&self, after: u64, most: usize) -> (Vec<LogLine>, u64) {
        let later = self.parts.logs.iter().filter(|(at, _)| *at >= after).take(most);
        let (places, lines): (Vec<u64>, Vec<LogLine>) = later.cloned().unzip();
        (lines, places.last().map_or(after, |last| last + 1))
    }

    pub(super) fn context(&self, keys: &[String]) -> BTreeMap<String, Envelope> {
        let found = keys.iter().filter_map(|key| self.parts.context.get_key_value(key));
        found.map(|(key, entry)| (key.clone(), entry.clone())).collect()
    }

    pub(super) fn chain(&self, run: &str, revision: u32) -> Result<Chain> {
        if revision > self.state.head.revision {
            return Err(patched::no_revision(run, revision));
        }
        let bases = self.parts.bases.iter().filter(|(base, _)| *base <= revision);
        let base = bases.max_by_key(|(base, _)| *base).cloned();
        patched::chain(run, base, self.parts.patches.clone(), revision)
    }
}

/// Runs that were read, the last used at the end.
#[derive(Default)]
pub(super) struct Cache {
    kept: VecDeque<(Arc<str>, Arc<Past>)>,
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&mut self, run: &str) -> Option<Arc<Past>> {
        let place = self.kept.iter().position(|(name, _)| **name == *run)?;
        let entry = self.kept.remove(place)?;
        let past = entry.1.clone();
        self.kept.push_back(entry);
        Some(past)
    }

    pub(super) fn put(&mut self, run: &str, past: Arc<Past>) {
        if self.get(run).is_some() {
            return;
        }
        self.bytes += past.bytes;
        self.kept.push_back((run.into(), past));
        while self.kept.len() > MOST || (self.bytes > MOST_BYTES && self.kept.len() > 1) {
            let Some((_, gone)) = self.kept.pop_front() else { return };
            self.bytes -= gone.bytes;
        }
    }
}
