use clap::Args;

use super::{Driving, Where};

/// Set the most that a run's agents may use
#[derive(Debug, Args)]
#[command(after_help = "\
What has been used counts on; the new amount is what may be used in all. Agents that wait for it go on.

Examples:
  aob budget run_01k9 --usd 5
  aob budget run_01k9 --agent triage --calls 40 --reason \"a long list today\"")]
#[group(skip)]
pub(crate) struct Budget {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    /// US dollars
    #[arg(long, value_name = "AMOUNT", required_unless_present_any = ["tokens", "calls", "duration"])]
    pub(crate) usd: Option<String>,
    /// Tokens in and out
    #[arg(long, value_name = "N")]
    pub(crate) tokens: Option<u64>,
    /// Calls of models and tools
    #[arg(long, value_name = "N")]
    pub(crate) calls: Option<u64>,
    /// Time that calls take together: 90s, 1h30m
    #[arg(long, value_name = "TIME")]
    pub(crate) duration: Option<String>,
    /// Of this agent only; without it of the whole run
    #[arg(long, value_name = "NODE")]
    pub(crate) agent: Option<String>,
    /// Why; kept with the run
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) driving: Driving,
    #[command(flatten)]
    pub(crate) place: Where,
}
