//! `aob patch`.

use clap::{Args, Subcommand};

use super::{Driving, Format, ListFormat, Where};

/// Change the graph of a run while it runs, and see who changed it
#[derive(Debug, Args)]
pub(crate) struct Patch {
    #[command(subcommand)]
    pub(crate) command: PatchCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PatchCommand {
    List(ListPatches),
    Show(ShowPatch),
    Apply(ApplyPatch),
    Undo(UndoPatch),
    Save(SavePatches),
}

/// List the patches of a run, the refused ones too
#[derive(Debug, Args)]
#[command(after_help = "\
A patch that was taken out again names the one that did it. -o wide adds the graph's digest and the time.
JSON and YAML are lists of what `aob patch show -o json` prints.

Examples:
  aob patch list run_01k9
  aob patch list run_01k9 -o json | jq -r '.[] | select(.verdict == \"refused\").findings[].code'")]
pub(crate) struct ListPatches {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    /// More columns, or data
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<ListFormat>,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Show a patch: what it changed in the graph, what it did at once, who, when and why
#[derive(Debug, Args)]
#[command(after_help = "\
JSON and YAML: {patch, run, verdict, revision, by, time, reason, graph, undoes, operations, cancel, difference, \
effects: {start, recall, cancel, void, settle, fromIteration, ends}, findings: [{code, pointer, message, remedy}]}.

Examples:
  aob patch show patch_01k9
  aob patch show patch_01k9 -o json | jq .operations > again.json")]
pub(crate) struct ShowPatch {
    /// The patch's id or a unique beginning of it: `aob patch list RUN`
    pub(crate) patch: String,
    /// As data
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Patch a run: all of it takes effect at one point of the run's history, or nothing does
#[derive(Debug, Args)]
#[command(after_help = "\
OPS is YAML or JSON: a list of operations of RFC 6902, or a whole request (`aob schema patch`). Paths name nodes \
and edges: /nodes/- and /edges/- append, /nodes/save/config/value and /edges/fetch->save/when are by name.
  - {op: remove, path: /edges/fetch->save}
  - {op: add, path: /nodes/-, value: {id: check, type: noop}}
  - {op: add, path: /edges/-, value: {from: fetch, to: check}}
  - {op: add, path: /edges/-, value: {from: check, to: save}}

If no other process has the data directory, this one drives the run on until it ends or waits again. Asking again \
with the same --id is asking once. A refusal ends with 3 and says where, which rule, and what to do.

Examples:
  aob patch apply run_01k9 -f insert.yaml --dry-run
  aob patch apply run_01k9 -f insert.yaml --reason \"rows without a VAT id reach the ledger\"
  aob patch apply run_01k9 -f insert.yaml --base 2 --rebase
  aob patch apply run_01k9 -f skip.yaml --cancel 'each[3]/fetch'
  echo '[{\"op\": \"remove\", \"path\": \"/nodes/tell\"}]' | aob patch apply run_01k9 -f -")]
pub(crate) struct ApplyPatch {
    /// The run's id or a unique beginning of it
    pub(crate) run: String,
    /// Operations, YAML or JSON; `-` is standard input
    #[arg(short, long, value_name = "OPS", value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: String,
    /// The revision that the operations were written against; another one since is refused
    #[arg(long, value_name = "N")]
    pub(crate) base: Option<u32>,
    /// With --base: accept another revision if nothing that the patch names was touched since
    #[arg(long)]
    pub(crate) rebase: bool,
    /// A running instance to cancel, since it cannot be changed while it works: `fetch`, `each[3]/fetch`
    #[arg(long, value_name = "INSTANCE")]
    pub(crate) cancel: Vec<String>,
    /// An approval that the patch may change, since you could approve it yourself
    #[arg(long, value_name = "GATE")]
    pub(crate) approve: Vec<String>,
    /// Why; kept with the run
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// A name for the patch, so that asking again is asking once
    #[arg(long, value_name = "ID", value_parser = id)]
    pub(crate) id: Option<String>,
    /// Show the difference, the effects and the verdict, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// As data
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
    #[command(flatten)]
    pub(crate) driving: Driving,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Take a patch out again; what was done stays done
#[derive(Debug, Args)]
#[command(after_help = "\
Taking a patch out is a patch of its own, judged as any other: what has started stays. History is kept. To have \
it back, undo the undo.

Examples:
  aob patch undo patch_01k9 --dry-run
  aob patch undo patch_01k9 --reason \"the check is too strict\"")]
pub(crate) struct UndoPatch {
    /// The patch's id or a unique beginning of it: `aob patch list RUN`
    pub(crate) patch: String,
    /// An approval that this may change, since you could approve it yourself
    #[arg(long, value_name = "GATE")]
    pub(crate) approve: Vec<String>,
    /// Why; kept with the run
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// A name for the undo, so that asking again is asking once
    #[arg(long, value_name = "ID", value_parser = id)]
    pub(crate) id: Option<String>,
    /// Show the difference, the effects and the verdict, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// As data
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
    #[command(flatten)]
    pub(crate) driving: Driving,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Keep operations under a name, so that runs can begin on them
#[derive(Debug, Args)]
#[command(after_help = "\
Runs that begin on different sets of one workflow are told apart: `aob ls runs --group-by patch-set`.

Examples:
  aob patch save strict orders -f strict.yaml
  aob run orders --patch-set strict
  aob ls patch-sets")]
pub(crate) struct SavePatches {
    /// The name of the set
    #[arg(value_parser = name)]
    pub(crate) name: String,
    /// The workflow, as `orders` or `orders:stable`
    pub(crate) workflow: String,
    /// Operations, YAML or JSON; `-` is standard input
    #[arg(short, long, value_name = "OPS", value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: String,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// The id of a patch, with or without `patch_`.
fn id(text: &str) -> Result<String, String> {
    let body = text.strip_prefix("patch_").unwrap_or(text);
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if body.is_empty() || body.len() > 60 || !body.bytes().all(fits) {
        return Err("1 to 60 of a-z, 0-9, `-` and `_`".to_owned());
    }
    Ok(format!("patch_{body}"))
}

/// The name of a set.
fn name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends = !text.starts_with('-') && !text.ends_with('-');
    if text.is_empty() || text.len() > 63 || !text.bytes().all(fits) || !ends {
        return Err("1 to 63 of a-z, 0-9 and `-`, which neither begins nor ends it".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{id, name};

    #[test]
    fn ids_and_names_are_plain() {
        assert_eq!(id("fix-1").unwrap(), "patch_fix-1");
        assert_eq!(id("patch_01k9").unwrap(), "patch_01k9");
        assert!(id("patch_").is_err() && id("A").is_err() && id("a b").is_err());
        assert_eq!(name("strict").unwrap(), "strict");
        assert!(name("-a").is_err() && name("").is_err() && name("a/b").is_err());
    }
}
