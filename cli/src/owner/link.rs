//! What this process is to the store, which changes when the owner of a data directory ends.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aob_engine::catalogue;
use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_runner::runs::Runs;
use aob_store::embedded::{Embedded, Options};
use aob_store::redis::RedisStore;
use async_trait::async_trait;
use serde_json::Value;

use super::place::{self, Place};
use super::protocol::OwnRules;
use super::remote::Remote;
use crate::operations::local::Local;
use crate::operations::{Operations, Request};
use crate::problem::{Problem, Result};

/// How long another process may have the directory without answering: it begins or ends just then.
const PATIENCE: Duration = Duration::from_secs(5);

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
    Guest(Remote, OwnRules),
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
            let remote = match &*role {
                Role::Redis(_, local) | Role::Owner(_, local, _) => {
                    return local.call(request).await;
                }
                Role::Guest(remote, _) => remote,
            };
            match remote.call(request.clone()).await {
                Err(problem) if problem.entry() == Some(&catalogue::UNREACHABLE) => {}
                answered => return answered,
            }
            let next = Arc::new(Role::open(&self.place).await?);
            *self.role.lock().unwrap_or_else(PoisonError::into_inner) = next;
            if matches!(request, Request::Watch { .. }) {
                // Whoever watches looks first who moves the run now.
                return Ok(Value::from(0));
            }
        }
    }
}

impl Role {
    async fn open(place: &Place) -> Result<Self> {
        let dir = match place {
            Place::Redis(url) => {
                let store = RedisStore::open(url)
                    .await
                    .map_err(|error| Problem::store(error, "--redis"))?;
                let runs = Runs::new(Arc::new(store), Registry::builtin(), Ceiling::default());
                return Ok(Self::Redis(runs.clone(), Local::new(runs)));
            }
            Place::Folder(dir) => dir,
        };
        place::make(dir)?;
        let began = Instant::now();
        loop {
            match Embedded::open(dir, Options::default()) {
                Ok(store) => {
                    let runs = Runs::new(Arc::new(store), Registry::builtin(), Ceiling::default());
                    return Ok(Self::Owner(runs.clone(), Local::new(runs), dir.clone()));
                }
                Err(aob_store::Error::Owned(_)) => {}
                Err(error) => return Err(Problem::store(error, &dir.display().to_string())),
            }
            match Remote::connect(dir).await {
                Ok((remote, rules)) => return Ok(Self::Guest(remote, rules)),
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

/// Nobody answers, though another process has the directory.
pub(super) fn silent(dir: &Path, why: &str) -> Problem {
    let message = format!("another process has {} and does not answer: {why}", dir.display());
    Problem::new(&catalogue::STORE_OWNED, dir.display().to_string(), message)
}
