//! How much one client asks: a bucket that fills again by the second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aob_engine::catalogue;
use rustc_hash::FxHashMap;

use super::Limits;
use crate::caller::Peer;
use crate::problem::{Problem, Result};

/// Most clients remembered; whoever is full again is forgotten first.
const MOST: usize = 100_000;

/// What each client has left.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<FxHashMap<Box<str>, Bucket>>);

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Rates {
    /// Takes one request off.
    ///
    /// # Errors
    /// [`catalogue::TOO_MANY`] with the time until there is one again.
    pub(super) fn take(&self, client: &str, limits: &Limits) -> Result<()> {
        self.take_at(client, limits, Instant::now())
    }

    fn take_at(&self, client: &str, limits: &Limits, now: Instant) -> Result<()> {
        let (rate, burst) = (f64::from(limits.rate.max(1)), f64::from(limits.burst.max(1)));
        let filled = |bucket: &Bucket| {
            let since = now.saturating_duration_since(bucket.at).as_secs_f64();
            (bucket.left + since * rate).min(burst)
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(client) {
            all.retain(|_, bucket| filled(bucket) < burst);
            if all.len() >= MOST {
                all.clear();
            }
        }
        let bucket = all.entry(client.into()).or_insert(Bucket { left: burst, at: now });
        bucket.left = filled(bucket);
        bucket.at = now;
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return Ok(());
        }
        let after = Duration::from_secs_f64((1.0 - bucket.left) / rate);
        let message = format!("{client} asks more than {} times a second", limits.rate);
        let mut problem = Problem::new(&catalogue::TOO_MANY, "the client", message);
        problem.retry_after = Some(after);
        Err(problem)
    }
}

/// The client behind a request that proves no name: a machine.
pub(super) fn unknown(peer: Peer) -> String {
    match peer {
        Peer::Socket => "the socket".to_owned(),
        Peer::Network(address) => address.ip().to_canonical().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Rates;
    use crate::http::Limits;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let limits = Limits { rate: 10, burst: 3, ..Limits::default() };
        let (rates, began) = (Rates::default(), Instant::now());
        let take = |client: &str, ms: u64| {
            rates.take_at(client, &limits, began + Duration::from_millis(ms))
        };
        assert!((0..3).all(|_| take("a", 0).is_ok()));
        let refused = take("a", 0).unwrap_err();
        assert_eq!(refused.retry_after, Some(Duration::from_millis(100)));
        assert!(take("b", 0).is_ok());
        assert!(take("a", 99).is_err());
        assert!(take("a", 200).is_ok());
        assert!(take("a", 10_000).is_ok());
    }
}
