//! What a tenant is limited to, beside what processes are told: kept in the store for all of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aob_engine::state::{Asks, split_instance};
use aob_engine::step::{Decision, Input, Reply};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{Error, Runs};

/// How long what was read of a tenant is believed where a run starts.
const KNOWN: Duration = Duration::from_secs(2);
/// Most tenants of which something is believed.
const MOST_KNOWN: usize = 1_024;
/// Most questions that are answered when a tenant gets more money.
const MOST_WOKEN: usize = 10_000;

/// What a tenant is limited to. What is absent is as the process was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantLimits {
    /// Agents that are ever in one of its runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<u32>,
    /// Micro-dollars that its agents may cost in a day of UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd_per_day: Option<u64>,
    /// Runs that it may start in a minute, of all tiers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_per_minute: Option<u32>,
}

/// How a tenant stands to what it is limited to, by whomever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TenantStanding {
    /// What holds for it.
    pub limits: TenantLimits,
    /// Micro-dollars that are used or reserved of today, and when today ends (milliseconds since 1970), where a day is
    /// limited.
    pub today: Option<(u64, u64)>,
}

/// What was read of tenants lately.
#[derive(Default)]
pub(super) struct Known(Mutex<FxHashMap<Arc<str>, (Instant, TenantLimits)>>);

impl Runs {
    /// What a tenant is limited to now.
    ///
    /// # Errors
    /// The store's.
    pub async fn limits(&self, tenant: &str) -> Result<TenantLimits, Error> {
        let Some(document) = self.store.limits(tenant).await? else {
            return Ok(TenantLimits::default());
        };
        serde_json::from_slice(&document).map_err(|error| {
            aob_store::Error::Corrupt(format!("the limits of tenant {tenant:.80}: {error}")).into()
        })
    }

    /// How a tenant stands to what it is limited to now.
    ///
    /// # Errors
    /// The store's.
    pub async fn tenant_standing(&self, tenant: &str) -> Result<TenantStanding, Error> {
        let own = self.limits(tenant).await?;
        let all = self.tiers.as_ref().and_then(|tiers| tiers.of(tenant, None));
        let limits = TenantLimits {
            agents: own.agents.or_else(|| self.agents.of(tenant).agents),
            usd_per_day: own.usd_per_day.or_else(|| self.agents.usd_per_day(tenant)),
            runs_per_minute: own.runs_per_minute.or(all),
        };
        let today = match limits.usd_per_day {
            None => None,
            Some(_) => Some(self.taken_today(tenant).await?),
        };
        Ok(TenantStanding { limits, today })
    }

    /// Limits a tenant from now on; a run that has started keeps the agents that it was allowed. With more money for the
    /// day, agents that wait for it ask again. Told again it changes nothing.
    ///
    /// # Errors
    /// The store's.
    pub async fn put_limits(&self, tenant: &str, limits: &TenantLimits) -> Result<(), Error> {
        let before = self.limits(tenant).await?;
        if before == *limits {
            return Ok(());
        }
        let document = serde_json::to_vec(limits).map_err(|error| {
            aob_store::Error::Limit(format!("the limits of tenant {tenant:.80}: {error}"))
        })?;
        let is_none = *limits == TenantLimits::default();
        self.store.put_limits(tenant, (!is_none).then_some(&document[..])).await?;
        let told = self.agents.usd_per_day(tenant);
        let most = |limits: &TenantLimits| limits.usd_per_day.or(told).unwrap_or(u64::MAX);
        if most(limits) > most(&before) {
            self.ask_for_money_again(tenant).await?;
        }
        Ok(())
    }

    /// What a tenant was limited to a moment ago.
    pub(super) async fn known_limits(&self, tenant: &Arc<str>) -> Result<TenantLimits, Error> {
        if let Some((read, limits)) = self.known.lock().get(tenant).copied()
            && read.elapsed() < KNOWN
        {
            return Ok(limits);
        }
        let limits = self.limits(tenant).await?;
        let mut known = self.known.lock();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(tenant.clone(), (Instant::now(), limits));
        Ok(limits)
    }

    /// Has agents ask again that wait for the tenant's money of the day.
    async fn ask_for_money_again(&self, tenant: &str) -> Result<(), Error> {
        for open in self.store.tickets(tenant, MOST_WOKEN).await? {
            if open.asks != "budget" || !self.waits_for_day(&open.run, &open.instance).await? {
                continue;
            }
            let retry = Decision {
                instance: open.instance,
                ticket: Some(open.ticket),
                answer: Reply::Retry,
                by: "system".to_owned(),
                groups: Vec::new(),
                reason: Some("the tenant may spend more".to_owned()),
            };
            self.apply(&open.run, vec![Input::Decision(retry)]).await?;
        }
        Ok(())
    }

    /// Whether an instance waits for its tenant's money: only then it is told when it will ask again.
    async fn waits_for_day(&self, run: &str, instance: &str) -> Result<bool, Error> {
        let Some(state) = self.store.load(run).await? else { return Ok(false) };
        let (scope, id) = split_instance(instance);
        let Some(marking) = state.scopes.get(scope) else { return Ok(false) };
        let ir = self.ir_of_revision(&state, marking.revision).await?;
        let live = ir.find(id).and_then(|ix| marking.live.get(&(ir.slot(ix) as u32)));
        Ok(live.is_some_and(|live| {
            let asks = live.ticket.as_ref().map(|ticket| ticket.asks);
            asks == Some(Asks::Budget) && live.due.is_some()
        }))
    }
}

impl Known {
    fn lock(&self) -> std::sync::MutexGuard<'_, FxHashMap<Arc<str>, (Instant, TenantLimits)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
