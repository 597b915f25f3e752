//! Flags and arguments, as `--help` shows them.

mod act;
mod budget;
mod context;
mod look;
mod patch;
mod start;
mod up;
mod version;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use act::{Answer, Approve, Cancel, Driving, Resume, Retry, Settle, Suspend};
pub(crate) use budget::Budget;
pub(crate) use context::{Context, ContextCommand, Login, SetContext};
pub(crate) use look::{
    Explain, Get, GetFormat, Lint, List, ListFormat, Listed, Logs, LogsCommand, Redis, Schema,
    ShowLogs, Verify,
};
pub(crate) use patch::{
    ApplyPatch, ListPatches, Patch, PatchCommand, SavePatches, ShowPatch, UndoPatch,
};
pub(crate) use start::{Rules, Run};
pub(crate) use up::Up;
pub(crate) use version::{
    Apply, Diff, GroupBy, ListTag, MoveTag, Promote, Replay, SetTag, Tag, TagCommand,
};

use crate::exit::Exit;

const TEMPLATE: &str = "\
{about}

{usage-heading} {usage}

Run workflows:
  run         Run a workflow, a file or one that was kept, and print its result
  replay      Start a new run on what an old one has already done
  resume      Let a suspended run go on, or drive a run on to its end
  suspend     Let nothing new of a run begin
  cancel      End a run early
  up          Serve: move runs, answer other commands and the API

See what happens:
  ls          List runs, workflows, open tickets, node types, sets of patches
  get         Show a run: its nodes, their states, attempts, durations, errors
  logs        Show or follow a run's events and log lines

Answer:
  approve     Answer an approval: approve or reject
  retry       Try a paused node again
  settle      Give a paused node its output, or let it fail
  budget      Set the most that a run's agents may use

Change a run:
  patch       Change the graph of a run while it runs; list, show and undo patches

Versions:
  apply       Keep workflow files, register node types
  tag         Move a workflow's tag, or show where it has pointed
  promote     Make a run's graph, as it was patched, a version
  diff        Show what differs between two graphs

Check:
  lint        Judge workflow files by every rule
  explain     Explain an error code, or list all
  verify      Check that a run's events lead to its state
  schema      Print the JSON Schema of workflows, patches, events, a node type
  redis       Print the lines that show a run in the store's own tools

Set up:
  context     Name the places that other commands talk to
  login       Keep the token that proves to a gateway who asks
  completion  Print completions for a shell
  version     Print the version

{options}{after-help}";

/// Workflows whose graph can be changed while they run
#[derive(Debug, Parser)]
#[command(
    name = "aob",
    version,
    max_term_width = 110,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    help_template = TEMPLATE,
    after_help = format!("Begin with: aob run examples/hello.yaml\nMore: aob COMMAND --help\n\n{}", Exit::HELP),
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Run(Run),
    Resume(Resume),
    Suspend(Suspend),
    Cancel(Cancel),
    Ls(List),
    Get(Get),
    Logs(Logs),
    Approve(Approve),
    Retry(Retry),
    Settle(Settle),
    Budget(Budget),
    Patch(Patch),
    Apply(Apply),
    Tag(Tag),
    Promote(Promote),
    Diff(Diff),
    Replay(Replay),
    Lint(Lint),
    Explain(Explain),
    Verify(Verify),
    Schema(Schema),
    Redis(Redis),
    Up(Up),
    Context(Context),
    Login(Login),
    /// Print completions for a shell
    #[command(
        after_help = "Examples:\n  aob completion bash > ~/.local/share/bash-completion/completions/aob\n  aob completion zsh > ~/.zfunc/_aob\n  aob completion fish > ~/.config/fish/completions/aob.fish"
    )]
    Completion {
        /// Which shell
        shell: Script,
    },
    /// Print the version
    #[command(after_help = "Examples:\n  aob version\n  aob version -o json")]
    Version {
        /// As JSON or YAML
        #[arg(short, long, value_name = "FORMAT")]
        output: Option<Format>,
    },
}

/// Where runs are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Where")]
pub(crate) struct Where {
    /// A Redis or Valkey server: redis://, rediss:// or unix:// [env: AOB_REDIS]
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub(crate) redis: Option<String>,
    /// The data directory; without it $XDG_STATE_HOME/aob or ~/.local/state/aob [env: AOB_DATA]
    #[arg(long, alias = "data-dir", value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    /// A context of `aob context list` [env: AOB_CONTEXT]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["redis", "data"])]
    pub(crate) context: Option<String>,
}

/// Where runs are, for a verb whose `--data` is something else.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Where")]
pub(crate) struct WhereBesideData {
    /// A Redis or Valkey server: redis://, rediss:// or unix:// [env: AOB_REDIS]
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    redis: Option<String>,
    /// The data directory; without it $XDG_STATE_HOME/aob or ~/.local/state/aob [env: AOB_DATA]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    data_dir: Option<PathBuf>,
    /// A context of `aob context list` [env: AOB_CONTEXT]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["redis", "data_dir"])]
    context: Option<String>,
}

impl From<WhereBesideData> for Where {
    fn from(place: WhereBesideData) -> Self {
        Self { redis: place.redis, data: place.data_dir, context: place.context }
    }
}

/// Data formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Yaml,
}

/// What can be printed of the command line as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Script {
    Bash,
    Elvish,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Zsh,
    /// `docs/reference/cli.md`.
    #[value(hide = true)]
    Reference,
}
