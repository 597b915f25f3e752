//! `agent`: asks a language model, which may call tools and propose a patch to the graph it runs in.
//!
//! One attempt is one conversation ([`talk`]). Whatever the model says is data: calls are looked at by [`guard`] and
//! [`tools`], proposals by [`drafts`], and the answer by [`answer`]. What the run knows and decides is asked of a
//! [`Desk`], the model of a [`Mind`].

mod advice;
mod answer;
mod config;
mod desk;
mod drafts;
mod edits;
mod guard;
mod mcp;
mod mind;
mod prompt;
mod repeats;
mod talk;
mod tools;
mod transcript;

pub use desk::{Closing, Desk, Finished, Granted, Judged, Scene};
pub(crate) use guard::before_answer;
pub use mind::Mind;

use std::sync::{Arc, OnceLock};

use aob_engine::catalogue::{AGENT_NO_MODEL, NOT_SERVED};
use aob_provider::{Models, Settings};
use async_trait::async_trait;
use serde_json::Value;

use super::http::Http;
use super::{Context, Failure, NodeType, Policy, Task};

/// The node type, with the models that its runner reaches.
pub struct Agent {
    mind: Arc<dyn Mind>,
    http: Http,
    servers: mcp::Servers,
    desk: OnceLock<Arc<dyn Desk>>,
}

impl Agent {
    /// Asks the models that the environment has, those of the file that `AOB_MODELS` names or whose keys are set, and
    /// offers the tools of the servers in the file that `AOB_MCP` names.
    ///
    /// # Errors
    /// The setting that cannot be.
    pub fn from_env(policy: &Arc<Policy>) -> Result<Self, String> {
        let get = |name: &str| std::env::var(name).ok();
        let settings = Settings::from_env(&get).map_err(|error| error.to_string())?;
        let models = Models::new(settings).map_err(|error| error.to_string())?;
        Self::new(Arc::new(models), policy).with_servers(&get)
    }

    /// The same, with the servers of tools in the file that `AOB_MCP` names.
    ///
    /// # Errors
    /// The setting that cannot be.
    pub fn with_servers(self, get: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        Ok(Self { servers: mcp::Servers::from_env(get)?, ..self })
    }

    /// Asks these models; requests of its tools keep to the rules of the runner, and follow no redirect.
    pub fn new(mind: Arc<dyn Mind>, policy: &Arc<Policy>) -> Self {
        let mut rules = Policy::clone(policy);
        rules.http.redirects = 0;
        let http = Http::new(&Arc::new(rules));
        Self { mind, http, servers: mcp::Servers::none(), desk: OnceLock::new() }
    }
}

#[async_trait]
impl NodeType for Agent {
    fn name(&self) -> &'static str {
        "agent"
    }

    fn is_allowed(&self, _: &Policy) -> bool {
        self.mind.is_any()
    }

    fn attach(&self, desk: &Arc<dyn Desk>) {
        // Whoever was first keeps it: a registry serves the runs of one store.
        let _ = self.desk.set(desk.clone());
    }

    async fn run(&self, task: &Task, cx: &Context) -> Result<Value, Failure> {
        let desk = self.desk.get().ok_or_else(|| {
            Failure::new(
                &NOT_SERVED,
                "this registry is attached to no runs, and an agent needs its own",
            )
        })?;
        let config = config::Config::read(&task.input)?;
        if !self.mind.knows(&config.model) {
            let message = format!("{} is no model that this runner reaches", config.model);
            return Err(Failure::new(&AGENT_NO_MODEL, message));
        }
        let scene = desk.scene(task).await?;
        guard::before_model(&scene)?;
        let reach = tools::Reach { http: &self.http, servers: &self.servers };
        let talk = talk::Talk::begin(task, cx, &**desk, &*self.mind, reach, config, scene);
        talk.run().await
    }
}
