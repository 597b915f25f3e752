//! Getting the lease and keeping it.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};

use crate::error::told;

use super::{Act, LENGTH, Leadership, RENEW, SAFE, Seen, judge};

/// How long one question to the API server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which lease, and in whose name.
#[derive(Debug, Clone)]
pub struct Named {
    /// The operator's namespace.
    pub namespace: String,
    /// The lease.
    pub name: String,
    /// This process: no other has the same name, nor has this one after a restart.
    pub own: String,
}

/// Gets the lease and keeps it.
pub struct Keeper {
    api: Api<Lease>,
    named: Named,
    leadership: Leadership,
    /// What was read last, and since when it has been that.
    last: Option<(Option<LeaseSpec>, Instant)>,
}

impl Keeper {
    /// Of this lease.
    pub fn new(client: Client, named: Named, leadership: Leadership) -> Self {
        let api = Api::namespaced(client, &named.namespace);
        Self { api, named, leadership, last: None }
    }

    /// Waits until the lease is held.
    pub async fn get(&mut self) {
        loop {
            match self.step().await {
                Ok(None) => return,
                Ok(Some(wait)) => tokio::time::sleep(wait).await,
                Err(error) => {
                    tracing::warn!(%error, "the lease cannot be asked for");
                    tokio::time::sleep(RENEW).await;
                }
            }
        }
    }

    /// Keeps it until it is lost.
    pub async fn keep(&mut self) -> String {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(RENEW).await;
            let asked = Instant::now();
            let why = match self.step().await {
                Ok(None) => {
                    renewed = asked;
                    continue;
                }
                Ok(Some(_)) => "another process has the lease".to_owned(),
                Err(error) if renewed.elapsed() + RENEW < SAFE => {
                    tracing::warn!(%error, "the lease could not be renewed");
                    continue;
                }
                Err(error) => format!("the lease could not be renewed in time: {error}"),
            };
            self.leadership.lost();
            return why;
        }
    }

    /// Gives it back, so that another process need not wait.
    pub async fn give_back(&mut self) {
        self.leadership.lost();
        let given = tokio::time::timeout(PATIENCE, async {
            let Some(mut lease) = self.api.get_opt(&self.named.name).await? else { return Ok(()) };
            if let Some(spec) = lease.spec.as_mut().filter(|spec| self.is_own(spec)) {
                spec.holder_identity = Some(String::new());
                self.api.replace(&self.named.name, &PostParams::default(), &lease).await?;
            }
            Ok::<_, kube::Error>(())
        })
        .await;
        if !matches!(given, Ok(Ok(()))) {
            tracing::info!("the lease was not given back; it ends by itself");
        }
    }

    fn is_own(&self, spec: &LeaseSpec) -> bool {
        spec.holder_identity.as_deref() == Some(&self.named.own)
    }

    /// One look, and what follows; none if the lease is held now, else when to look again.
    async fn step(&mut self) -> Result<Option<Duration>, String> {
        let done = tokio::time::timeout(PATIENCE, self.turn()).await;
        done.map_err(|_| "the API server does not answer".to_owned())?.map_err(|error| told(&error))
    }

    async fn turn(&mut self) -> kube::Result<Option<Duration>> {
        let asked = Instant::now();
        let found = self.api.get_opt(&self.named.name).await?;
        let spec = found.as_ref().map(|lease| lease.spec.clone().unwrap_or_default());
        let since = match &self.last {
            Some((same, since)) if *same == spec => *since,
            _ => Instant::now(),
        };
        self.last = Some((spec.clone(), since));
        let seen = Seen { unchanged: since.elapsed() };
        let term = match judge(spec.as_ref(), &self.named.own, seen) {
            Act::Wait(wait) => return Ok(Some(wait)),
            Act::Create => 1,
            Act::Renew(term) | Act::Take(term) => term,
        };
        let lease = self.lease(found, term);
        let written = if lease.metadata.resource_version.is_some() {
            self.api.replace(&self.named.name, &PostParams::default(), &lease).await
        } else {
            self.api.create(&PostParams::default(), &lease).await
        };
        match written {
            Ok(_) => {
                self.leadership.held(term, asked);
                Ok(None)
            }
            // Another was faster: its lease is read next.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Some(RENEW)),
            Err(error) => Err(error),
        }
    }

    /// The lease as this process holds it in a term.
    fn lease(&self, found: Option<Lease>, term: i32) -> Lease {
        let now = MicroTime(Timestamp::now());
        let before = found.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let acquired = before.acquire_time.clone().filter(|_| self.is_own(&before));
        Lease {
            metadata: found.map_or_else(
                || ObjectMeta { name: Some(self.named.name.clone()), ..ObjectMeta::default() },
                |lease| ObjectMeta { managed_fields: None, ..lease.metadata },
            ),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.named.own.clone()),
                lease_duration_seconds: Some(LENGTH.as_secs() as i32),
                acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
                renew_time: Some(now),
                lease_transitions: Some(term),
                ..before
            }),
        }
    }
}
