//! `aob patch list`, `aob patch show`.

use aob_engine::patch::{Answer, Record};
use serde_json::Value;

use crate::arguments::{Format, ListFormat, ListPatches, ShowPatch};
use crate::exit::Exit;
use crate::operations::{Kind, Request};
use crate::problem::Result;
use crate::show::cut;
use crate::show::patch::{Told, summary};
use crate::show::table::table;
use crate::show::terminal::Terminal;
use crate::show::time::{length, now, rfc3339};
use crate::show::value::value;

/// Columns of a reason in a table.
const REASON: usize = 48;

/// Lists the patches of a run.
pub(super) async fn list(arguments: &ListPatches, terminal: Terminal) -> Result<Exit> {
    let access = super::super::open(&arguments.place).await?;
    let operations = &*access.operations;
    let run = operations.resolve(Kind::Run, &arguments.run).await?;
    let records: Vec<Record> = operations.ask(Request::Patches { run: run.clone() }).await?;
    let format = match arguments.output {
        Some(ListFormat::Json) => Format::Json,
        Some(ListFormat::Yaml) => Format::Yaml,
        wide => {
            access.close().await?;
            if records.is_empty() {
                terminal.say("none");
            } else {
                terminal.data(&rows(&records, wide.is_some()));
            }
            return Ok(Exit::Done);
        }
    };
    let mut list = Vec::with_capacity(records.len());
    for record in &records {
        let graphs = super::graphs(operations, &run, record).await?;
        let graphs = graphs.as_ref().map(|(before, after)| (before, after));
        let undone = undone(&records, &record.id);
        list.push(Told { run: &run, record, graphs, dry_run: false, undone }.data());
    }
    access.close().await?;
    terminal.data(&value(&Value::Array(list), Some(format), terminal.data));
    Ok(Exit::Done)
}

/// Shows a patch.
pub(super) async fn show(arguments: &ShowPatch, terminal: Terminal) -> Result<Exit> {
    let access = super::super::open(&arguments.place).await?;
    let operations = &*access.operations;
    let (patch, run) = operations.resolve_patch(&arguments.patch).await?;
    let (record, undone) = super::record(operations, &run, &patch).await?;
    let graphs = super::graphs(operations, &run, &record).await?;
    access.close().await?;
    let graphs = graphs.as_ref().map(|(before, after)| (before, after));
    let told =
        Told { run: &run, record: &record, graphs, dry_run: false, undone: undone.as_deref() };
    match arguments.output {
        Some(format) => terminal.data(&value(&told.data(), Some(format), terminal.data)),
        None => terminal.data(&told.text(terminal.paint_data())),
    }
    Ok(Exit::Done)
}

/// The patch in force that took this one out.
pub(super) fn undone<'a>(records: &'a [Record], id: &str) -> Option<&'a str> {
    let mut id = id.to_owned();
    let mut by: Option<&str> = None;
    let mut depth = 0;
    // An undo may be undone in turn: what was taken out an even number of times is in force.
    loop {
        let undoes = |record: &&Record| {
            record.accepted().and_then(|accepted| accepted.undoes.as_deref()) == Some(&id)
        };
        let Some(next) = records.iter().rev().find(undoes) else {
            return by.filter(|_| depth % 2 == 1);
        };
        by = by.or(Some(&next.id));
        id.clone_from(&next.id);
        depth += 1;
        if depth > records.len() {
            return None;
        }
    }
}

fn rows(records: &[Record], wide: bool) -> String {
    let now = now();
    let cells = |record: &Record| {
        let (revision, graph) = match &record.answer {
            Answer::Accepted(accepted) => (accepted.revision.to_string(), accepted.graph.clone()),
            Answer::Refused(_) => ("-".to_owned(), String::new()),
        };
        let mut what = summary(record);
        if let Some(undoes) = record.accepted().and_then(|accepted| accepted.undoes.as_ref()) {
            what = format!("takes out {undoes}: {what}");
        }
        if let Some(undone) = undone(records, &record.id) {
            what.push_str(&format!(" (taken out by {undone})"));
        }
        let mut cells = vec![
            revision,
            record.id.clone(),
            record.by.clone(),
            format!("{} ago", length(now.saturating_sub(record.time))),
            what,
        ];
        if wide {
            cells.extend([rfc3339(record.time), graph]);
        }
        let reason = record.reason.as_deref().unwrap_or_default();
        cells.push(if wide { reason.to_owned() } else { cut(reason, REASON) });
        cells
    };
    let mut header = vec!["REVISION", "PATCH", "BY", "WHEN", "WHAT"];
    if wide {
        header.extend(["TIME", "GRAPH"]);
    }
    header.push("REASON");
    table(&header, &records.iter().map(cells).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use aob_engine::patch::Record;
    use serde_json::json;

    use super::undone;

    #[test]
    fn what_was_taken_out_twice_is_in_force() {
        let record = |id: &str, undoes: Option<&str>| -> Record {
            let mut record = json!({"id": id, "request": "", "by": "", "time": 0, "accepted": {"revision": 1, "graph": "", "operations": [], "effects": {}}});
            if let Some(undoes) = undoes {
                record["accepted"]["undoes"] = json!(undoes);
            }
            serde_json::from_value(record).unwrap()
        };
        let mut records = vec![record("a", None)];
        assert_eq!(undone(&records, "a"), None);
        records.push(record("b", Some("a")));
        assert_eq!(undone(&records, "a"), Some("b"));
        records.push(record("c", Some("b")));
        assert_eq!((undone(&records, "a"), undone(&records, "b")), (None, Some("c")));
        records.push(record("d", Some("a")));
        assert_eq!(undone(&records, "a"), Some("d"));
    }
}
