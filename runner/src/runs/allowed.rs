//! What a tenant allows each of its runs: settings of the process that starts it, kept with the run from then on.

use std::collections::BTreeMap;

use aob_engine::state::{Allowed, micros};
use aob_engine::step::ChildStart;

/// What runs are allowed, by tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentLimits {
    usual: Allowed,
    tenants: BTreeMap<String, Allowed>,
}

impl AgentLimits {
    /// What a list says: `agents=3` for everybody, `finance/spend=50` for one tenant; `agents`, `starts` and `spend`,
    /// which is US dollars.
    ///
    /// # Errors
    /// If an entry is not of this form.
    pub fn parse<S: AsRef<str>>(list: &[S]) -> Result<Self, String> {
        let mut limits = Self::default();
        for entry in list {
            let entry = entry.as_ref().trim();
            let wrong = || {
                format!(
                    "`{entry}` is no limit of agents; write `agents=3`, `starts=20`, `spend=2.50`, or `TENANT/spend=50` for one tenant"
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
                "agents" => own.agents = Some(amount.parse().map_err(|_| wrong())?),
                "starts" => own.agent_starts = Some(amount.parse().map_err(|_| wrong())?),
                "spend" => own.spend = Some(micros(amount).ok_or_else(wrong)?),
                _ => return Err(wrong()),
            }
        }
        Ok(limits)
    }

    /// What a run of a tenant is allowed.
    pub fn of(&self, tenant: &str) -> Allowed {
        let own = self.tenants.get(tenant).copied().unwrap_or_default();
        Allowed {
            agents: own.agents.or(self.usual.agents),
            agent_starts: own.agent_starts.or(self.usual.agent_starts),
            spend: own.spend.or(self.usual.spend),
        }
    }

    /// What a child run is allowed: no more than its part of what the run above has.
    pub(super) fn of_child(&self, tenant: &str, child: &ChildStart) -> Allowed {
        fn least<N: Ord>(one: Option<N>, other: Option<N>) -> Option<N> {
            one.into_iter().chain(other).min()
        }
        let (own, part) = (self.of(tenant), child.part);
        Allowed {
            agents: least(own.agents, Some(part.agents.saturating_add(part.room))),
            agent_starts: least(own.agent_starts, Some(part.starts)),
            spend: least(own.spend, child.spend),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_by_tenant() {
        let limits = AgentLimits::parse(&["agents=3", "acme/agents=9", "acme/spend=0.5"]).unwrap();
        let of = |tenant: &str| (limits.of(tenant).agents, limits.of(tenant).spend);
        assert_eq!((of("x"), of("acme")), ((Some(3), None), (Some(9), Some(500_000))));
        for wrong in ["agents", "agents=x", "/agents=1", "spend=-1", "tokens=5", "agents=-1"] {
            assert!(AgentLimits::parse(&[wrong]).unwrap_err().contains(wrong));
        }
    }
}
