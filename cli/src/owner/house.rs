//! A process that has a data directory until it is told to stop: it moves runs, and serves others.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aob_engine::catalogue;
use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_gateway::caller::open::Open;
use aob_gateway::caller::tokens::Tokens;
use aob_gateway::caller::{Caller, Door};
use aob_gateway::http::{ServeOptions, Server, Tls};
use aob_gateway::operation::{About, NodeRules};
use aob_gateway::perform::{Local, Performer};
use aob_runner::runs::{self, Runs, TierLimits};
use aob_runner::service::Service;
use aob_runner::vitals;
use aob_store::Store;
use aob_store::archive::Archived;
use aob_store::embedded::{self, Embedded};
use aob_store::redis::RedisStore;
use aob_telemetry::health::Health;

use super::link::visit;
use super::{Settings, guests, place, user};
use crate::problem::{Problem, Result};

/// How long a verb that has the directory just now is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the API is served beside the socket.
pub(crate) struct Listen {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Tls>,
    /// The file of tokens; none: whoever is on this machine.
    pub(crate) tokens: Option<PathBuf>,
}

/// An open store and everything that works on it.
pub(crate) struct House {
    about: String,
    runs: Arc<Runs>,
    performer: Arc<Performer>,
    service: Service,
    servers: Vec<Server>,
    /// What holds the directory, if its journal does not.
    _lock: Option<File>,
}

impl House {
    /// Opens the directory, or the server and the directory for its socket, and begins.
    pub(crate) async fn open(
        dir: &Path,
        redis: Option<&str>,
        archive: Option<&str>,
        settings: &Settings,
        listen: Option<Listen>,
    ) -> Result<Self> {
        place::make(dir)?;
        let door = listen.as_ref().map(door).transpose()?;
        let (store, lock) = store(dir, redis).await?;
        let store = Archived::before(store, archive);
        let store = store.map_err(|error| Problem::store(error, "--archive"))?;
        // Whoever asks a process that stays is admitted by tier, as behind a gateway.
        let tiers = TierLimits::parse::<&str>(&[])
            .map_err(|why| Problem::new(&catalogue::USAGE, "the limits of tiers", why))?;
        let how = runs::Settings { tiers: Some(tiers), ..Default::default() };
        let runs = Runs::with(store, Registry::builtin(), Ceiling::default(), how);
        let rules = NodeRules { stays: true, ..settings.rules() };
        let performer = Performer::new(runs.clone(), About::this(Some(rules)));
        let mut servers = vec![Server::in_folder(dir, guests(performer.clone()))?];
        if let (Some(listen), Some(door)) = (listen, door) {
            let options = ServeOptions::all(performer.clone(), door, Default::default());
            servers.push(Server::on_address(listen.address, listen.tls, options).await?);
        }
        let service = Service::spawn(&settings.service(runs.clone(), redis.is_none()));
        let about = if redis.is_some() { "--redis".to_owned() } else { dir.display().to_string() };
        Ok(Self { about, runs, performer, service, servers, _lock: lock })
    }

    /// Where the API is served, if it is.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.servers.iter().find_map(Server::address)
    }

    /// Tells the admin port what there is.
    pub(crate) fn watch(&self, health: &Health) {
        vitals::watch(health, &self.runs, &self.service);
    }

    /// Asks it in somebody's name.
    pub(crate) fn ask(&self, name: &str) -> Local {
        Local::new(self.performer.clone(), Caller::owner(name))
    }

    /// Ends: what runs finishes or is handed back, what was asked is answered, everything is on disk.
    pub(crate) async fn close(self) -> Result<()> {
        let Self { about, runs, service, servers, .. } = self;
        service.stop().await;
        for server in servers {
            server.end().await;
        }
        runs.store().close().await.map_err(|error| Problem::store(error, &about))
    }
}

/// Who is let in at an address.
fn door(listen: &Listen) -> Result<Arc<dyn Door>> {
    match &listen.tokens {
        Some(file) => Ok(Arc::new(Tokens::open(file)?)),
        None if listen.address.ip().to_canonical().is_loopback() => {
            Ok(Arc::new(Open::new(format!("user:{}", user())).of(crate::groups::groups())))
        }
        None => {
            let message = format!(
                "{} can be reached from elsewhere: say who may ask with --tokens FILE, or listen on 127.0.0.1",
                listen.address
            );
            Err(Problem::new(&catalogue::USAGE, "--listen", message))
        }
    }
}

/// Opens the store and takes the directory; a verb that has it just now is waited for.
async fn store(dir: &Path, redis: Option<&str>) -> Result<(Arc<dyn Store>, Option<File>)> {
    let began = Instant::now();
    loop {
        let taken = match redis {
            None => {
                Embedded::open(dir, embedded::Options::default()).map(|store| (Some(store), None))
            }
            Some(_) => embedded::own(dir).map(|lock| (None, Some(lock))),
        };
        let about = dir.display().to_string();
        match (taken, redis) {
            (Ok((Some(store), _)), _) => return Ok((Arc::new(store), None)),
            (Ok((None, lock)), Some(url)) => {
                let store = RedisStore::open(url).await;
                let store = store.map_err(|error| Problem::store(error, "--redis"))?;
                return Ok((Arc::new(store), lock));
            }
            (Ok((None, _)), None) => {}
            (Err(aob_store::Error::Owned(_)), _) => {
                if let Ok((_, rules)) = visit(dir).await {
                    let message = format!("process {} has {about} already", rules.pid);
                    return Err(Problem::new(&catalogue::STORE_OWNED, about, message));
                }
                if began.elapsed() > PATIENCE {
                    return Err(super::link::silent(dir, "nobody listens on its socket"));
                }
            }
            (Err(error), _) => return Err(Problem::store(error, &about)),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
