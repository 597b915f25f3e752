//! Getting the lease and keeping it.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};

use crate::error::told;

use super::{Act, LENGTH, Leadership, PATIENCE, RENEW, SAFE, Seen, judge};

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
    /// What this process wrote last: it is renewed on that, without being read again.
    own: Option<Lease>,
}

/// What came of a look.
enum Turn {
    /// The lease is held.
    Held,
    /// Another process has it: look again after this.
    Wait(Duration),
    /// It was changed between being read and being written: whose it is, the next look says.
    Changed,
}

impl Keeper {
    /// Of this lease.
    pub fn new(client: Client, named: Named, leadership: Leadership) -> Self {
        let api = Api::namespaced(client, &named.namespace);
        Self { api, named, leadership, last: None, own: None }
    }

    /// Waits until the lease is held.
    pub async fn get(&mut self) {
        loop {
            match self.step().await {
                Ok(Turn::Held) => return,
                Ok(Turn::Wait(wait)) => tokio::time::sleep(wait).await,
                Ok(Turn::Changed) => tokio::time::sleep(RENEW).await,
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
                Ok(Turn::Held) => {
                    renewed = asked;
                    continue;
                }
                Ok(Turn::Wait(_)) => "another process has the lease".to_owned(),
                Ok(Turn::Changed) if renewed.elapsed() + RENEW < SAFE => continue,
                Err(error) if renewed.elapsed() + RENEW < SAFE => {
                    tracing::warn!(%error, "the lease could not be renewed");
                    continue;
                }
                Ok(Turn::Changed) => "somebody else writes it all the time".to_owned(),
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

    /// One look, and what follows.
    async fn step(&mut self) -> Result<Turn, String> {
        let turn = self.turn().await;
        if turn.is_err() {
            // Whether what was asked for was done is not known: the next look reads.
            self.own = None;
        }
        turn
    }

    async fn turn(&mut self) -> Result<Turn, String> {
        let (found, term) = match self.own.take() {
            Some(own) => {
                let term = own.spec.as_ref().and_then(|spec| spec.lease_transitions);
                (Some(own), term.unwrap_or(1))
            }
            None => match self.look().await? {
                (_, Act::Wait(wait)) => return Ok(Turn::Wait(wait)),
                (found, Act::Create) => (found, 1),
                (found, Act::Renew(term) | Act::Take(term)) => (found, term),
            },
        };
        let lease = self.lease(found, term);
        let asked = Instant::now();
        let written = answered(async {
            if lease.metadata.resource_version.is_some() {
                self.api.replace(&self.named.name, &PostParams::default(), &lease).await
            } else {
                self.api.create(&PostParams::default(), &lease).await
            }
        });
        match written.await? {
            Ok(written) => {
                self.leadership.held(term, asked);
                self.own = Some(written);
                Ok(Turn::Held)
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Turn::Changed),
            Err(error) => Err(told(&error)),
        }
    }

    /// Reads it, and judges.
    async fn look(&mut self) -> Result<(Option<Lease>, Act), String> {
        let found = answered(self.api.get_opt(&self.named.name)).await?;
        let found = found.map_err(|error| told(&error))?;
        let spec = found.as_ref().map(|lease| lease.spec.clone().unwrap_or_default());
        let since = match &self.last {
            Some((same, since)) if *same == spec => *since,
            _ => Instant::now(),
        };
        self.last = Some((spec.clone(), since));
        let seen = Seen { unchanged: since.elapsed() };
        let act = judge(spec.as_ref(), &self.named.own, seen);
        Ok((found, act))
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

/// An answer of the API server, if it comes in time.
async fn answered<T>(question: impl Future<Output = T>) -> Result<T, String> {
    let answer = tokio::time::timeout(PATIENCE, question).await;
    answer.map_err(|_| "the API server does not answer".to_owned())
}
