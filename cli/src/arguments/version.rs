//! Verbs about versions: of workflows, and of what a run began on.

use clap::{Args, Subcommand, ValueEnum};

use super::{Format, Rules, Where};

/// Keep workflows, each a version that a tag points at; register node types
#[derive(Debug, Args)]
#[command(after_help = "\
A version is named by the digest of its spec; keeping the same one again changes nothing. A document of kind NodeType is \
registered: workflows that are kept or started from then on know the type.

Examples:
  aob apply -f examples/hello.yaml
  aob apply -f examples/workers/double.yaml
  aob apply -f parent.yaml -f child.yaml --tag stable --reason \"tested\"
  aob apply -f flow.yaml --dry-run")]
pub(crate) struct Apply {
    /// Files of workflows and node types, YAML or JSON; `-` is standard input
    #[arg(short, long, required = true, value_name = "FILE", num_args = 1.., value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: Vec<String>,
    /// The tag that is to point at them
    #[arg(long, default_value = "main", value_parser = tag)]
    pub(crate) tag: String,
    /// Why; kept with the tag's timeline
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Say what would change, and keep nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// As data: a list of {workflow, tag, digest, before, result} and {type, result}
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Move a workflow's tag, or show where it has pointed
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aob tag orders list
  aob tag orders undo --reason \"the new one is slow\"
  aob tag orders redo
  aob tag orders set 3 --tag stable
  aob tag orders set main --tag stable
  aob tag orders set sha256:5f1c")]
pub(crate) struct Tag {
    /// The workflow's name
    pub(crate) workflow: String,
    #[command(subcommand)]
    pub(crate) command: TagCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TagCommand {
    /// Show every version that the tag has pointed at, branches that were left included
    #[command(after_help = "\
`*` marks where the tag points. A version that was set after an undo begins a branch; what was undone stays \
visible. -o wide shows every move, undo and redo included.

Examples:
  aob tag orders list
  aob tag orders list --tag stable -o wide")]
    List(ListTag),
    /// Point the tag at a version
    #[command(after_help = "\
VERSION is a digest or a unique beginning of one, another tag of the workflow, or a number of `aob tag list`.

Examples:
  aob tag orders set 3
  aob tag orders set main --tag stable --reason \"two weeks without a failure\"")]
    Set(SetTag),
    /// Point the tag at what was in force before
    #[command(after_help = "Examples:\n  aob tag orders undo --reason \"the new one is slow\"")]
    Undo(MoveTag),
    /// Point the tag again at what was undone last
    #[command(after_help = "Examples:\n  aob tag orders redo")]
    Redo(MoveTag),
}

#[derive(Debug, Args)]
pub(crate) struct ListTag {
    /// Which tag
    #[arg(long, default_value = "main", value_parser = tag)]
    pub(crate) tag: String,
    /// Every move, or data
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<super::ListFormat>,
    #[command(flatten)]
    pub(crate) place: Where,
}

#[derive(Debug, Args)]
pub(crate) struct SetTag {
    /// Where it is to point
    pub(crate) version: String,
    #[command(flatten)]
    pub(crate) how: MoveTag,
}

#[derive(Debug, Args)]
pub(crate) struct MoveTag {
    /// Which tag
    #[arg(long, default_value = "main", value_parser = tag)]
    pub(crate) tag: String,
    /// Why; kept with the tag's timeline
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Show what differs between two graphs
#[derive(Debug, Args)]
#[command(after_help = "\
A and B are workflow files, kept workflows (`orders`, `orders:stable`), digests, or runs (`run_01k9`, or as they \
were on a revision: `run_01k9@2`). Ends with 0 whether they differ or not. JSON and YAML: {from, to, equal, \
difference, operations}; the operations lead from A to B, as `aob patch apply` takes them.

Examples:
  aob diff orders.yaml orders:main
  aob diff run_01k9@0 run_01k9
  aob diff orders:main orders.yaml -o json | jq .operations > ops.json")]
pub(crate) struct Diff {
    /// The one
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub(crate) from: String,
    /// The other
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub(crate) to: String,
    /// As data
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Start a new run on what an old one has already done
#[derive(Debug, Args)]
#[command(after_help = "\
Everything that does not lie downstream of the nodes named keeps its recorded output and does not run again; the \
old run is not touched. The new run has the old one's graph as it was patched, unless --tag names a version. \
Prints the result and ends as `aob run` does.

Examples:
  aob replay run_01k9 --from failed
  aob replay run_01k9 --from process
  aob replay run_01k9 --from process -i month=2026-11
  aob replay run_01k9 --from process --tag main --detach")]
pub(crate) struct Replay {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    /// Where to begin anew: a node of the graph, or `failed` for the one that failed
    #[arg(long, required = true, value_name = "NODE|failed")]
    pub(crate) from: Vec<String>,
    /// One member of the input, in place of the old one: JSON where VALUE is JSON, else text
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    pub(crate) input: Vec<String>,
    /// A file with the input, in place of the whole old one; `-i` adds to it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) input_file: Option<String>,
    /// On the version that this tag of the workflow points at
    #[arg(long, value_parser = tag)]
    pub(crate) tag: Option<String>,
    /// The same key within 72 hours is the same run
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Start the run, print its id, and do not wait for it
    #[arg(long)]
    pub(crate) detach: bool,
    /// Wait for people without a terminal too
    #[arg(long)]
    pub(crate) wait: bool,
    /// Format of the result
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
    #[command(flatten)]
    pub(crate) rules: Rules,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Make a run's graph, as it was patched, a version of its workflow
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing becomes a version by itself: this is the act.

Examples:
  aob promote run_01k9 --tag main --reason \"the check has held for a week\"
  aob diff orders:main run_01k9")]
pub(crate) struct Promote {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    /// The tag that is to point at it
    #[arg(long, required = true, value_parser = tag)]
    pub(crate) tag: String,
    /// Why; kept with the tag's timeline
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// How runs are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GroupBy {
    PatchSet,
}

/// The name of a tag.
pub(super) fn tag(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = |byte: u8| plain(byte) || b"._-".contains(&byte);
    let ends = text.bytes().next().is_some_and(plain) && text.bytes().last().is_some_and(plain);
    if !ends || text.len() > 63 || !text.bytes().all(fits) {
        return Err(
            "1 to 63 of a-z, 0-9, `.`, `_` and `-`, a letter or digit at both ends".to_owned()
        );
    }
    Ok(text.to_owned())
}
