//! Answers that are believed for a while, and never more than so many.

use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

/// Most answers that are kept.
const MOST: usize = 10_000;

/// Answers by what was asked.
#[derive(Debug)]
pub(super) struct Kept<K, V> {
    fresh: Duration,
    answers: Mutex<FxHashMap<K, (V, Instant)>>,
}

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    pub(super) fn new(fresh: Duration) -> Self {
        Self { fresh, answers: Mutex::default() }
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(key).filter(|(_, at)| at.elapsed() < self.fresh).map(|(value, _)| value.clone())
    }

    pub(super) fn put(&self, key: K, value: V) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            let fresh = self.fresh;
            answers.retain(|_, (_, at)| at.elapsed() < fresh);
            // Whoever asks ever different things asks the cluster each time.
            if answers.len() >= MOST {
                answers.clear();
            }
        }
        answers.insert(key, (value, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Kept, MOST};

    #[test]
    fn an_answer_is_kept_for_a_while_and_they_are_not_without_number() {
        let kept = Kept::new(Duration::from_secs(3600));
        for number in 0..=MOST {
            kept.put(number, true);
        }
        assert_eq!((kept.get(&0), kept.get(&MOST)), (None, Some(true)));
        assert_eq!(kept.answers.lock().unwrap().len(), 1);
        let short = Kept::new(Duration::ZERO);
        short.put(1, true);
        assert_eq!(short.get(&1), None);
    }
}
