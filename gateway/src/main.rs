//! `aob-gateway`: any number of these processes serve one Redis. Nothing in their memory matters.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aob_engine::catalogue;
use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_gateway::caller::Door;
use aob_gateway::caller::kubernetes::{Kubernetes, Settings as Cluster};
use aob_gateway::caller::oidc::Oidc;
use aob_gateway::caller::open::Open;
use aob_gateway::caller::tokens::Tokens;
use aob_gateway::http::{Limits, Serve, ServeOptions, Server, Tls};
use aob_gateway::operation::About;
use aob_gateway::perform::Performer;
use aob_gateway::problem::{Problem, Result};
use aob_runner::runs::{AgentLimits, Runs, Settings, TierLimits};
use aob_runner::vitals;
use aob_store::archive::Archived;
use aob_store::redis::{Options, RedisStore};
use aob_telemetry::admin::Admin;
use aob_telemetry::health::Health;
use aob_telemetry::notify::Manager;
use aob_telemetry::{Format, Stop, trace};
use clap::Parser;

/// How long a last batch of spans may take to be sent.
const FLUSH: Duration = Duration::from_secs(3);

/// Serves the API of workflow runs.
#[derive(Debug, Parser)]
#[command(
    name = "aob-gateway",
    version,
    after_help = "\
Without --tokens, --oidc and --kubernetes only this machine itself is served, and whoever asks is believed.

Examples:
  aob-gateway --redis redis://127.0.0.1:6379
  aob-gateway --redis redis://redis:6379 --listen 0.0.0.0:8443 --tokens /etc/aob/tokens.yaml \\
      --tls-cert /etc/aob/tls.crt --tls-key /etc/aob/tls.key --admin 127.0.0.1:9464

RUST_LOG chooses what is logged at first. Traces are sent if OTEL_EXPORTER_OTLP_ENDPOINT says where to."
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
    /// Which part: everything, all but streams of events, or what followers ask
    #[arg(long, env = "AOB_SERVE", default_value = "all", value_name = "PART", value_parser = ["all", "api", "fanout"])]
    serve: String,
    /// Where ended runs are once they have left Redis, as the runners have it: file:///DIR or s3://BUCKET/FOLDER
    #[arg(long, env = "AOB_ARCHIVE", value_name = "URL")]
    archive: Option<String>,
    /// A file of tokens: name, SHA-256, groups, tenants and roles of each
    #[arg(long, env = "AOB_TOKENS", value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// A file that names an OIDC provider, and what its users may do; with --kubernetes that knows the rights
    #[arg(long, env = "AOB_OIDC", value_name = "FILE", conflicts_with = "tokens")]
    oidc: Option<PathBuf>,
    /// Ask Kubernetes who a caller is and what it may do; audiences of the callers' tokens
    #[arg(
        long,
        env = "AOB_KUBERNETES",
        value_delimiter = ',',
        value_name = "AUDIENCES",
        conflicts_with = "tokens"
    )]
    kubernetes: Vec<String>,
    /// The API server, where this is no pod: https://10.96.0.1
    #[arg(long, env = "AOB_KUBERNETES_SERVER", value_name = "URL", requires_all = ["kubernetes", "kubernetes_ca", "kubernetes_token"])]
    kubernetes_server: Option<String>,
    /// Certificates in PEM by which it is trusted
    #[arg(long, env = "AOB_KUBERNETES_CA", value_name = "FILE", requires = "kubernetes_server")]
    kubernetes_ca: Option<PathBuf>,
    /// The gateway's own token; the file is read again as it is renewed
    #[arg(long, env = "AOB_KUBERNETES_TOKEN", value_name = "FILE", requires = "kubernetes_server")]
    kubernetes_token: Option<PathBuf>,
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
    /// How long a worker's task may go without a sign of life, in seconds: as the runners have it
    #[arg(long, env = "AOB_LEASE", default_value = "30", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    lease: u64,
    /// Tenants have runners of their own: what is theirs is left to them. As runners and operators have it
    #[arg(long, env = "AOB_TENANT_RUNNERS")]
    tenant_runners: bool,
    /// Address of the admin port: /metrics, /healthz, /readyz, and the log's level at /log
    #[arg(long, env = "AOB_ADMIN", value_name = "ADDR:PORT")]
    admin: Option<SocketAddr>,
    /// How log lines look: text on a terminal and JSON elsewhere, or always the same
    #[arg(long, env = "AOB_LOG_FORMAT", value_name = "FORMAT", default_value = "auto", value_parser = ["auto", "text", "json"])]
    log_format: String,
    /// What agents may have in each run, agents=3, starts=20, spend=2.50 (US dollars), and in a day of UTC,
    /// usd-per-day=100; for everybody or for one tenant
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
    let format = match args.log_format.as_str() {
        "text" => Format::Text,
        "json" => Format::Json,
        _ => Format::Auto,
    };
    aob_telemetry::log(format, "info");
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

/// Who is let in.
fn door(args: &Args) -> Result<Arc<dyn Door>> {
    let audiences = args.kubernetes.clone();
    if let Some(path) = &args.tokens {
        return Ok(Arc::new(Tokens::open(path)?));
    }
    let cluster = match audiences.is_empty() {
        true => None,
        false => Some(Kubernetes::open(&cluster(args, audiences)?)?),
    };
    match (&args.oidc, cluster) {
        (Some(path), cluster) => return Ok(Arc::new(Oidc::open(path, cluster)?)),
        (None, Some(cluster)) => return Ok(Arc::new(cluster)),
        (None, None) => {}
    }
    if args.listen.ip().is_loopback() {
        return Ok(Arc::new(Open::new("user:anonymous")));
    }
    let message = "an address that others reach is served to those with a token only";
    let problem = Problem::new(&catalogue::USAGE, "--listen", message);
    Err(problem.detail("--tokens FILE, --oidc FILE, or --kubernetes AUDIENCE"))
}

/// The API server that is asked.
fn cluster(args: &Args, audiences: Vec<String>) -> Result<Cluster> {
    match (&args.kubernetes_server, &args.kubernetes_ca, &args.kubernetes_token) {
        (Some(server), Some(trusted), Some(token)) => Ok(Cluster {
            server: server.clone(),
            trusted: trusted.clone(),
            token: token.clone(),
            audiences,
        }),
        _ => Cluster::of_pod(audiences),
    }
}

async fn serve(args: Args) -> Result<()> {
    let system = |about: &str, why: String| Problem::new(&catalogue::SYSTEM, about, why);
    let mut stop = Stop::listen().map_err(|error| system("signals", error.to_string()))?;
    trace::begin("aob-gateway").map_err(|why| Problem::new(&catalogue::USAGE, "traces", why))?;
    let health = Arc::new(Health::default());
    let admin = match args.admin {
        Some(address) => Some(Admin::listen(address, health.clone()).await.map_err(|error| {
            Problem::new(&catalogue::NO_ADDRESS, "--admin", format!("{address}: {error}"))
        })?),
        None => None,
    };
    let door = door(&args)?;
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificates), Some(key)) => Some(Tls::open(certificates, key)?),
        _ => None,
    };
    let lease = Duration::from_secs(args.lease);
    let options = Options { lease, ..Options::default() };
    let store = RedisStore::open_with(&args.redis, options)
        .await
        .map_err(|error| Problem::store(error, "--redis"))?;
    let store = Archived::before(Arc::new(store), args.archive.as_deref())
        .map_err(|error| Problem::store(error, "--archive"))?;
    let tiers = TierLimits::parse(&args.tier_limits)
        .map_err(|why| Problem::new(&catalogue::USAGE, "--tier-limits", why))?;
    let agents = AgentLimits::parse(&args.agent_limits)
        .map_err(|why| Problem::new(&catalogue::USAGE, "--agent-limits", why))?;
    let settings = Settings { tiers: Some(tiers), agents, ..Settings::default() };
    let registry = Registry::builtin().with_tenant_runners(args.tenant_runners);
    let runs = Runs::with(store, registry, Ceiling::default(), settings);
    vitals::store(&health, &runs);
    let limits =
        Limits { rate: args.rate, burst: args.rate.saturating_mul(2), ..Limits::default() };
    let serve = match args.serve.as_str() {
        "api" => Serve::Api,
        "fanout" => Serve::Fanout,
        _ => Serve::All,
    };
    let performer = Performer::with_lease(runs.clone(), About::this(None), lease);
    let options = ServeOptions { serve, performer, door, limits };
    let secure = tls.is_some();
    let server = Server::on_address(args.listen, tls, options).await?;
    let address = server.address().unwrap_or(args.listen);
    let admin = admin.as_ref().map(|admin| admin.address().to_string());
    tracing::info!(%address, tls = secure, tokens = args.tokens.is_some(), oidc = args.oidc.is_some(), kubernetes = !args.kubernetes.is_empty(), admin, "aob-gateway serves");
    let manager = Manager::from_env().map(Arc::new);
    let watched = manager.clone().map(|manager| {
        manager.ready("serves the API");
        let health = health.clone();
        tokio::spawn(async move { manager.watch(health).await })
    });
    let why = stop.next().await;
    tracing::info!(why, "aob-gateway stops: answering what was asked");
    health.stop();
    if let Some(manager) = &manager {
        manager.stopping("answers what was asked");
    }
    server.end().await;
    trace::flush(FLUSH).await;
    if let Some(watched) = watched {
        watched.abort();
    }
    runs.store().close().await.map_err(|error| Problem::store(error, "--redis"))
}
