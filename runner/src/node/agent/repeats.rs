//! A model that goes round in circles.

use std::collections::BTreeMap;

use aob_engine::canonical;
use serde_json::{Value, json};

/// Equal calls with equal answers after which nothing new is to be expected.
const MOST: u32 = 3;
/// Calls remembered; an attempt makes a thousand at most, and each may name several tools.
const REMEMBERED: usize = 4_096;

/// The calls of one attempt.
#[derive(Debug, Default)]
pub(super) struct Repeats(BTreeMap<String, u32>);

impl Repeats {
    /// Notes a call and what it gave; whether that has been so too often.
    pub(super) fn note(&mut self, tool: &str, arguments: &Value, gave: &str) -> bool {
        let key = canonical::digest(&json!([tool, arguments, gave]));
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&key) {
            return false;
        }
        let count = self.0.entry(key).or_default();
        *count += 1;
        *count >= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_equal_call_ends_it() {
        let mut repeats = Repeats::default();
        let call = json!({"url": "x"});
        assert!(!repeats.note("http", &call, "a"));
        assert!(!repeats.note("http", &call, "a"));
        assert!(!repeats.note("http", &call, "b"), "something else came of it");
        assert!(!repeats.note("http", &json!({"url": "y"}), "a"));
        assert!(repeats.note("http", &call, "a"));
    }
}
