//! What tenants may have, and what their agents cost in a day.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::change::Op;
use super::shared::{Shared, Wait, wall};
use crate::Result;
use crate::spend::{DAY, Spend, Spent, check_limits, check_spend};

/// A reservation that is open: the call that made it, and micro-dollars.
pub(super) type Open = (u64, u64);

/// Days that are kept: today, the one before, whose questions may not be answered yet, and one for clocks that differ.
const KEPT: u64 = 3;

/// What is taken of a tenant's money, by day since 1970.
#[derive(Debug, Default)]
pub(super) struct Days(BTreeMap<u64, Day>);

#[derive(Debug, Default)]
struct Day {
    /// Used and reserved.
    taken: u64,
    open: HashMap<String, Open>,
}

impl Days {
    /// All that is taken of a day from now on, and what an attempt has reserved of it.
    pub(super) fn set(&mut self, day: u64, taken: u64, id: String, open: Option<Open>) {
        let last = self.0.last_key_value().map_or(day, |(last, _)| *last).max(day);
        self.0.retain(|known, _| *known + KEPT > last);
        if day + KEPT <= last {
            return;
        }
        let kept = self.0.entry(day).or_default();
        kept.taken = taken;
        match open {
            Some(open) => drop(kept.open.insert(id, open)),
            None => drop(kept.open.remove(&id)),
        }
    }

    /// As [`Days::set`] is told it: for each day what is taken, with each reservation.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, u64, &str, Option<Open>)> {
        self.0.iter().flat_map(|(&day, kept)| {
            let open = kept.open.iter().map(|(id, open)| (id.as_str(), Some(*open)));
            // Nobody has this name.
            std::iter::once(("", None))
                .chain(open)
                .map(move |(id, open)| (day, kept.taken, id, open))
        })
    }

    /// What becomes of it, and what has to be set for that.
    fn judge(&self, spend: &Spend, now: u64) -> (Spent, Vec<Set>) {
        let today = now / DAY;
        let known = |day: u64| self.0.get(&day);
        let mut sets = Vec::new();
        let mut taken = known(today).map_or(0, |day| day.taken);
        // A question that is asked at midnight counts for the day before.
        for day in [today, today.saturating_sub(1)] {
            let Some((kept, open)) =
                known(day).and_then(|kept| Some((kept, kept.open.get(&spend.id)?)))
            else {
                continue;
            };
            if open.0 == spend.call {
                return (Spent::Taken, sets);
            }
            let used = spend.used.unwrap_or(open.1);
            let left = kept.taken.saturating_sub(open.1).saturating_add(used);
            sets.push(Set { day, taken: left, open: None });
            if day == today {
                taken = left;
            }
            break;
        }
        let Some(new) = spend.reserve else { return (Spent::Taken, sets) };
        let after = taken.saturating_add(new.amount);
        if after > new.cap {
            return (Spent::Short { taken, until: (today + 1) * DAY }, sets);
        }
        sets.push(Set { day: today, taken: after, open: Some((spend.call, new.amount)) });
        (Spent::Taken, sets)
    }
}

struct Set {
    day: u64,
    taken: u64,
    open: Option<Open>,
}

impl Shared {
    pub(super) async fn take(self: &Arc<Self>, spend: &Spend) -> Result<Spent> {
        check_spend(spend)?;
        let now = spend.now.unwrap_or_else(wall);
        // The run's own reservation is written after it, to the same journal: nothing waits for the disk twice.
        self.write(Wait::No, |core| {
            let (spent, sets) = core.tenant(&spend.tenant).spent.judge(spend, now);
            let op = |Set { day, taken, open }| Op::Spend {
                tenant: spend.tenant.to_string(),
                day,
                taken,
                id: spend.id.clone(),
                open,
            };
            (sets.into_iter().map(op).collect(), spent)
        })
        .await
    }

    pub(super) fn limits(&self, tenant: &str) -> Result<Option<Vec<u8>>> {
        self.check()?;
        let core = self.core();
        let limits = core.tenants.get(tenant).and_then(|lists| lists.limits.as_deref());
        Ok(limits.map(<[u8]>::to_vec))
    }

    pub(super) async fn put_limits(
        self: &Arc<Self>,
        tenant: &str,
        document: Option<&[u8]>,
    ) -> Result<()> {
        check_limits(tenant, document)?;
        self.write(Wait::Durable, |_| {
            let document = document.map(Arc::from);
            (vec![Op::Limits { tenant: tenant.to_owned(), document }], ())
        })
        .await
    }
}
