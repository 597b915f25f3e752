//! Where a verb acts: on Redis, on the data directory of this process, or through the process that owns it.

mod place;
pub(crate) mod protocol;
pub(crate) mod remote;
mod serve;
mod settings;
mod socket;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aob_engine::catalogue;
use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_runner::runs::Runs;
use aob_runner::service::Service;
use aob_store::embedded::{Embedded, Options};
use aob_store::redis::RedisStore;

use crate::operations::Asked;
use crate::operations::local::Local;
use crate::problem::{Problem, Result};
use remote::Remote;
use serve::Server;

pub(crate) use place::{Place, quoted};
pub(crate) use protocol::OwnRules;
pub(crate) use settings::Settings;

/// How long another process may have the directory without answering: it begins or ends just then.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open store, or a connection to the process that has it open.
pub(crate) struct Access {
    /// What can be asked.
    pub(crate) operations: Asked,
    role: Role,
    driving: Option<Driving>,
}

/// What this process is to the store.
enum Role {
    /// One of any number on Redis.
    Redis(Arc<Runs>),
    /// The owner of this directory.
    Owner(Arc<Runs>, PathBuf),
    /// A guest of this process.
    Guest(OwnRules),
}

/// What moves runs in this process.
struct Driving {
    service: Service,
    server: Option<Server>,
}

impl Access {
    /// Opens the place. An owner that begins or ends just now is waited for.
    pub(crate) async fn open(place: &Place) -> Result<Self> {
        match place {
            Place::Redis(url) => {
                let store = RedisStore::open(url).await.map_err(|error| Problem::store(error, "--redis"))?;
                let runs = Runs::new(Arc::new(store), Registry::builtin(), Ceiling::default());
                Ok(Self::new(Arc::new(Local::new(runs.clone())), Role::Redis(runs)))
            }
            Place::Folder(dir) => {
                place::make(dir)?;
                let began = Instant::now();
                loop {
                    match Embedded::open(dir, Options::default()) {
                        Ok(store) => {
                            let runs = Runs::new(Arc::new(store), Registry::builtin(), Ceiling::default());
                            return Ok(Self::new(Arc::new(Local::new(runs.clone())), Role::Owner(runs, dir.clone())));
                        }
                        Err(aob_store::Error::Owned(_)) => {}
                        Err(error) => return Err(Problem::store(error, &dir.display().to_string())),
                    }
                    match Remote::connect(dir).await {
                        Ok((remote, rules)) => return Ok(Self::new(Arc::new(remote), Role::Guest(rules))),
                        Err(problem) if problem.entry() != Some(&catalogue::STORE_OWNED) || began.elapsed() > PATIENCE => {
                            return Err(problem);
                        }
                        Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                }
            }
        }
    }

    fn new(operations: Asked, role: Role) -> Self {
        Self { operations, role, driving: None }
    }

    /// The rules of the process that runs the nodes, if that is another one.
    pub(crate) fn guest_of(&self) -> Option<&OwnRules> {
        match &self.role {
            Role::Guest(rules) => Some(rules),
            Role::Redis(_) | Role::Owner(..) => None,
        }
    }

    /// Whether this process has a data directory to itself.
    pub(crate) fn is_owner(&self) -> bool {
        matches!(self.role, Role::Owner(..))
    }

    /// Begins to move runs in this process and, as owner of a directory, to serve others. A guest leaves both to
    /// its host.
    pub(crate) async fn drive(&mut self, settings: &Settings) -> Result<()> {
        if self.driving.is_some() {
            return Ok(());
        }
        let (runs, dir) = match &self.role {
            Role::Redis(runs) => (runs, None),
            Role::Owner(runs, dir) => (runs, Some(dir)),
            Role::Guest(_) => return Ok(()),
        };
        let service = Service::spawn(&settings.service(runs.clone(), dir.is_some()));
        let server = match dir {
            Some(dir) => Some(Server::begin(dir, self.operations.clone(), settings.rules()).await?),
            None => None,
        };
        self.driving = Some(Driving { service, server });
        Ok(())
    }

    /// How many other processes follow runs that this one moves.
    pub(crate) fn guests(&self) -> usize {
        self.driving.as_ref().and_then(|driving| driving.server.as_ref()).map_or(0, Server::guests)
    }

    /// Waits until no guest is left.
    pub(crate) async fn guests_gone(&self) {
        if let Some(server) = self.driving.as_ref().and_then(|driving| driving.server.as_ref()) {
            server.guests_gone().await;
        }
    }

    /// Ends: nothing new is claimed, what runs finishes or is handed back, everything is on disk.
    pub(crate) async fn close(mut self) -> Result<()> {
        if let Some(Driving { service, server }) = self.driving.take() {
            service.stop().await;
            if let Some(server) = server {
                server.end().await;
            }
        }
        let (runs, about) = match &self.role {
            Role::Redis(runs) => (runs, "--redis".to_owned()),
            Role::Owner(runs, dir) => (runs, dir.display().to_string()),
            Role::Guest(_) => return Ok(()),
        };
        runs.store().close().await.map_err(|error| Problem::store(error, &about))
    }
}

/// Nobody answers, though another process has the directory.
pub(crate) fn silent(dir: &Path, why: &str) -> Problem {
    let message = format!("another process has {} and does not answer: {why}", dir.display());
    Problem::new(&catalogue::STORE_OWNED, dir.display().to_string(), message)
}
