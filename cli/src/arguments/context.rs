//! Contexts, and the proof of who asks.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;

/// Name the places that other commands talk to
#[derive(Debug, Args)]
#[command(after_help = "\
A context is a data directory, a Redis server or a gateway. A command takes the first of: its flags --redis, --data \
and --context; AOB_CONTEXT; AOB_REDIS; AOB_DATA; the context in use; the usual data directory.

Contexts are kept in $XDG_CONFIG_HOME/aob/config.yaml, else in ~/.config/aob/config.yaml, for this user alone.

Examples:
  aob context set prod --server https://aob.example.com --tenant billing
  aob login prod < token
  aob context use prod
  aob ls runs --context local")]
pub(crate) struct Context {
    #[command(subcommand)]
    pub(crate) command: ContextCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// List contexts
    List {
        /// As JSON or YAML
        #[arg(short, long, value_name = "FORMAT")]
        output: Option<Format>,
    },
    /// Use a context where no other one is named; `-` for none
    Use {
        /// Its name
        #[arg(value_parser = used)]
        name: String,
    },
    /// Make a context, or change it
    Set(SetContext),
    /// Forget a context, with its token
    Delete {
        /// Its name
        #[arg(value_parser = crate::context::name)]
        name: String,
    },
}

/// Make a context, or change it
#[derive(Debug, Args)]
#[command(after_help = "\
Without --server, --redis and --data-dir an existing context keeps its place, and a new one is the usual data directory. \
A token is given with `aob login`; another --server forgets the old one's.

Examples:
  aob context set prod --server https://aob.example.com --ca own.pem
  aob context set box --redis redis://box:6379
  aob context set local")]
pub(crate) struct SetContext {
    /// Its name
    #[arg(value_parser = crate::context::name)]
    pub(crate) name: String,
    /// A gateway: https://, or http:// on this machine
    #[arg(long, value_name = "URL", conflicts_with_all = ["redis", "data_dir"])]
    pub(crate) server: Option<String>,
    /// A Redis or Valkey server
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    pub(crate) redis: Option<String>,
    /// A data directory
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Whose runs are meant, if not those that the token says
    #[arg(long, conflicts_with_all = ["redis", "data_dir"])]
    pub(crate) tenant: Option<String>,
    /// Certificates to trust beside the system's, PEM
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with_all = ["redis", "data_dir"])]
    pub(crate) ca: Option<PathBuf>,
}

/// Keep the token that proves to a gateway who asks
#[derive(Debug, Args)]
#[command(after_help = "\
The token is read from standard input, so that it stands in no list of processes and in no history. The gateway is \
asked whether it knows it before it is kept. AOB_TOKEN, if it is set, counts instead.

Examples:
  aob login prod < token
  pass aob/prod | aob login")]
pub(crate) struct Login {
    /// The context; the one in use without it
    #[arg(value_parser = crate::context::name)]
    pub(crate) context: Option<String>,
}

fn used(text: &str) -> Result<String, String> {
    if text == "-" { Ok(text.to_owned()) } else { crate::context::name(text) }
}
