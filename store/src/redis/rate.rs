//! What tenants are debited with: in shard 0, so that one clock and one count hold for all.

use aob_engine::tier::Tier;

use super::RedisStore;
use super::args::Args;
use super::value::int;
use crate::Result;
use crate::admission::{Admitted, Debit, check_debit};
use crate::patched::check_names;

impl RedisStore {
    pub(super) async fn debit(&self, debit: &Debit) -> Result<Admitted> {
        check_debit(debit)?;
        let mut args = Args::default();
        args.push(&*debit.tenant);
        args.push(name(debit.tier));
        args.push(&debit.id);
        args.number(debit.limit.into());
        args.number(debit.window.as_millis() as u64);
        match debit.now {
            Some(now) => args.number(now),
            None => args.push(""),
        }
        let answer = int(&self.function("aob1_rate", 0, &args).await?);
        Ok(u64::try_from(answer).map_or(Admitted::Taken, Admitted::After))
    }

    pub(super) async fn give_back(&self, tenant: &str, tier: Option<Tier>, id: &str) -> Result<()> {
        check_names(&[tenant, id])?;
        let mut args = Args::default();
        [tenant, name(tier), id, ""].iter().for_each(|text| args.push(text));
        self.function("aob1_rate", 0, &args).await.map(drop)
    }
}

/// The last part of the key; no tier is called `all`.
fn name(tier: Option<Tier>) -> &'static str {
    tier.map_or("all", Tier::name)
}
