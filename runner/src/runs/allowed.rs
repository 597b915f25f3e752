//! What a tenant allows its agents, by settings of the process: in each run, kept with it from its start on, and in a day.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_engine::state::{Allowed, micros};
use aob_engine::step::ChildStart;

use super::{Error, Runs};

/// What runs are allowed, by tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentLimits {
    usual: Own,
    tenants: BTreeMap<String, Own>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Own {
    allowed: Allowed,
    usd_per_day: Option<u64>,
}

impl AgentLimits {
    /// What a list says: `agents=3` for everybody, `finance/spend=50` for one tenant; `agents`, `starts`, `spend`
    /// of a run and `usd-per-day` of all, which are US dollars.
    ///
    /// # Errors
    /// If an entry is not of this form.
    pub fn parse<S: AsRef<str>>(list: &[S]) -> Result<Self, String> {
        let mut limits = Self::default();
        for entry in list {
            let entry = entry.as_ref().trim();
            let wrong = || {
                format!(
                    "`{entry}` is no limit of agents; write `agents=3`, `starts=20`, `spend=2.50`, `usd-per-day=100`, or `TENANT/spend=50` for one tenant"
                )
            };
            let (name, amount) = entry.split_once('=').ok_or_else(wrong)?;
            let (tenant, what) = name.rsplit_once('/').map_or((None, name), |(a, b)| (Some(a), b));
            let own = match tenant {
                None => &mut limits.usual,
                Some("") => return Err(wrong()),
                Some(tenant) => limits.tenants.entry(tenant.to_owned()).or_default(),
            };
            match what {
                "agents" => own.allowed.agents = Some(amount.parse().map_err(|_| wrong())?),
                "starts" => own.allowed.agent_starts = Some(amount.parse().map_err(|_| wrong())?),
                "spend" => own.allowed.spend = Some(micros(amount).ok_or_else(wrong)?),
                "usd-per-day" => own.usd_per_day = Some(micros(amount).ok_or_else(wrong)?),
                _ => return Err(wrong()),
            }
        }
        Ok(limits)
    }

    /// What a run of a tenant is allowed.
    pub fn of(&self, tenant: &str) -> Allowed {
        let own = self.tenants.get(tenant).copied().unwrap_or_default().allowed;
        let usual = self.usual.allowed;
        Allowed {
            agents: own.agents.or(usual.agents),
            agent_starts: own.agent_starts.or(usual.agent_starts),
            spend: own.spend.or(usual.spend),
        }
    }

    /// The micro-dollars that all of a tenant's agents may cost in a day.
    pub(super) fn usd_per_day(&self, tenant: &str) -> Option<u64> {
        let own = self.tenants.get(tenant).and_then(|own| own.usd_per_day);
        own.or(self.usual.usd_per_day)
    }
}

impl Runs {
    /// What a run that starts now is allowed.
    pub(super) async fn allowed(&self, tenant: &Arc<str>) -> Result<Allowed, Error> {
        let told = self.agents.of(tenant);
        let agents = self.known_limits(tenant).await?.agents;
        Ok(Allowed { agents: agents.or(told.agents), ..told })
    }

    /// What a child run is allowed: no more than its part of what the run above has.
    pub(super) async fn allowed_child(
        &self,
        tenant: &Arc<str>,
        child: &ChildStart,
    ) -> Result<Allowed, Error> {
        fn least<N: Ord>(one: Option<N>, other: Option<N>) -> Option<N> {
            one.into_iter().chain(other).min()
        }
        let (own, part) = (self.allowed(tenant).await?, child.part);
        Ok(Allowed {
            agents: least(own.agents, Some(part.agents.saturating_add(part.room))),
            agent_starts: least(own.agent_starts, Some(part.starts)),
            spend: least(own.spend, child.spend),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_by_tenant() {
        let limits = AgentLimits::parse(&[
            "agents=3",
            "acme/agents=9",
            "acme/spend=0.5",
            "usd-per-day=7",
            "acme/usd-per-day=2.5",
        ])
        .unwrap();
        assert_eq!(limits.usd_per_day("x"), Some(7_000_000));
        assert_eq!(limits.usd_per_day("acme"), Some(2_500_000));
        let of = |tenant: &str| (limits.of(tenant).agents, limits.of(tenant).spend);
        assert_eq!((of("x"), of("acme")), ((Some(3), None), (Some(9), Some(500_000))));
        for wrong in [
            "agents",
            "agents=x",
            "/agents=1",
            "spend=-1",
            "tokens=5",
            "agents=-1",
            "usd-per-day=x",
        ] {
            assert!(AgentLimits::parse(&[wrong]).unwrap_err().contains(wrong));
        }
    }
}
