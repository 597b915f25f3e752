//! `http`: one request to a public server.

mod config;
mod errors;
mod exchange;
mod expect;
mod redirect;
mod reply;
mod traced;

use std::sync::{Arc, OnceLock};

use aob_engine::catalogue::{HTTP_CLIENT, HTTP_STATUS, HTTP_TIMEOUT};
use async_trait::async_trait;
use reqwest::Client;
use serde_json::Value;

use super::{Context, Failure, Guard, NodeType, Policy, Stream, Task};
use config::Call;
use traced::Traced;

/// How many idle connections per host are kept.
const IDLE: usize = 32;

/// The node type, with the connections of all its tasks.
pub(super) struct Http {
    guard: Guard,
    policy: Arc<Policy>,
    client: OnceLock<Connections>,
}

struct Connections {
    client: Client,
    /// Whether the machine has certificates to judge others by.
    roots: bool,
}

impl Http {
    pub(super) fn new(policy: &Arc<Policy>) -> Self {
        Self::guarded_by(Guard::new(policy.private.clone()), policy)
    }

    fn guarded_by(guard: Guard, policy: &Arc<Policy>) -> Self {
        Self { guard, policy: Arc::clone(policy), client: OnceLock::new() }
    }

    /// Made at first use: loading certificates takes longer than many a workflow.
    fn connections(&self) -> Result<&Connections, Failure> {
        if let Some(made) = self.client.get() {
            return Ok(made);
        }
        let builder = || {
            Client::builder()
                .user_agent(concat!("aob/", env!("CARGO_PKG_VERSION")))
                .no_proxy()
                .referer(false)
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .dns_resolver(self.guard.clone())
                .connect_timeout(self.policy.http.connect)
                .pool_max_idle_per_host(IDLE)
        };
        // A machine without certificates can still speak plain http.
        let made = match builder().build() {
            Ok(client) => Connections { client, roots: true },
            Err(_) => {
                let bare = builder().tls_certs_only([]).build();
                let client = bare.map_err(|error| {
                    Failure::new(&HTTP_CLIENT, format!("no HTTP client: {error}"))
                })?;
                Connections { client, roots: false }
            }
        };
        Ok(self.client.get_or_init(|| made))
    }

    async fn attempt(&self, task: &Task, cx: &Context) -> Result<Value, Failure> {
        let limits = &self.policy.http;
        let mut call = Call::read(task, &cx.redactor, limits)?;
        let connections = self.connections()?;
        if call.url.scheme() == "https" && !connections.roots {
            return Err(Failure::new(
                &HTTP_CLIENT,
                "this machine has no certificates to judge servers by",
            ));
        }
        let traced = Traced::begin(task, &mut call);
        let sent = exchange::send(&connections.client, &self.guard, &mut call, limits).await;
        traced.end(&sent);
        let response = sent?;
        let status = response.status();
        cx.log.line(Stream::Node, &format!("{} -> {status}", call.told()));
        if call.expect.holds(status.as_u16()) {
            return reply::read(response, &call, limits.response).await;
        }
        let failure =
            Failure::new(&HTTP_STATUS, reply::unexpected(response, &call, &cx.redactor).await);
        Err(if errors::is_passing(status.as_u16()) { failure.retryable() } else { failure })
    }
}

#[async_trait]
impl NodeType for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    async fn run(&self, task: &Task, cx: &Context) -> Result<Value, Failure> {
        let total = self.policy.http.total;
        tokio::select! {
            biased;
            reason = cx.cancel.cancelled() => Err(reason.failure()),
            ended = tokio::time::timeout(total, self.attempt(task, cx)) => ended.unwrap_or_else(|_| {
                Err(Failure::new(&HTTP_TIMEOUT, format!("no whole answer within {} s", total.as_secs_f64())).retryable())
            }),
        }
    }
}

#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;
