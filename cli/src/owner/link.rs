//! What this process is to the store, which changes when the owner of a data directory ends.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aob_engine::catalogue;
use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_gateway::caller::Caller;
use aob_gateway::client::Client;
use aob_gateway::operation::{About, NodeRules};
use aob_gateway::perform::{Local, Performer};
use aob_runner::runs::Runs;
use aob_store::Store;
use aob_store::archive::Archived;
use aob_store::embedded::{Embedded, Options};
use aob_store::redis::RedisStore;
use async_trait::async_trait;
use serde_json::Value;

use super::cluster::{self, Relay};
use super::place::{self, Place};
use super::{gateway, user};
use crate::operations::{Operations, Request};
use crate::problem::{Problem, Result};

/// How long another process may have the directory without answering: it begins or ends just then.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the successor of a process that stays is waited for.
const SUCCESSOR: Duration = Duration::from_secs(60);

/// The way to a store. A guest whose host has ended asks its successor, or becomes that itself.
pub(super) struct Link {
    place: Place,
    role: Mutex<Arc<Role>>,
}

/// What this process is to the store.
pub(super) enum Role {
    /// One of any number on Redis.
    Redis(Arc<Runs>, Local),
    /// The owner of this directory.
    Owner(Arc<Runs>, Local, PathBuf),
    /// A guest of a process with these rules.
    Guest(Client, NodeRules),
    /// One of any number that ask a gateway, by way of kubectl if that leads there.
    Gateway(Reached),
}

/// A gateway, and what keeps the way to it open.
pub(super) struct Reached {
    client: Client,
    _relay: Option<Relay>,
}

impl Link {
    /// Opens the place.
    pub(super) async fn open(place: &Place) -> Result<Self> {
        let role = Mutex::new(Arc::new(Role::open(place).await?));
        Ok(Self { place: place.clone(), role })
    }

    /// What this process is just now.
    pub(super) fn role(&self) -> Arc<Role> {
        self.role.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Operations for Link {
    async fn call(&self, request: Request) -> Result<Value> {
        loop {
            let role = self.role();
            let client = match &*role {
                Role::Redis(_, local) | Role::Owner(_, local, _) => {
                    return local.call(request).await;
                }
                Role::Gateway(reached) => return patiently(&reached.client, request).await,
                Role::Guest(client, _) => client,
            };
            match client.call(request.clone()).await {
                Err(problem) if problem.entry() == Some(&catalogue::UNREACHABLE) => {}
                answered => return answered,
            }
            let stays = matches!(&*role, Role::Guest(_, rules) if rules.stays);
            let next = Arc::new(Role::after(&self.place, stays).await?);
            *self.role.lock().unwrap_or_else(PoisonError::into_inner) = next;
            if matches!(request, Request::Watch { .. }) {
                // Whoever watches looks first who moves the run now.
                return Ok(Value::from(0));
            }
        }
    }
}

/// Asks a gateway. One that has just gone is likely to come back, or another to take its place: what only reads is
/// asked again for a while.
async fn patiently(client: &Client, request: Request) -> Result<Value> {
    let began = Instant::now();
    let reads = aob_gateway::route::encode(&request)
        .is_ok_and(|(route, _)| matches!(route.method, aob_gateway::route::Method::Get));
    loop {
        match client.call(request.clone()).await {
            Err(problem)
                if reads
                    && problem.entry() == Some(&catalogue::UNREACHABLE)
                    && began.elapsed() < PATIENCE * 2 => {}
            answered => return answered,
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

impl Role {
    /// Opens the place after its owner has ended. One that stays until it is told to stop has a successor, most
    /// likely, which is waited for: whoever follows a run must not keep it from the directory.
    async fn after(place: &Place, stays: bool) -> Result<Self> {
        let began = Instant::now();
        while let (true, Place::Folder(dir)) = (stays && began.elapsed() < SUCCESSOR, place) {
            if let Ok((client, rules)) = visit(dir).await {
                return Ok(Self::Guest(client, rules));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self::open(place).await
    }

    async fn open(place: &Place) -> Result<Self> {
        let dir = match place {
            Place::Redis(url) => {
                let store = RedisStore::open(url)
                    .await
                    .map_err(|error| Problem::store(error, "--redis"))?;
                let runs = runs(Arc::new(store))?;
                return Ok(Self::Redis(runs.clone(), local(runs)));
            }
            Place::Gateway(server) => {
                let (client, _relay) = if server.url.starts_with(cluster::SCHEME) {
                    let (client, relay) = cluster::connect(server).await?;
                    (client, Some(relay))
                } else {
                    (gateway::connect(server)?, None)
                };
                client.about().await?;
                return Ok(Self::Gateway(Reached { client, _relay }));
            }
            Place::Folder(dir) => dir,
        };
        place::make(dir)?;
        let began = Instant::now();
        loop {
            match Embedded::open(dir, Options::default()) {
                Ok(store) => {
                    let runs = runs(Arc::new(store))?;
                    return Ok(Self::Owner(runs.clone(), local(runs), dir.clone()));
                }
                Err(aob_store::Error::Owned(_)) => {}
                Err(error) => return Err(Problem::store(error, &dir.display().to_string())),
            }
            match visit(dir).await {
                Ok((client, rules)) => return Ok(Self::Guest(client, rules)),
                Err(problem)
                    if problem.entry() != Some(&catalogue::STORE_OWNED)
                        || began.elapsed() > PATIENCE =>
                {
                    return Err(problem);
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// The runs of a store, and of its archive.
fn runs(store: Arc<dyn Store>) -> Result<Arc<Runs>> {
    let store = Archived::before(store, Place::archive().as_deref());
    let store = store.map_err(|error| Problem::store(error, "AOB_ARCHIVE"))?;
    Ok(Runs::new(store, Registry::builtin(), Ceiling::default()))
}

/// Asks these runs in the user's name.
fn local(runs: Arc<Runs>) -> Local {
    let mut caller = Caller::owner(format!("user:{}", user()));
    caller.groups = crate::groups::groups();
    Local::new(Performer::new(runs, About::this(None)), caller)
}

/// Connects to the owner, and learns by which rules it runs nodes.
pub(super) async fn visit(dir: &Path) -> Result<(Client, NodeRules)> {
    let client = Client::in_folder(dir, &user()).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => strange(dir, &error.to_string()),
        _ => silent(dir, &error.to_string()),
    })?;
    let about = client.about().await.map_err(|problem| match problem.entry() {
        Some(entry) if entry == &catalogue::UNREACHABLE => silent(dir, "it hung up"),
        _ => problem,
    })?;
    let rules =
        about.rules.ok_or_else(|| strange(dir, "it does not say by which rules it runs"))?;
    Ok((client, rules))
}

fn strange(dir: &Path, why: &str) -> Problem {
    Problem::new(&catalogue::PROTOCOL, dir.display().to_string(), why)
}

/// Nobody answers, though another process has the directory.
pub(super) fn silent(dir: &Path, why: &str) -> Problem {
    let message = format!("another process has {} and does not answer: {why}", dir.display());
    Problem::new(&catalogue::STORE_OWNED, dir.display().to_string(), message)
}
