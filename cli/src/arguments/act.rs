//! Verbs that do something to a run.

use clap::{Args, ValueEnum};

use super::{Format, Rules, Where, WhereBesideData};

/// Let a suspended run go on, or drive a run on to its end
#[derive(Debug, Args)]
#[command(after_help = "\
Prints the result and ends as `aob run` does. A run that another process drives is followed.

Examples:
  aob resume run_01k9
  aob resume run_01k9 --detach")]
pub(crate) struct Resume {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    /// Only let it go on; do not wait for it
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

/// Let nothing new of a run begin
#[derive(Debug, Args)]
#[command(after_help = "\
What runs just now finishes and counts; deadlines run on. `aob resume RUN` lets it go on.

Examples:
  aob suspend run_01k9")]
pub(crate) struct Suspend {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// End a run early
#[derive(Debug, Args)]
#[command(after_help = "\
What runs just now has 30 seconds to finish, then `finally` runs. With --now everything ends at once, \
and `finally` does not run.

Examples:
  aob cancel run_01k9 --reason \"wrong month\"
  aob cancel run_01k9 --now")]
pub(crate) struct Cancel {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    /// At once, without `finally`
    #[arg(long)]
    pub(crate) now: bool,
    /// Why; kept with the run
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) driving: Driving,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Answer an approval: approve or reject
#[derive(Debug, Args)]
#[command(after_help = "\
If no other process has the data directory, this one drives the run on until it ends or waits again.
Here --data is what the approval asks for; the data directory is --data-dir, which every verb knows.

Examples:
  aob approve ticket_01k9 approve --reason LGTM
  aob approve ticket_01k9 approve --data amount=12 --data note=\"paid twice\"
  aob approve ticket_01k9 reject --reason \"wrong month\"")]
pub(crate) struct Approve {
    /// The ticket's id or a unique beginning of it: `aob ls tickets`
    pub(crate) ticket: String,
    /// The answer
    pub(crate) answer: Answer,
    /// Why; kept with the run
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// One member of the data that the approval asks for
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) data: Vec<String>,
    #[command(flatten)]
    pub(crate) driving: Driving,
    #[command(flatten)]
    pub(crate) place: WhereBesideData,
}

/// Answers to an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Answer {
    Approve,
    Reject,
}

/// Try a paused node again
#[derive(Debug, Args)]
#[command(after_help = "\
For a node that failed with `onError: pause`, or whose attempt was lost and must not be repeated unasked.

Examples:
  aob retry run_01k9 save
  aob retry run_01k9 'each[3]/save'")]
pub(crate) struct Retry {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    /// The node, or its place within a container: `each[3]/save`
    pub(crate) node: String,
    /// Why; kept with the run
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) driving: Driving,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Give a paused node its output, or let it fail
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aob settle run_01k9 charge --output '{\"receipt\": \"R-1\"}' --reason \"booked by hand\"
  aob settle run_01k9 charge --fail --reason \"customer withdrew\"")]
pub(crate) struct Settle {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    /// The node, or its place within a container: `each[3]/save`
    pub(crate) node: String,
    /// Its output, JSON
    #[arg(long, value_name = "JSON", required_unless_present = "fail", conflicts_with = "fail")]
    pub(crate) output: Option<String>,
    /// Let it fail
    #[arg(long)]
    pub(crate) fail: bool,
    /// Why; kept with the run
    #[arg(long, value_name = "TEXT", required = true)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) driving: Driving,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// What happens after an answer, if no other process drives the run.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Driving {
    /// Only answer; do not drive the run on
    #[arg(long)]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) rules: Rules,
}
