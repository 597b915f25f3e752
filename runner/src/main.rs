//! `aob-runner`: any number of these processes serve one Redis, or a gateway. Nothing in their memory matters.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aob_engine::check::Ceiling;
use aob_engine::pool;
use aob_engine::registry::Registry;
use aob_runner::afar::{Afar, AfarOptions};
use aob_runner::cores::{self, Cores};
use aob_runner::node::{self, Agent, Policy};
use aob_runner::notice::{Hook, Notices};
use aob_runner::runs::{AgentLimits, Runs, Settings, TierLimits};
use aob_runner::secret::Secrets;
use aob_runner::service::{Service, ServiceOptions};
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

/// Executes nodes of workflow runs and routes their results.
#[derive(Debug, Parser)]
#[command(
    name = "aob-runner",
    version,
    after_help = "\
Examples:
  aob-runner --redis redis://127.0.0.1:6379 --coordinate
  aob-runner --redis redis://127.0.0.1:6379 --types http,transform --slots 256
  aob-runner --redis unix:///run/redis/redis.sock --coordinate --allow-exec --secrets /etc/aob/secrets
  aob-runner --redis redis://127.0.0.1:6379 --admin 127.0.0.1:9464
  aob-runner --gateway https://aob.example.com --token-file /var/run/aob/token
  curl -X PUT -d info,aob_runner=debug http://127.0.0.1:9464/log

RUST_LOG chooses what is logged at first. Traces are sent if OTEL_EXPORTER_OTLP_ENDPOINT says where to."
)]
struct Args {
    /// The Redis or Valkey server: redis://, rediss:// or unix://
    #[arg(
        long,
        env = "AOB_REDIS",
        value_name = "URL",
        hide_env_values = true,
        required_unless_present = "gateway"
    )]
    redis: Option<String>,
    /// Where ended runs go before they leave Redis: file:///DIR or s3://BUCKET/FOLDER; without it they are gone
    #[arg(long, env = "AOB_ARCHIVE", value_name = "URL")]
    archive: Option<String>,
    /// A gateway to ask for tasks in the place of a server, as a runner of one tenant
    #[arg(long, env = "AOB_GATEWAY", value_name = "URL", requires = "token_file", conflicts_with_all = ["redis", "archive", "coordinate", "coordinate_only", "notify", "tier_limits", "agent_limits"])]
    gateway: Option<String>,
    /// The file of the token that proves to the gateway whose runner it is; it is read again as it is renewed
    #[arg(long, env = "AOB_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates in PEM by which the gateway is trusted, beside the machine's
    #[arg(long, env = "AOB_GATEWAY_CA", value_name = "FILE", requires = "gateway")]
    gateway_ca: Option<PathBuf>,
    /// The same certificates themselves, where there is no file for them
    #[arg(long, env = "AOB_GATEWAY_PEM", value_name = "PEM", conflicts_with = "gateway_ca")]
    gateway_pem: Option<String>,
    /// Which of the tenant's runners it is: the name of a `spec.runner`; without it, of workflows that have none
    #[arg(long, env = "AOB_RUNNERS", value_name = "NAME", requires = "gateway")]
    runners: Option<String>,
    /// Tenants have runners of their own: what is theirs is left to them. As gateways and operators have it
    #[arg(long, env = "AOB_TENANT_RUNNERS", conflicts_with = "gateway")]
    tenant_runners: bool,
    /// Whole cores that were asked for: whether they are its own is said and measured
    #[arg(long, env = "AOB_CORES", value_name = "NUMBER")]
    cores: Option<u32>,
    /// Execute nothing unless they are
    #[arg(long, env = "AOB_OWN_CORES", requires = "cores")]
    own_cores: bool,
    /// Node types to serve, by comma; without it all that this runner can execute
    #[arg(long, env = "AOB_TYPES", value_delimiter = ',', value_name = "TYPES")]
    types: Vec<String>,
    /// Also coordinate: timers, lost leases, decisions, children's answers
    #[arg(long, env = "AOB_COORDINATE")]
    coordinate: bool,
    /// Execute nothing, only coordinate
    #[arg(long, env = "AOB_COORDINATE_ONLY", conflicts_with = "types")]
    coordinate_only: bool,
    /// How long a task may go without a sign of life, in seconds
    #[arg(long, env = "AOB_LEASE", default_value = "30", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    lease: u64,
    /// Tasks at once, for each shard
    #[arg(long, env = "AOB_SLOTS", default_value = "64", value_parser = clap::value_parser!(u16).range(1..=4096))]
    slots: u16,
    /// Seconds that running tasks may go on after SIGTERM before they are handed back
    #[arg(long, env = "AOB_DRAIN", default_value = "100", value_name = "SECONDS")]
    drain: u64,
    /// Folder with secrets: FOLDER/NAME/KEY
    #[arg(long, env = "AOB_SECRETS", value_name = "FOLDER")]
    secrets: Option<PathBuf>,
    /// Let `exec` nodes run local commands: all, or those named
    #[arg(long, env = "AOB_ALLOW_EXEC", value_name = "COMMAND", num_args = 0.., require_equals = true, value_delimiter = ',')]
    allow_exec: Option<Vec<String>>,
    /// Let `http` nodes reach private and loopback addresses: all, or those named
    #[arg(long, env = "AOB_ALLOW_PRIVATE", value_name = "HOST|CIDR", num_args = 0.., require_equals = true, value_delimiter = ',')]
    allow_private: Option<Vec<String>>,
    /// Child runs that a tenant may start in a minute, by tier: `heavy=5`, `all=200`, or `TENANT/heavy=5`; without it 100, 20 and 5
    #[arg(long, env = "AOB_TIER_LIMITS", value_delimiter = ',', value_name = "[TENANT/]TIER=N")]
    tier_limits: Vec<String>,
    /// What agents may have in each child run, `agents=3`, `starts=20`, `spend=2.50` (US dollars), and in a day of UTC,
    /// `usd-per-day=100`; or for a tenant, `TENANT/spend=50`
    #[arg(long, env = "AOB_AGENT_LIMITS", value_delimiter = ',', value_name = "[TENANT/]LIMIT=N")]
    agent_limits: Vec<String>,
    /// Tell of each new question with a signed POST: an address, or one for a tenant
    #[arg(
        long,
        env = "AOB_NOTIFY",
        value_delimiter = ',',
        value_name = "[TENANT=]URL",
        requires = "notify_secret"
    )]
    notify: Vec<Hook>,
    /// The secret that signs these requests: NAME/KEY in the secrets folder
    #[arg(long, env = "AOB_NOTIFY_SECRET", value_name = "NAME/KEY")]
    notify_secret: Option<String>,
    /// Address of the admin port: /metrics, /healthz, /readyz, and the log's level at /log
    #[arg(long, env = "AOB_ADMIN", value_name = "ADDR:PORT")]
    admin: Option<SocketAddr>,
    /// How log lines look: text on a terminal and JSON elsewhere, or always the same
    #[arg(long, env = "AOB_LOG_FORMAT", value_name = "FORMAT", default_value = "auto", value_parser = ["auto", "text", "json"])]
    log_format: String,
}

fn main() -> ExitCode {
    let mut given = std::env::args_os();
    if given.nth(1).is_some_and(|first| first == cores::VERB) {
        let wanted = cores::Wanted::parse_from(std::iter::once(cores::VERB.into()).chain(given));
        aob_telemetry::log(Format::Auto, "info");
        return match cores::report(&wanted) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error, "the cores are not this container's own");
                ExitCode::FAILURE
            }
        };
    }
    let args = Args::parse();
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
        Err(error) => {
            tracing::error!(%error, "aob-runner ends");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let mut stop = Stop::listen()?;
    trace::begin("aob-runner")?;
    let health = Arc::new(Health::default());
    let admin = match args.admin {
        Some(address) => {
            Some(Admin::listen(address, health.clone()).await.map_err(|error| {
                format!("the admin port {address} cannot be listened on: {error}")
            })?)
        }
        None => None,
    };
    if let Some(asked) = args.cores {
        let cores = Cores::here(asked)?;
        cores.measure();
        tracing::info!(own = cores.own, "{}", cores.told());
        if args.own_cores && !cores.own {
            return Err(format!("cores of its own are required: {}", cores.told()).into());
        }
    }
    let policy =
        Arc::new(Policy::allowing(args.allow_exec.as_deref(), args.allow_private.as_deref())?);
    let agent = Agent::from_env(&policy)?;
    let nodes = Arc::new(node::Registry::built_in(&policy).with(Box::new(agent)));
    let types: Vec<Arc<str>> = if args.coordinate_only {
        Vec::new()
    } else if args.types.is_empty() {
        nodes.allowed(&policy).map(Arc::from).collect()
    } else {
        args.types.iter().map(|name| Arc::from(name.as_str())).collect()
    };
    let secrets = Arc::new(match &args.secrets {
        Some(folder) => Secrets::in_folder(folder),
        None => Secrets::none(),
    });
    let part = match &args.gateway {
        Some(gateway) => {
            let afar = far(&args, gateway, (nodes, policy, secrets), types)?;
            afar.watch(&health);
            Part::Gateway(afar)
        }
        None => Part::Store(near(&args, (nodes, policy, secrets), types, &health).await?),
    };
    let admin = admin.as_ref().map(|admin| admin.address().to_string());
    tracing::info!(
        coordinate = args.coordinate || args.coordinate_only,
        gateway = args.gateway,
        admin,
        "aob-runner serves"
    );
    let manager = Manager::from_env().map(Arc::new);
    let watched = manager.clone().map(|manager| {
        manager.ready("moves runs");
        let health = health.clone();
        tokio::spawn(async move { manager.watch(health).await })
    });
    let why = stop.next().await;
    tracing::info!(why, "aob-runner stops: finishing what runs");
    health.stop();
    if let Some(manager) = &manager {
        manager.stopping("finishes what runs");
    }
    tokio::select! {
        () = part.stop() => {}
        again = stop.next() => return Err(format!("{again} came again: what runs is left to others").into()),
    }
    trace::flush(FLUSH).await;
    if let Some(watched) = watched {
        watched.abort();
    }
    Ok(())
}

/// How this process takes part.
enum Part {
    /// On a store.
    Store(Service),
    /// Through a gateway.
    Gateway(Afar),
}

impl Part {
    async fn stop(self) {
        match self {
            Self::Store(service) => service.stop().await,
            Self::Gateway(afar) => afar.stop().await,
        }
    }
}

/// What nodes are, what they may do, and where their secrets are.
type Nodes = (Arc<node::Registry>, Arc<Policy>, Arc<Secrets>);

fn far(
    args: &Args,
    gateway: &str,
    (nodes, policy, secrets): Nodes,
    types: Vec<Arc<str>>,
) -> Result<Afar, String> {
    let runners = match &args.runners {
        None => pool::name(None),
        Some(name) if pool::is_name(name) => name.clone(),
        Some(name) => {
            let name = aob_engine::issue::excerpt(name);
            return Err(format!("--runners {name}: a name is ten hexadecimal digits"));
        }
    };
    if types.is_empty() || types.len() > 32 {
        return Err("--types: a runner at a gateway serves 1 to 32 types".to_owned());
    }
    let trusted = match (&args.gateway_ca, &args.gateway_pem) {
        (Some(file), _) => {
            let pem = std::fs::read(file);
            Some(pem.map_err(|error| format!("--gateway-ca {}: {error}", file.display()))?)
        }
        (None, pem) => pem.as_ref().map(|pem| pem.clone().into_bytes()),
    };
    Afar::spawn(AfarOptions {
        gateway: gateway.to_owned(),
        trusted,
        // Required with a gateway.
        token: args.token_file.clone().unwrap_or_default(),
        runners,
        nodes,
        policy,
        secrets,
        types,
        slots: usize::from(args.slots),
        drain: Duration::from_secs(args.drain),
    })
}

async fn near(
    args: &Args,
    (nodes, policy, secrets): Nodes,
    types: Vec<Arc<str>>,
    health: &Health,
) -> Result<Service, Box<dyn std::error::Error>> {
    // After a restart of the server, unclaimed tasks count as claimed for a lease: it must be the one in use.
    let options = Options { lease: Duration::from_secs(args.lease), ..Options::default() };
    let store =
        Arc::new(RedisStore::open_with(args.redis.as_deref().unwrap_or_default(), options).await?);
    let store = Archived::before(store, args.archive.as_deref())?;
    let notices = match &args.notify_secret {
        Some(secret) if !args.notify.is_empty() => {
            let made = Notices::new(args.notify.clone(), secret, secrets.clone(), &policy)?;
            Some(Arc::new(made))
        }
        _ => None,
    };
    let agents = AgentLimits::parse(&args.agent_limits)?;
    let tiers = Some(TierLimits::parse(&args.tier_limits)?);
    let settings = Settings { tiers, notices, agents };
    let registry = Registry::builtin().with_tenant_runners(args.tenant_runners);
    let runs = Runs::with(store, registry, Ceiling::default(), settings);
    let service = Service::spawn(&ServiceOptions {
        runs: runs.clone(),
        nodes,
        policy,
        secrets,
        types,
        coordinate: args.coordinate || args.coordinate_only,
        lanes: 1,
        slots: usize::from(args.slots),
        lease: Duration::from_secs(args.lease),
        sweep: Duration::from_millis(100),
        idle: Duration::from_secs(1),
        drain: Duration::from_secs(args.drain),
    });
    vitals::watch(health, &runs, &service);
    Ok(service)
}
