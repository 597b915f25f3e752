//! `aob run`.

use std::path::PathBuf;

use clap::Args;

use super::{Format, Where};

/// Run a workflow file and print its result
#[derive(Debug, Args)]
#[command(after_help = "\
The result is printed as JSON on stdout, everything else on stderr. All documents of all files are read; \
the first one of the first file is run, and child workflows are found among the others by name. A name \
instead of a file runs a workflow that was kept before: `orders`, `orders:stable`.

A run is kept in the data directory, or on Redis. Interrupted, it is still there: `aob resume RUN` goes \
on. At an approval the command waits on a terminal; without one it ends with 12 and the run stays.

Examples:
  aob run examples/hello.yaml -i name=Ada
  aob run parent.yaml child.yaml --input-file input.json
  aob run nightly.yaml --key nightly-2026-11-02 --detach
  aob run orders:stable --patch-set strict
  aob run examples/exec.yaml --allow-exec=sh
  aob run examples/fan-out.yaml --redis redis://127.0.0.1:6379")]
pub(crate) struct Run {
    /// Workflow files, YAML or JSON, `-` being standard input; or the name of a kept workflow
    #[arg(required = true, value_name = "FILE|NAME", value_hint = clap::ValueHint::FilePath)]
    pub(crate) files: Vec<String>,
    /// One member of the input: JSON where VALUE is JSON, else text
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    pub(crate) input: Vec<String>,
    /// A file with the input, YAML or JSON; `-i` adds to it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) input_file: Option<String>,
    /// The tag that a kept workflow is found by, or under which the first file is kept; `main` without it
    #[arg(long, value_parser = super::version::tag)]
    pub(crate) tag: Option<String>,
    /// Operations that the run begins on: a file, a name of `aob patch save`, or a digest
    #[arg(long, value_name = "SET", value_hint = clap::ValueHint::FilePath)]
    pub(crate) patch_set: Option<String>,
    /// The same key within 72 hours is the same run
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Start the run, print its id, and do not wait for it
    #[arg(long)]
    pub(crate) detach: bool,
    /// Judge files and input, and start nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
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

/// What nodes may do that run in this process.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Rules for nodes that run in this process")]
pub(crate) struct Rules {
    /// Let `exec` nodes run local commands: all, or those named
    #[arg(long, value_name = "COMMAND", num_args = 0.., require_equals = true, value_delimiter = ',')]
    pub(crate) allow_exec: Option<Vec<String>>,
    /// Let `http` nodes reach private and loopback addresses: all, or those named
    #[arg(long, value_name = "HOST|CIDR", num_args = 0.., require_equals = true, value_delimiter = ',')]
    pub(crate) allow_private: Option<Vec<String>>,
    /// Folder with secrets: DIR/NAME/KEY
    #[arg(long, env = "AOB_SECRETS", value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) secrets: Option<PathBuf>,
}
