//! `aob patch`.

mod apply;
mod list;

use aob_engine::catalogue;
use aob_engine::patch::{Record, materialize};
use serde_json::Value;

use super::many;
use super::one;
use crate::arguments::PatchCommand;
use crate::exit::Exit;
use crate::operations::{GraphAt, Operations, Request};
use crate::problem::{Problem, Result};
use crate::show::terminal::Terminal;

/// Does what is said of patches.
pub(super) fn patch(command: &PatchCommand, terminal: Terminal) -> Result<Exit> {
    match command {
        PatchCommand::List(arguments) => one(list::list(arguments, terminal)),
        PatchCommand::Show(arguments) => one(list::show(arguments, terminal)),
        PatchCommand::Apply(arguments) => many(apply::apply(arguments, terminal)),
        PatchCommand::Undo(arguments) => many(apply::undo(arguments, terminal)),
        PatchCommand::Save(arguments) => one(apply::save(arguments, terminal)),
    }
}

/// The graphs before and after an accepted patch; none if they are no longer to be had.
async fn graphs(
    operations: &dyn Operations,
    run: &str,
    record: &Record,
) -> Result<Option<(Value, Value)>> {
    let Some(accepted) = record.accepted() else { return Ok(None) };
    let before = accepted.revision.checked_sub(1);
    let Some(GraphAt { document, .. }) = super::graph_at(operations, run, before).await? else {
        return Ok(None);
    };
    let after = materialize(&document, &[&accepted.operations]);
    Ok(after.ok().map(|after| (document, after)))
}

/// The patch of a run with this id.
async fn record(
    operations: &dyn Operations,
    run: &str,
    id: &str,
) -> Result<(Record, Option<String>)> {
    let records: Vec<Record> = operations.ask(Request::Patches { run: run.to_owned() }).await?;
    let undone = list::undone(&records, id).map(str::to_owned);
    let found = records.into_iter().find(|record| record.id == id);
    let missing = || {
        let message = format!("{run} has no patch {id}");
        Problem::new(&catalogue::NO_PATCH, "argument PATCH", message)
    };
    Ok((found.ok_or_else(missing)?, undone))
}
