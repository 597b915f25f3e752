//! One process acts at a time: a Lease of our own, with a fence.
//!
//! Who holds the lease renews it; others take it over when it has not changed for its whole length by their own clock,
//! so that clocks need not agree. The holder stops acting well before that by its own clock, and every write asks
//! [`Leadership::check`] first. What is written to the store is decided by compare-and-set or under an id that follows
//! from the object, so that a holder which was stopped between that check and its write does no harm either.

mod judge;
mod keep;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::error::{Error, Result};

pub use judge::{Act, LENGTH, PATIENCE, RENEW, SAFE, Seen, judge};
pub use keep::{Keeper, Named};

/// Whether this process may act.
#[derive(Debug, Clone, Default)]
pub struct Leadership(Arc<Mutex<Option<Held>>>);

/// A lease that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    /// How often it has changed hands: the fence.
    term: i32,
    /// Until when nobody else can have it.
    until: Instant,
}

impl Leadership {
    /// The term, while nobody else can be acting.
    ///
    /// # Errors
    /// [`Error::NotLeader`].
    pub fn check(&self) -> Result<i32> {
        let held = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.filter(|held| Instant::now() < held.until)
            .map(|held| held.term)
            .ok_or(Error::NotLeader)
    }

    /// It is held from `asked` on, when the API server was asked for it.
    pub(crate) fn held(&self, term: i32, asked: Instant) {
        let until = asked + SAFE;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Held { term, until });
    }

    /// It is held no longer.
    pub(crate) fn lost(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_acts_without_it_nor_after_its_time() {
        let lease = Leadership::default();
        assert!(matches!(lease.check(), Err(Error::NotLeader)));
        lease.held(3, Instant::now());
        assert_eq!(lease.check().unwrap(), 3);
        // What was asked for long ago may have been taken over by now.
        if let Some(long_ago) = Instant::now().checked_sub(SAFE) {
            lease.held(3, long_ago);
            assert!(lease.check().is_err());
        }
        lease.held(3, Instant::now());
        lease.lost();
        assert!(lease.check().is_err());
    }
}
