//! A node of a cluster: applies the profiles, looks again, says on the Node object how it stands, puts back at the end.
//!
//! It is what a DaemonSet runs. A stop alone puts nothing back, for every new version stops the old one: it does so
//! when the ConfigMap says `mode: revert`, or when it is stopped and its DaemonSet is gone.

mod api;
mod report;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aob_telemetry::admin::Admin;
use aob_telemetry::health::Health;
use aob_telemetry::metrics::metrics;

use crate::apply::{apply, revert};
use crate::plan::Aim;
use crate::problem::{Problem, Result};
use crate::profile::Profiles;
use crate::root::Root;
use crate::status::Status;

use api::Api;
use report::{Report, State};

/// Where an agent works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the Node object.
    pub node: String,
    /// Namespace of the agent's objects.
    pub namespace: String,
    /// Name of its DaemonSet.
    pub set: String,
    /// Name of its ConfigMap.
    pub map: String,
    /// Time between two looks.
    pub every: Duration,
    /// Where metrics are served, if anywhere.
    pub admin: Option<SocketAddr>,
}

/// Nodes are told again after so many looks, whatever they were told.
const AGAIN: u32 = 20;

/// Serves until it is told to stop.
///
/// # Errors
/// If there is no access to the cluster's API, or the metrics' address is taken. What fails on the node is said on the
/// Node object, and tried again.
pub async fn agent(root: Root, profiles: Profiles, aim: Aim, options: Options) -> Result<()> {
    let api = Api::within()?;
    let _admin = match options.admin {
        Some(address) => {
            Some(Admin::listen(address, Arc::new(Health::default())).await.map_err(|error| {
                Problem::Cluster { what: format!("metrics on {address}: {error}"), status: None }
            })?)
        }
        None => None,
    };
    let mut agent =
        Agent { root, profiles, aim, options, api, told: None, looks: 0, applied: false };
    // A task of its own, so that signals are heard from here on and not only while nothing is done.
    let mut stop = tokio::spawn(aob_telemetry::stopped());
    tokio::task::yield_now().await;
    loop {
        agent.look().await;
        tokio::select! {
            why = &mut stop => {
                let why = why.ok().and_then(std::result::Result::ok).unwrap_or("no signals");
                tracing::info!(why, "aob-node stops");
                return agent.end().await;
            }
            () = tokio::time::sleep(agent.options.every) => {}
        }
    }
}

struct Agent {
    root: Root,
    profiles: Profiles,
    aim: Aim,
    options: Options,
    api: Api,
    told: Option<Report>,
    looks: u32,
    applied: bool,
}

impl Agent {
    /// One look: what is asked for, what is so, and the Node told of it.
    async fn look(&mut self) {
        let report = match self.api.mode(&self.options.namespace, &self.options.map).await {
            Ok(mode) if mode == "revert" => self.put_back(),
            Ok(_) => self.keep(),
            Err(problem) => {
                // Without the cluster's word nothing is changed; the label goes when it is reachable again.
                tracing::warn!(%problem, "the mode cannot be read");
                return;
            }
        };
        self.looks += 1;
        if self.told.as_ref() == Some(&report) && !self.looks.is_multiple_of(AGAIN) {
            return;
        }
        let turned = self.told.as_ref().is_none_or(|told| told.state != report.state);
        match self.api.tell(&self.options.node, &report, turned).await {
            Ok(()) => {
                tracing::info!(state = report.state.name(), why = report.why, "the node is told");
                self.told = Some(report);
            }
            Err(problem) => tracing::warn!(%problem, "the node cannot be told"),
        }
    }

    /// Applies once; afterwards only looks. Whoever changes a value back is not fought with: the node says so.
    fn keep(&mut self) -> Report {
        if !self.applied {
            let done = apply(&self.root, &self.profiles, &self.aim, true, &mut |step| {
                tracing::info!(step, "applying");
                Ok(())
            });
            match done {
                Ok(_) => self.applied = true,
                Err(problem) => return self.report(State::Degraded, problem.to_string()),
            }
        }
        match Status::read(&self.root, &self.profiles, &self.aim) {
            Ok(status) => {
                for (of, count) in [("us", status.drift.len()), ("others", status.owned.len())] {
                    metrics().node_drift.set([of], count as u64);
                }
                if status.tuned() {
                    return self.report(State::Tuned, String::new());
                }
                let drift = status
                    .drift
                    .iter()
                    .map(|one| format!("{} is {}, should be {}", one.what, one.found, one.wanted));
                let mut why: Vec<String> = drift.chain(status.owned).collect();
                if why.is_empty() {
                    why.push("not applied in whole".to_owned());
                    self.applied = false;
                }
                self.report(State::Degraded, why.join("; "))
            }
            Err(problem) => self.report(State::Degraded, problem.to_string()),
        }
    }

    fn put_back(&mut self) -> Report {
        self.applied = false;
        match revert(&self.root, &mut |step| {
            tracing::info!(step, "putting back");
            Ok(())
        }) {
            Ok(done) => self.report(State::Reverted, done.left.join("; ")),
            Err(problem) => self.report(State::Degraded, problem.to_string()),
        }
    }

    fn report(&self, state: State, why: String) -> Report {
        for one in [State::Tuned, State::Degraded, State::Reverted] {
            let name = one.name().to_ascii_lowercase();
            metrics().node_tuning.set([&name], u64::from(one == state));
        }
        Report { state, why, profiles: self.profiles.digest.clone() }
    }

    /// Stopped: for a new version nothing is put back; with the DaemonSet gone all of it.
    async fn end(&mut self) -> Result<()> {
        if !self.api.gone(&self.options.namespace, &self.options.set).await {
            return Ok(());
        }
        let report = self.put_back();
        let told = self.api.tell(&self.options.node, &report, true).await;
        if let Err(problem) = told {
            // An uninstall takes the agent's rights away too. `aob-node release` comes before that.
            tracing::warn!(%problem, "the node is put back and cannot be told");
        }
        if report.state == State::Reverted {
            return Ok(());
        }
        Err(Problem::Cluster { what: report.why, status: None })
    }
}

/// Lets every agent put its node back, and waits until all have.
///
/// # Errors
/// If a node is still tuned after `timeout`, named with the others.
pub async fn release(namespace: String, map: String, timeout: Duration) -> Result<()> {
    let api = Api::within()?;
    api.set_mode(&namespace, &map, "revert").await?;
    let waiting = async {
        loop {
            let tuned = api.held().await?;
            if tuned.is_empty() {
                return Ok::<(), Problem>(());
            }
            tracing::info!(nodes = tuned.join(" "), "waiting for nodes");
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    };
    match tokio::time::timeout(timeout, waiting).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let nodes = api.held().await?.join(", ");
            Err(Problem::Cluster { what: format!("still tuned: {nodes}"), status: None })
        }
    }
}
