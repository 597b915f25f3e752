//! The command line.

use std::net::SocketAddr;

use clap::Parser;

/// Acts on Workflows, Runs, RunPatches and NodeTypes.
#[derive(Debug, Parser)]
#[command(
    name = "aob-operator",
    version,
    after_help = "\
The cluster is that of the pod it runs in, else that of KUBECONFIG. Any number of these processes may run: one acts.

Examples:
  aob-operator --redis redis://redis:6379 --namespace aob --pod aob-operator-0
  aob-operator --redis redis://127.0.0.1:6379 --namespace default --pod me --webhook off"
)]
pub struct Arguments {
    /// The Redis or Valkey server: redis://, rediss:// or unix://
    #[arg(long, env = "AOB_REDIS", value_name = "URL", hide_env_values = true)]
    pub redis: String,
    /// The namespace it runs in: of its lease and its certificate
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub namespace: String,
    /// The name of its pod
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub pod: String,
    /// Watch only these namespaces; without it all
    #[arg(long, env = "AOB_WATCH_NAMESPACES", value_delimiter = ',', value_name = "NAMES")]
    pub watch_namespaces: Vec<String>,
    /// Address of the admin port: /metrics, /healthz, /readyz, and the log's level at /log
    #[arg(long, env = "AOB_ADMIN", default_value = "0.0.0.0:9090", value_name = "ADDR:PORT")]
    pub admin: SocketAddr,
    /// Address of the admission webhook, or `off`
    #[arg(long, env = "AOB_WEBHOOK", default_value = "0.0.0.0:9443", value_name = "ADDR:PORT")]
    pub webhook: String,
    /// The Secret with the webhook's tls.crt and tls.key; without it the operator makes its own
    #[arg(long, env = "AOB_WEBHOOK_SECRET", value_name = "NAME")]
    pub webhook_secret: Option<String>,
    /// The Service that leads to the webhook
    #[arg(long, env = "AOB_WEBHOOK_SERVICE", default_value = "aob-webhook", value_name = "NAME")]
    pub webhook_service: String,
    /// The webhook configurations whose certificate authority it keeps
    #[arg(long, env = "AOB_WEBHOOK_CONFIGURATION", default_value = "aob", value_name = "NAME")]
    pub webhook_configuration: String,
    /// Runs that a tenant may start in a minute, by tier: `heavy=5`, `all=200`, or `TENANT/heavy=5`; without it 100, 20 and 5
    #[arg(long, env = "AOB_TIER_LIMITS", value_delimiter = ',', value_name = "[TENANT/]TIER=N")]
    pub tier_limits: Vec<String>,
    /// What agents may have in each run, `agents=3`, `starts=20`, `spend=2.50` (US dollars), and in a day of UTC,
    /// `usd-per-day=100`; or for a tenant, `TENANT/spend=50`
    #[arg(long, env = "AOB_AGENT_LIMITS", value_delimiter = ',', value_name = "[TENANT/]LIMIT=N")]
    pub agent_limits: Vec<String>,
    /// Runner pods of tenants, as a JSON object: image, gateway, audience, min, max, idle; without it there are none
    #[arg(long, env = "AOB_TENANT_POOLS", value_name = "JSON")]
    pub tenant_pools: Option<String>,
    /// How log lines look: text on a terminal and JSON elsewhere, or always the same
    #[arg(long, env = "AOB_LOG_FORMAT", value_name = "FORMAT", default_value = "auto", value_parser = ["auto", "text", "json"])]
    pub log_format: String,
}
