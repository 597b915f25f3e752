//! `aob up`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::Rules;

/// Serve: move runs, answer other commands and the API, until it is stopped
#[derive(Debug, Args)]
#[command(after_help = "\
One process with everything: it moves runs, and serves the socket of the data directory, through which every other \
command of this user on this machine asks it. With --listen it serves the same over HTTP, with certificates over HTTPS. \
On an address of this machine alone no proof is asked for; elsewhere there must be --tokens.

Runs are kept in the data directory, or on the server of --redis, where any number of other processes may move them too. \
SIGTERM or Ctrl-C ends it: what runs has 5 seconds to finish and goes on with the next `aob up`. So it does after kill -9.

Examples:
  aob up
  aob up --demo
  aob up --listen 127.0.0.1:8080
  aob up --redis redis://127.0.0.1:6379 --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem --tokens tokens.yaml")]
pub(crate) struct Up {
    /// Begin a run that an agent changes; without a key of a model in the environment a script takes its part
    #[arg(long)]
    pub(crate) demo: bool,
    /// Keep runs on this Redis or Valkey server: redis:// or unix:// [env: AOB_REDIS]
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,
    /// The data directory; without it $XDG_STATE_HOME/aob or ~/.local/state/aob [env: AOB_DATA]
    #[arg(long, alias = "data-dir", value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    /// Where ended runs go before they leave the store: file:///DIR or s3://BUCKET/FOLDER; without it they are gone
    #[arg(long, env = "AOB_ARCHIVE", value_name = "URL")]
    pub(crate) archive: Option<String>,
    /// Serve the API on this address too; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// File of tokens: who may ask, and what
    #[arg(long, value_name = "FILE", requires = "listen", value_hint = clap::ValueHint::FilePath)]
    pub(crate) tokens: Option<PathBuf>,
    /// Certificates of this server, PEM
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_key"], value_hint = clap::ValueHint::FilePath)]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Their key, PEM
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_cert"], value_hint = clap::ValueHint::FilePath)]
    pub(crate) tls_key: Option<PathBuf>,
    /// Address of the admin port: /metrics, /healthz, /readyz, and the log's level at /log
    #[arg(long, env = "AOB_ADMIN", value_name = "ADDR:PORT")]
    pub(crate) admin: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) rules: Rules,
}
