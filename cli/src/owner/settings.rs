//! How this process moves runs.

use std::sync::Arc;
use std::time::Duration;

use aob_engine::catalogue;
use aob_gateway::operation::NodeRules;
use aob_provider::Models;
use aob_runner::node::{self, Agent, Policy};
use aob_runner::runs::Runs;
use aob_runner::secret::Secrets;
use aob_runner::service::ServiceOptions;

use crate::arguments::Rules;
use crate::problem::{Problem, Result};

/// What nodes may do in this process.
#[derive(Clone)]
pub(crate) struct Settings {
    policy: Arc<Policy>,
    secrets: Arc<Secrets>,
    nodes: Arc<node::Registry>,
    given: Rules,
}

impl Settings {
    /// As the flags say, with the models that the environment has.
    pub(crate) fn of(given: &Rules) -> Result<Self> {
        Self::asking(given, |policy| {
            Agent::from_env(policy)
                .map_err(|why| Problem::new(&catalogue::USAGE, "the environment", why))
        })
    }

    /// The same with these models.
    pub(crate) fn with(given: &Rules, models: Arc<Models>) -> Result<Self> {
        Self::asking(given, |policy| {
            Agent::new(models, policy)
                .with_servers(&|name| std::env::var(name).ok())
                .map_err(|why| Problem::new(&catalogue::USAGE, "the environment", why))
        })
    }

    fn asking(given: &Rules, agent: impl FnOnce(&Arc<Policy>) -> Result<Agent>) -> Result<Self> {
        let policy = Policy::allowing(given.allow_exec.as_deref(), given.allow_private.as_deref());
        let policy =
            policy.map_err(|why| Problem::new(&catalogue::USAGE, "--allow-private", why))?;
        let policy = Arc::new(policy);
        let secrets = match &given.secrets {
            Some(dir) => Secrets::in_folder(dir),
            None => Secrets::none(),
        };
        let agent = agent(&policy)?;
        let nodes = Arc::new(node::Registry::built_in(&policy).with(Box::new(agent)));
        Ok(Self { policy, secrets: Arc::new(secrets), nodes, given: given.clone() })
    }

    /// The types that this process runs. Alone it takes also what its rules forbid, so that the node fails with
    /// the reason instead of waiting for nobody.
    pub(crate) fn types(&self, alone: bool) -> Vec<&'static str> {
        if alone {
            self.nodes.names().collect()
        } else {
            self.nodes.allowed(&self.policy).collect()
        }
    }

    /// What guests are told.
    pub(super) fn rules(&self) -> NodeRules {
        NodeRules {
            pid: std::process::id(),
            exec: self.given.allow_exec.clone(),
            private: self.given.allow_private.clone(),
            secrets: self.given.secrets.clone(),
            stays: false,
        }
    }

    pub(super) fn service(&self, runs: Arc<Runs>, alone: bool) -> ServiceOptions {
        ServiceOptions {
            runs,
            nodes: self.nodes.clone(),
            policy: self.policy.clone(),
            secrets: self.secrets.clone(),
            types: self.types(alone).into_iter().map(Arc::from).collect(),
            coordinate: true,
            lanes: 2,
            slots: 64,
            lease: Duration::from_secs(30),
            sweep: Duration::from_millis(20),
            idle: Duration::from_millis(50),
            drain: Duration::from_secs(5),
        }
    }
}
