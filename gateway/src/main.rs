//! `aob-gateway`: any number of these processes serve one Redis. Nothing in their memory matters.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use aob_engine::catalogue;
use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_gateway::caller::Door;
use aob_gateway::caller::open::Open;
use aob_gateway::caller::tokens::Tokens;
use aob_gateway::http::{Limits, ServeOptions, Server, Tls};
use aob_gateway::operation::About;
use aob_gateway::perform::Performer;
use aob_gateway::problem::{Problem, Result};
use aob_runner::runs::{AgentLimits, Runs, Settings, TierLimits};
use aob_store::redis::RedisStore;
use clap::Parser;

/// Serves the API of workflow runs.
#[derive(Debug, Parser)]
#[command(
    name = "aob-gateway",
    version,
    after_help = "\
Without --tokens only this machine itself is served, and whoever asks is believed.

Examples:
  aob-gateway --redis redis://127.0.0.1:6379
  aob-gateway --redis redis://redis:6379 --listen 0.0.0.0:8443 --tokens /etc/aob/tokens.yaml \\
      --tls-cert /etc/aob/tls.crt --tls-key /etc/aob/tls.key"
)]
struct Args {
    /// The Redis or Valkey server: redis://, rediss:// or unix://
    #[arg(
        long,
        env = "AOB_REDIS",
        value_name = "URL",
        hide_env_values = true,
        default_value = "redis://127.0.0.1:6379"
    )]
    redis: String,
    /// The address to serve; port 0 takes a free one, which is printed
    #[arg(long, env = "AOB_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// A file of tokens: name, SHA-256, groups, tenants and roles of each
    #[arg(long, env = "AOB_TOKENS", value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Certificates in PEM; with them the address speaks TLS
    #[arg(long, env = "AOB_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the first certificate
    #[arg(long, env = "AOB_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Requests of a client in a second, in the long run
    #[arg(long, env = "AOB_RATE", default_value = "200", value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Starts of runs in a minute: simple=100, standard=20, heavy=5, for everybody or for one tenant (finance/heavy=50)
    #[arg(
        long,
        env = "AOB_TIER_LIMITS",
        value_delimiter = ',',
        value_name = "[TENANT/]TIER=NUMBER"
    )]
    tier_limits: Vec<String>,
    /// What each run may have of agents: agents=3, starts=20, spend=2.50 (US dollars), for everybody or for one tenant
    #[arg(
        long,
        env = "AOB_AGENT_LIMITS",
        value_delimiter = ',',
        value_name = "[TENANT/]LIMIT=NUMBER"
    )]
    agent_limits: Vec<String>,
    /// Prints a generated page of the documentation and ends
    #[arg(long, hide = true)]
    print: Option<Page>,
}

/// What is generated from the tables of routes and of metrics.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Page {
    /// `docs/reference/openapi.json`.
    Openapi,
    /// `docs/reference/rights.md`.
    Rights,
    /// `docs/reference/metrics.md`.
    Metrics,
}

impl Page {
    fn text(self) -> String {
        match self {
            Self::Openapi => {
                let document = aob_gateway::openapi::document();
                serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
            }
            Self::Rights => aob_gateway::route::page::rights(),
            Self::Metrics => aob_telemetry::metrics::page(),
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(page) = args.print {
        use std::io::Write as _;
        return match std::io::stdout().write_all(page.text().as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    aob_telemetry::log(aob_telemetry::Format::Auto, "info");
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no runtime can be started");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(serve(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            for finding in &problem.findings {
                tracing::error!("{}", finding.text(false).trim_end());
            }
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args) -> Result<()> {
    let door: Arc<dyn Door> = match &args.tokens {
        Some(path) => Arc::new(Tokens::open(path)?),
        None if args.listen.ip().is_loopback() => Arc::new(Open::new("user:anonymous")),
        None => {
            let message = "an address that others reach is served to those with a token only";
            return Err(
                Problem::new(&catalogue::USAGE, "--listen", message).detail("--tokens FILE")
            );
        }
    };
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificates), Some(key)) => Some(Tls::open(certificates, key)?),
        _ => None,
    };
    let store =
        RedisStore::open(&args.redis).await.map_err(|error| Problem::store(error, "--redis"))?;
    let tiers = TierLimits::parse(&args.tier_limits)
        .map_err(|why| Problem::new(&catalogue::USAGE, "--tier-limits", why))?;
    let agents = AgentLimits::parse(&args.agent_limits)
        .map_err(|why| Problem::new(&catalogue::USAGE, "--agent-limits", why))?;
    let settings = Settings { tiers: Some(tiers), agents, ..Settings::default() };
    let runs = Runs::with(Arc::new(store), Registry::builtin(), Ceiling::default(), settings);
    let limits =
        Limits { rate: args.rate, burst: args.rate.saturating_mul(2), ..Limits::default() };
    let performer = Performer::new(runs.clone(), About::this(None));
    let options = ServeOptions { performer, door, limits };
    let secure = tls.is_some();
    let server = Server::on_address(args.listen, tls, options).await?;
    let address = server.address().unwrap_or(args.listen);
    tracing::info!(%address, tls = secure, tokens = args.tokens.is_some(), "aob-gateway serves");
    notify("READY=1");
    let why = aob_telemetry::stopped()
        .await
        .map_err(|error| Problem::new(&catalogue::SYSTEM, "signals", error.to_string()))?;
    tracing::info!(why, "aob-gateway stops: answering what was asked");
    notify("STOPPING=1");
    server.end().await;
    runs.store().close().await.map_err(|error| Problem::store(error, "--redis"))
}

/// Tells systemd how it stands, if that wants to know (sd_notify(3)).
fn notify(state: &str) {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let path = path.to_string_lossy().into_owned();
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let sent = address
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = sent {
        tracing::warn!(%error, "systemd could not be told");
    }
}
