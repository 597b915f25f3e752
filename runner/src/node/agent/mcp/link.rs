//! Connections to servers: one for each, made when it is first needed, and anew when it has broken.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;

use aob_engine::catalogue::{AGENT_SERVER, AGENT_TOOL};
use rmcp::model::{ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, ClientServiceExt as _, Peer, RoleClient,
    RunningService,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ServiceError};
use tokio::process::Child;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::settings::{Limits, Reached, Server};
use crate::node::exec::Group;
use crate::node::{ExecPolicy, Failure};

/// Connections to one server.
pub(super) struct Links {
    open: Mutex<Option<Arc<Link>>>,
    calls: Arc<Semaphore>,
}

/// A connection; the process behind it, if there is one, ends with it.
struct Link {
    running: RunningService<RoleClient, Silent>,
    _process: Option<(Group, Child)>,
}

/// A connection in use.
pub(super) struct InUse {
    link: Arc<Link>,
    _place: OwnedSemaphorePermit,
}

/// Gives a server nothing that it asks for: no other model, no folders, no person.
struct Silent;

impl ClientHandler for Silent {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.client_info = Implementation::new("aob", env!("CARGO_PKG_VERSION"));
        info
    }
}

impl Links {
    pub(super) fn new(calls: usize) -> Self {
        Self { open: Mutex::new(None), calls: Arc::new(Semaphore::new(calls)) }
    }

    /// The connection, made if there is none that stands.
    ///
    /// # Errors
    /// The server cannot be reached now, or its program may not be started here.
    pub(super) async fn get(
        &self,
        server: &Server,
        limits: &Limits,
        exec: &ExecPolicy,
    ) -> Result<InUse, Failure> {
        let gone = || unreachable(server, "it is being closed");
        let place = self.calls.clone().acquire_owned();
        let place = tokio::time::timeout(limits.call, place).await;
        let place = place.map_err(|_| unreachable(server, "all places for calls are taken"))?;
        let place = place.map_err(|_| gone())?;
        // Whoever comes while it is being made waits for it.
        let mut open = self.open.lock().await;
        if let Some(link) = open.as_ref().filter(|link| !link.running.is_transport_closed()) {
            return Ok(InUse { link: link.clone(), _place: place });
        }
        let made = tokio::time::timeout(limits.connect, connect(server, limits, exec)).await;
        let made = made.map_err(|_| {
            unreachable(server, &format!("no connection within {} s", limits.connect.as_secs()))
        })?;
        let link = Arc::new(made?);
        *open = Some(link.clone());
        Ok(InUse { link, _place: place })
    }

    /// Forgets a connection that an error says is broken.
    pub(super) fn drop_if_broken(&self, error: &ServiceError) {
        let is_broken =
            matches!(error, ServiceError::TransportClosed | ServiceError::TransportSend(_));
        // Whoever holds the lock is making a new one.
        if let (true, Ok(mut open)) = (is_broken, self.open.try_lock()) {
            *open = None;
        }
    }
}

impl InUse {
    pub(super) fn peer(&self) -> &Peer<RoleClient> {
        self.link.running.peer()
    }
}

async fn connect(server: &Server, limits: &Limits, exec: &ExecPolicy) -> Result<Link, Failure> {
    // Servers of either age: those that are asked what they are, and those that are greeted.
    let how = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: Some(ProtocolVersion::V_2025_11_25),
    };
    match &server.reached {
        Reached::Http { url, headers, authorities } => {
            let client = client(authorities, limits).map_err(|why| unreachable(server, &why))?;
            let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
                .custom_headers(headers.iter().cloned().collect::<HashMap<_, _>>())
                .max_sse_event_size(limits.answer)
                .max_json_response_size(limits.answer)
                .max_error_response_size(4 * 1024)
                .max_concurrent_requests(limits.calls);
            if let Some(key) = server.key() {
                config = config.auth_header(key);
            }
            let transport = StreamableHttpClientTransport::with_client(client, config);
            let running = Silent.serve_with_lifecycle(transport, how).await;
            let running = running.map_err(|error| unreachable(server, &refused(&error)))?;
            Ok(Link { running, _process: None })
        }
        Reached::Process { command, env } => {
            let Some((program, arguments)) = command.split_first() else {
                return Err(unreachable(server, "its command is empty"));
            };
            if !exec.allows(program) {
                let message = format!(
                    "the server `{}` is the program `{program}`, which may not be started here: the runner's operator allows it with --allow-exec",
                    server.name
                );
                return Err(Failure::new(&AGENT_TOOL, message));
            }
            let mut child = tokio::process::Command::new(program)
                .args(arguments)
                .env_clear()
                .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
                .envs(env)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
                .map_err(|error| unreachable(server, &format!("`{program}`: {error}")))?;
            let group = Group::of(&child);
            let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
                return Err(unreachable(server, "it has no pipes"));
            };
            let transport =
                AsyncRwTransport::new_client(stdout, stdin).with_max_line_length(limits.answer);
            let running = Silent.serve_with_lifecycle(transport, how).await;
            let running = running.map_err(|error| unreachable(server, &refused(&error)))?;
            Ok(Link { running, _process: Some((group, child)) })
        }
    }
}

/// Straight to the server that is named: through no proxy, after no redirect.
fn client(authorities: &[u8], limits: &Limits) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("aob/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(limits.connect);
    if !authorities.is_empty() {
        let own = reqwest::Certificate::from_pem_bundle(authorities);
        let own = own.map_err(|error| format!("authorities: {error}"))?;
        builder = builder.tls_certs_merge(own);
    }
    builder.build().map_err(|error| format!("no HTTP client: {error}"))
}

/// Why a server could not be greeted, in words for its operator.
fn refused(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::TransportError { error, .. } => cause(&*error.error),
        other => cause(other),
    }
}

/// What is at the bottom of an error: what stands above it speaks of this program, not of the server.
pub(super) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string().chars().take(300).collect()
}

fn unreachable(server: &Server, why: &str) -> Failure {
    let message = format!("the server `{}` of the runner's settings: {why}", server.name);
    Failure::new(&AGENT_SERVER, server.scrub(&message)).retryable()
}
