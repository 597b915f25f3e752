//! What tenants were debited with.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use aob_engine::tier::Tier;

use super::change::Op;
use super::shared::{Shared, Wait, wall};
use crate::Result;
use crate::admission::{Admitted, Debit, check_debit};
use crate::patched::check_names;

/// What counts of a tenant's tier.
#[derive(Debug, Default)]
pub(super) struct Debits {
    by_id: HashMap<String, u64>,
    by_time: BTreeSet<(u64, String)>,
    /// How long each counts, in milliseconds.
    window: u64,
}

impl Debits {
    /// Counts one from `t` on, unless it counts already.
    pub(super) fn insert(&mut self, id: String, t: u64, window: u64) {
        self.expire(t, window);
        if !self.by_id.contains_key(&id) {
            self.by_time.insert((t, id.clone()));
            self.by_id.insert(id, t);
        }
    }

    pub(super) fn remove(&mut self, id: &str) {
        if let Some(t) = self.by_id.remove(id) {
            self.by_time.remove(&(t, id.to_owned()));
        }
    }

    /// Every debit by time, with how long it counts.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.by_time.iter().map(|(t, id)| (id.as_str(), *t, self.window))
    }

    /// Forgets what no longer counts.
    fn expire(&mut self, now: u64, window: u64) {
        self.window = window;
        while let Some((t, _)) = self.by_time.first()
            && t.saturating_add(window) <= now
            && let Some((_, id)) = self.by_time.pop_first()
        {
            self.by_id.remove(&id);
        }
    }

    /// What a clock that was set back left in the future counts from now on: it holds nobody up for longer than one
    /// window.
    fn set_back(&mut self, now: u64) {
        while let Some((t, _)) = self.by_time.last()
            && *t > now
            && let Some((_, id)) = self.by_time.pop_last()
        {
            self.by_id.insert(id.clone(), now);
            self.by_time.insert((now, id));
        }
    }

    /// Whether one is taken, and whether it has to be inserted for that.
    fn judge(&mut self, debit: &Debit, now: u64, window: u64) -> (Admitted, bool) {
        self.expire(now, window);
        self.set_back(now);
        if self.by_id.contains_key(&debit.id) {
            return (Admitted::Taken, false);
        }
        // If the limit was lowered several have to go.
        match self.by_time.len().checked_sub(debit.limit as usize) {
            None => (Admitted::Taken, true),
            Some(over) => {
                let first = self.by_time.iter().nth(over).map_or(now, |(t, _)| *t);
                (Admitted::After(first.saturating_add(window).saturating_sub(now)), false)
            }
        }
    }
}

impl Shared {
    pub(super) async fn admit(self: &Arc<Self>, debit: &Debit) -> Result<Admitted> {
        check_debit(debit)?;
        let now = debit.now.unwrap_or_else(wall);
        let window = debit.window.as_millis() as u64;
        // The start that it is for is written after it, to the same journal: nothing waits for the disk twice.
        self.write(Wait::No, |core| {
            let debits = core.tenant(&debit.tenant).debits.entry(debit.tier).or_default();
            let (admitted, counts) = debits.judge(debit, now, window);
            let op = counts.then(|| Op::Debit {
                tenant: debit.tenant.to_string(),
                tier: debit.tier,
                id: debit.id.clone(),
                t: now,
                window,
            });
            (op.into_iter().collect(), admitted)
        })
        .await
    }

    pub(super) async fn refund(
        self: &Arc<Self>,
        tenant: &str,
        tier: Option<Tier>,
        id: &str,
    ) -> Result<()> {
        check_names(&[tenant, id])?;
        self.write(Wait::No, |core| {
            let counts = core.tenants.get(tenant).and_then(|lists| lists.debits.get(&tier));
            let counts = counts.is_some_and(|debits| debits.by_id.contains_key(id));
            let op = counts.then(|| Op::Refund { tenant: tenant.into(), tier, id: id.into() });
            (op.into_iter().collect(), ())
        })
        .await
    }
}
