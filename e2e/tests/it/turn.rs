//! One test at a time: they measure times and counts, and some of them take every core there is.

use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{Mutex, MutexGuard};

static TURN: Mutex<()> = Mutex::const_new(());

/// A test's turn; when it ends, the time it took is printed.
pub(crate) struct Turn {
    name: &'static str,
    since: Instant,
    _alone: MutexGuard<'static, ()>,
}

impl Turn {
    /// Waits until no other test is under way.
    pub(crate) async fn take(name: &'static str) -> Self {
        let alone = TURN.lock().await;
        Self { name, since: Instant::now(), _alone: alone }
    }

    /// Random choices of this test: `AOB_SEED` repeats them.
    pub(crate) fn random(&self) -> StdRng {
        let seed = number("AOB_SEED").unwrap_or_else(rand::random);
        println!("{}: AOB_SEED={seed}", self.name);
        StdRng::seed_from_u64(seed)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        println!("time {}: {:.1} s", self.name, self.since.elapsed().as_secs_f64());
    }
}

/// A number of the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
