//! What a tenant's agents may cost in a day of UTC: reserved in the store before a question is asked, beside the books of
//! the run, and settled with the next one.

use std::sync::Arc;

use aob_engine::canonical;
use aob_engine::state::{Amount, dollars};
use aob_engine::step::ShortUntil;
use aob_engine::time::rfc3339;
use aob_store::spend::MOST_SPEND;
use aob_store::{Reserve, Spend, Spent};
use serde_json::json;

use super::{Error, Runs};
use crate::node::Task;

impl Runs {
    /// The micro-dollars that a tenant's agents may cost in a day.
    pub(super) async fn usd_per_day(&self, tenant: &str) -> Result<Option<u64>, Error> {
        // Read anew: whoever raised it has had agents ask again that wait for it.
        let own = self.limits(tenant).await?.usd_per_day;
        Ok(own.or_else(|| self.agents.usd_per_day(tenant)))
    }

    /// Settles what an attempt had reserved of its tenant's day, and reserves what its next question can cost; why that
    /// is too much, if it is.
    pub(super) async fn reserve_of_day(
        &self,
        task: &Task,
        used: Option<Amount>,
        amount: Amount,
    ) -> Result<Option<ShortUntil>, Error> {
        let used = used.map(|used| used.usd);
        if amount.usd == 0 {
            // It costs no money, and is asked of nobody.
            return self.book_of_day(task, used).await.map(|()| None);
        }
        let Some((tenant, cap)) = self.day_of(task).await? else { return Ok(None) };
        let amount = amount.usd.min(MOST_SPEND);
        let spend = spend(&tenant, task, used, Some(Reserve { amount, cap }));
        Ok(match self.store.spend(&spend).await? {
            Spent::Taken => None,
            Spent::Short { taken, until } => {
                let day = rfc3339(until.saturating_sub(1));
                let day = day.split('T').next().unwrap_or_default();
                let [taken, cap, amount] = [taken, cap, amount].map(dollars);
                let until_text = rfc3339(until);
                let why = format!(
                    "tenant {tenant} may spend {cap} USD on {day} (UTC): {taken} are used or reserved, a question may cost {amount}; it asks again at {until_text}"
                );
                Some(ShortUntil { why, until })
            }
        })
    }

    /// What is used or reserved of a tenant's day, and when that ends.
    pub(super) async fn taken_today(&self, tenant: &str) -> Result<(u64, u64), Error> {
        // Of nothing not even the least can be reserved: it is only told.
        let ask = Spend {
            tenant: tenant.into(),
            id: "-".to_owned(),
            call: 0,
            used: None,
            reserve: Some(Reserve { amount: 1, cap: 0 }),
            now: None,
        };
        Ok(match self.store.spend(&ask).await? {
            Spent::Short { taken, until } => (taken, until),
            Spent::Taken => (0, 0),
        })
    }

    /// Settles what an attempt had reserved of its tenant's day.
    pub(super) async fn book_of_day(&self, task: &Task, used: Option<u64>) -> Result<(), Error> {
        if used.is_some()
            && let Some((tenant, _)) = self.day_of(task).await?
        {
            self.store.spend(&spend(&tenant, task, used, None)).await?;
        }
        Ok(())
    }

    /// Whose day it is of, and what that may cost; none without a limit.
    async fn day_of(&self, task: &Task) -> Result<Option<(Arc<str>, u64)>, Error> {
        let known = match self.cache.peek(&task.run) {
            Some(state) => Some(state),
            None => self.store.load(&task.run).await?,
        };
        let Some(tenant) = known.map(|state| state.head.tenant.clone()) else { return Ok(None) };
        Ok(self.usd_per_day(&tenant).await?.map(|cap| (tenant, cap)))
    }
}

/// A call for an attempt.
fn spend(tenant: &Arc<str>, task: &Task, used: Option<u64>, reserve: Option<Reserve>) -> Spend {
    Spend {
        tenant: tenant.clone(),
        id: canonical::digest(&json!([task.run, task.instance, task.fence])),
        call: rand::random(),
        used: used.map(|used| used.min(MOST_SPEND)),
        reserve,
        now: None,
    }
}
