//! Verbs that only look.

use clap::{Args, Subcommand, ValueEnum};

use super::{Format, Where};

/// List runs, workflows, open tickets, node types, sets of patches
#[derive(Debug, Args)]
#[command(after_help = "\
JSON and YAML are lists of objects; times are RFC 3339 in UTC.

Examples:
  aob ls runs --status failed --since 24h
  aob ls tickets
  aob ls limits
  aob ls runs --group-by patch-set
  aob ls runs -o json | jq -r '.[].run'")]
pub(crate) struct List {
    /// What to list: runs newest first, tickets oldest first, what the tenant is limited to
    #[arg(value_name = "WHAT")]
    pub(crate) what: Listed,
    /// Runs with this status: running, waiting, suspended, succeeded, failed, cancelled
    #[arg(long, value_parser = ["running", "waiting", "suspended", "succeeded", "failed", "cancelled"])]
    pub(crate) status: Option<String>,
    /// Runs that began within this time: 90s, 1h, 7d
    #[arg(long, value_name = "TIME", value_parser = length)]
    pub(crate) since: Option<u64>,
    /// Runs counted by the set of patches that they began on, with how they ended and how long they took
    #[arg(long, value_name = "WHAT")]
    pub(crate) group_by: Option<super::GroupBy>,
    /// At most so many
    #[arg(long, default_value = "200", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// More columns, or data
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<ListFormat>,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listed {
    Runs,
    Workflows,
    Tickets,
    Types,
    PatchSets,
    Limits,
}

/// Formats of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    Wide,
    Json,
    Yaml,
}

/// Show a run: its nodes, their states, attempts, durations, errors
#[derive(Debug, Args)]
#[command(after_help = "\
Of a patched run, PATCH says what a node owes to which revision: +1 was added, ~2 was changed.

JSON and YAML: {run, workflow, status, revision, digest, by, started, ended, durationMs, settled, \
instances, failure, output, parent, patchSet, nodes: [{instance, node, type, state, cause, attempts, started, ended, \
due, error, ticket, child, progress, patched}], edges: [{scope, edge, state}], tickets: [{ticket, run, instance, asks, title}]}.

Examples:
  aob get run_01k9
  aob get run_01k9 -o json | jq .output
  aob get run_01k9 --node fetch
  aob get run_01k9 --revision 0
  aob get run_01k9 --graph -o json
  aob get run_01k9 -o mermaid > run.mmd")]
pub(crate) struct Get {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    /// Print the output of this node: `fetch`, `each[3]/fetch`
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
    /// As it stood when this revision was replaced by the next one
    #[arg(long, value_name = "N", conflicts_with = "node")]
    pub(crate) revision: Option<u32>,
    /// Print the graph as a workflow, nodes sorted by id: YAML, or JSON with -o json
    #[arg(long, conflicts_with = "node")]
    pub(crate) graph: bool,
    /// All items of containers, data, or a graph
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<GetFormat>,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Formats of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GetFormat {
    Wide,
    Json,
    Yaml,
    Mermaid,
}

/// Show or follow a run's events and log lines
#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(subcommand)]
    pub(crate) command: LogsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LogsCommand {
    /// Show what there is
    #[command(after_help = LOGS_HELP)]
    Show(ShowLogs),
    /// Show what there is and follow until the run ends
    #[command(after_help = LOGS_HELP)]
    Stream(ShowLogs),
}

const LOGS_HELP: &str = "\
With -o json each line is an object with an `id`; give the last one to --after and nothing is missed or \
repeated. Events: {id, type: \"event\", event}. Log lines: {id, type: \"log\", t, at, from, text}.

Examples:
  aob logs show run_01k9
  aob logs show run_01k9 --node measure
  aob logs stream run_01k9 -o json --after 12";

#[derive(Debug, Args)]
pub(crate) struct ShowLogs {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    /// Only this node: `fetch`, `each[3]/fetch`; of a container with all inside
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
    /// Only what is after this event's number, or after an `id`
    #[arg(long, value_name = "EVENT", value_parser = position)]
    pub(crate) after: Option<(u64, Option<u64>)>,
    /// NDJSON
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json"])]
    pub(crate) output: Option<String>,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Judge workflow files by every rule
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aob lint examples/*.yaml
  aob lint --strict flow.yaml
  aob lint -o json flow.yaml")]
pub(crate) struct Lint {
    /// Workflow files, YAML or JSON; `-` is standard input
    #[arg(required = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) files: Vec<String>,
    /// Warnings refuse too
    #[arg(long)]
    pub(crate) strict: bool,
    /// Findings as data on stdout: a list of {code, warning, about, pointer, line, column, message, remedy, details}
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

/// Explain an error code, or list all
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aob explain AOB1002
  aob explain READ_RACE
  aob explain -o json")]
pub(crate) struct Explain {
    /// AOB and four digits, or a rule's name
    pub(crate) code: Option<String>,
    /// As data
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

/// Check that a run's events lead to its state
#[derive(Debug, Args)]
#[command(after_help = "\
Folds the events of the run and compares the result with what is stored, byte for byte; each event names \
the hash of the one before.

Examples:
  aob verify run_01k9")]
pub(crate) struct Verify {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Print the lines that show a run in the store's own tools
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aob redis run_01k9 --redis redis://127.0.0.1:6379")]
pub(crate) struct Redis {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Print the JSON Schema of workflows, patches, events, a node type
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aob schema > workflow.schema.json
  aob schema http
  aob schema event")]
pub(crate) struct Schema {
    /// workflow, patch, event, or a node type
    #[arg(default_value = "workflow")]
    pub(crate) name: String,
}

fn length(text: &str) -> Result<u64, String> {
    aob_engine::time::duration(text).ok_or_else(|| "write it as 90s, 30m, 1h30m or 7d".to_owned())
}

/// `12`, or `12.5`: an event's number and a count of log lines.
fn position(text: &str) -> Result<(u64, Option<u64>), String> {
    let wrong = |_| "an event's number, or an `id` of a line: 12 or 12.5".to_owned();
    match text.split_once('.') {
        None => Ok((text.parse().map_err(wrong)?, None)),
        Some((event, line)) => {
            Ok((event.parse().map_err(wrong)?, Some(line.parse().map_err(wrong)?)))
        }
    }
}
