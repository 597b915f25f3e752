//! When an object that could not be reconciled is tried again: each by itself, later every time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST: Duration = Duration::from_secs(300);

/// Failures in a row, by object.
#[derive(Debug, Default)]
pub struct Retries(Mutex<BTreeMap<String, u32>>);

impl Retries {
    /// One more failure; how long to wait now. `chance` in 0..1 spreads those that failed together.
    pub fn failed(&self, object: &str, chance: f64) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = all.entry(object.to_owned()).or_default();
        *failures = failures.saturating_add(1);
        wait(*failures, chance)
    }

    /// It went well.
    pub fn done(&self, object: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
    }
}

/// After so many failures in a row: twice as long each time, less up to a quarter by chance.
fn wait(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
    doubled.min(LONGEST).mul_f64(1.0 - chance.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes_and_begin_anew() {
        let retries = Retries::default();
        let waits: Vec<u64> = (0..11).map(|_| retries.failed("a", 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(retries.failed("b", 1.0), Duration::from_millis(750));
        retries.done("a");
        assert_eq!(retries.failed("a", 0.0), FIRST);
        assert_eq!(wait(u32::MAX, 0.0), LONGEST);
    }
}
