//! What was asked for lately, within a weight. Two generations, as for runs: when the young one is full it becomes the
//! old one, and what is not asked for again goes with that one. Nothing is forgotten all at once.

use std::hash::Hash;

use rustc_hash::FxHashMap;

/// Values by key, each with its weight.
pub(super) struct Recent<K, V> {
    young: FxHashMap<K, (V, usize)>,
    old: FxHashMap<K, (V, usize)>,
    weight: usize,
    most: usize,
}

impl<K: Hash + Eq, V: Clone> Recent<K, V> {
    /// Nothing yet; a generation is full at this weight.
    pub(super) fn new(most: usize) -> Self {
        Self { young: FxHashMap::default(), old: FxHashMap::default(), weight: 0, most }
    }

    /// A value, which is young again.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        if let Some((value, _)) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, weight)) = self.old.remove_entry(key)?;
        self.put(key, value.clone(), weight);
        Some(value)
    }

    /// Keeps a value. One that alone is more than a generation is kept until the next comes.
    pub(super) fn put(&mut self, key: K, value: V, weight: usize) {
        if self.weight + weight > self.most && !self.young.is_empty() {
            self.weight = 0;
            self.old = std::mem::take(&mut self.young);
        }
        if let Some((_, before)) = self.young.insert(key, (value, weight)) {
            self.weight -= before;
        }
        self.weight += weight;
    }

    /// Forgets one.
    pub(super) fn remove(&mut self, key: &K) {
        if let Some((_, weight)) = self.young.remove(key) {
            self.weight -= weight;
        }
        self.old.remove(key);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn what_is_asked_for_stays_and_the_weight_is_bounded() {
        let mut recent = Recent::new(10);
        for key in 0..100_u32 {
            recent.put(key, key, 3);
            assert_eq!(recent.get(&0), Some(0), "asked for again and again");
            assert!(recent.young.len() + recent.old.len() <= 8);
        }
        assert_eq!(recent.get(&50), None, "not asked for since");
        recent.put(7, 7, 1_000);
        assert_eq!(recent.get(&7), Some(7), "too heavy, and here all the same");
        recent.put(7, 8, 1);
        recent.remove(&7);
        assert_eq!(recent.get(&7), None);
        recent.put(8, 8, 2);
        recent.put(8, 8, 2);
        assert_eq!(recent.weight, recent.young.values().map(|(_, weight)| weight).sum::<usize>());
        recent.clear();
        assert_eq!(recent.get(&8), None);
    }
}
