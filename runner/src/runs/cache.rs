//! States and outputs of runs that this process has seen lately. Two generations: when the young one is
//! full it becomes the old one, and what is not asked for again goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aob_engine::state::State;
use aob_engine::step::Envelope;
use rustc_hash::FxHashMap;
use serde_json::Value;

/// Most bytes of one generation, roughly.
const GENERATION: usize = 64 * 1024 * 1024;
/// What an entry costs beside its values.
const ENTRY: usize = 512;

/// What is known of a run: its state, and context entries that were looked for.
#[derive(Clone, Default)]
pub(super) struct Known {
    pub(super) state: Option<Arc<State>>,
    pub(super) context: BTreeMap<String, Option<Envelope>>,
}

#[derive(Default)]
pub(super) struct Cache {
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: FxHashMap<Arc<str>, Known>,
    old: FxHashMap<Arc<str>, Known>,
    bytes: usize,
}

impl Cache {
    /// Takes what is known of a run out of the cache: whoever decides puts it back.
    pub(super) fn take(&self, run: &str) -> Known {
        let mut all = self.lock();
        match all.young.remove(run) {
            Some(known) => known,
            None => all.old.remove(run).unwrap_or_default(),
        }
    }

    /// Puts back what is known now.
    pub(super) fn put(&self, run: &Arc<str>, known: Known, grown: usize) {
        let mut all = self.lock();
        all.bytes += grown + ENTRY;
        if all.bytes > GENERATION {
            all.bytes = 0;
            all.old = std::mem::take(&mut all.young);
        }
        all.young.insert(run.clone(), known);
    }

    /// The state last seen, if any.
    pub(super) fn peek(&self, run: &str) -> Option<Arc<State>> {
        let all = self.lock();
        all.young.get(run).or_else(|| all.old.get(run)).and_then(|known| known.state.clone())
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.lock() = Generations::default();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Roughly the memory of a value.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 32,
        Value::String(text) => 32 + text.len(),
        Value::Array(items) => 32 + items.iter().map(weight).sum::<usize>(),
        Value::Object(members) => {
            32 + members.iter().map(|(key, value)| 48 + key.len() + weight(value)).sum::<usize>()
        }
    }
}
