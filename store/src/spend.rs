//! What a tenant's agents may cost in a day of UTC: reserved before a question is asked, and booked after.

use std::sync::Arc;

use crate::patched::check_names;
use crate::{Error, Result};

/// Most micro-dollars of one reservation or cap: scripts of a server count whole numbers up to 2^53.
pub const MOST_SPEND: u64 = 1 << 50;
/// Milliseconds of a day.
pub(crate) const DAY: u64 = 86_400_000;

/// What an attempt takes of its tenant's money of the day. It has one reservation at most; what it had before is settled
/// first, on the day on which it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// Whose money it is.
    pub tenant: Arc<str>,
    /// Names the attempt.
    pub id: String,
    /// Names this call, no other of the attempt: made again it changes nothing.
    pub call: u64,
    /// Micro-dollars that were used of what the attempt had reserved; none: all of it.
    pub used: Option<u64>,
    /// What is reserved now; none: nothing more.
    pub reserve: Option<Reserve>,
    /// Milliseconds since 1970, for a simulation; none: by the store's own clock, the same for everybody who asks.
    pub now: Option<u64>,
}

/// A reservation, and what all of a day may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// Micro-dollars that a question can cost.
    pub amount: u64,
    /// Micro-dollars that the tenant may use and reserve in a day.
    pub cap: u64,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// It is reserved, or nothing was to be.
    Taken,
    /// It does not fit into the day.
    Short {
        /// Micro-dollars that are used and reserved.
        taken: u64,
        /// When the day ends, milliseconds since 1970.
        until: u64,
    },
}

/// Refuses names and numbers beyond the limits.
pub(crate) fn check_spend(spend: &Spend) -> Result<()> {
    check_names(&[&spend.tenant, &spend.id])?;
    let reserve = spend.reserve.into_iter().flat_map(|new| [new.amount, new.cap]);
    match spend.used.into_iter().chain(reserve).find(|amount| *amount > MOST_SPEND) {
        None => Ok(()),
        Some(amount) => Err(Error::Limit(format!("{amount} micro-dollars, at most {MOST_SPEND}"))),
    }
}

/// Refuses names and documents beyond the limits.
pub(crate) fn check_limits(tenant: &str, document: Option<&[u8]>) -> Result<()> {
    check_names(&[tenant])?;
    match document.map_or(0, <[u8]>::len) {
        ..=LONGEST_LIMITS => Ok(()),
        bytes => Err(Error::Limit(format!(
            "the limits of tenant {tenant} are {bytes} bytes, at most {LONGEST_LIMITS}"
        ))),
    }
}

/// Largest document of a tenant's limits, in bytes.
const LONGEST_LIMITS: usize = 4_096;
