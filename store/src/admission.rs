//! What a tenant's starts are counted by: debits of the last while, by tier.

use std::sync::Arc;
use std::time::Duration;

use aob_engine::tier::Tier;

use crate::patched::check_names;
use crate::{Error, Result};

/// Most debits that are counted for a tenant and tier.
pub const MOST_DEBITS: u32 = 10_000;
/// Longest time over which debits are counted.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(3_600);

/// A start, or what is dear like one, that a tenant asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debit {
    /// Who owns it.
    pub tenant: Arc<str>,
    /// What it counts as; none: a start, of whatever tier.
    pub tier: Option<Tier>,
    /// Names it: asked for again under the same name while it counts, it is not counted again.
    pub id: String,
    /// How many are taken within the window, 1..=[`MOST_DEBITS`].
    pub limit: u32,
    /// How long one counts.
    pub window: Duration,
    /// Milliseconds since 1970, for a simulation; none: by the store's own clock, the same for everybody who asks.
    pub now: Option<u64>,
}

/// What became of a debit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It counts from now on, or did already.
    Taken,
    /// It would be taken in so many milliseconds, when the oldest that is in its way no longer counts.
    After(u64),
}

/// Refuses a debit beyond the limits.
pub(crate) fn check_debit(debit: &Debit) -> Result<()> {
    check_names(&[&debit.tenant, &debit.id])?;
    if !(1..=MOST_DEBITS).contains(&debit.limit) {
        let limit = debit.limit;
        return Err(Error::Limit(format!("{limit} starts of a tier: from 1 to {MOST_DEBITS}")));
    }
    if debit.window.is_zero() || debit.window > LONGEST_WINDOW {
        let (window, most) = (debit.window, LONGEST_WINDOW);
        return Err(Error::Limit(format!("starts counted over {window:?}: at most {most:?}")));
    }
    Ok(())
}
