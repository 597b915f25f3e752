//! `aob get`.

use aob_engine::catalogue;
use aob_engine::state::instance_name;
use aob_store::Backlog;
use serde_json::{Value, json};

use super::kept::graph;
use crate::arguments::{Format, Get, GetFormat};
use crate::drive::{asked, history::Told};
use crate::exit::Exit;
use crate::operations::{BacklogRow, Kept, Kind, Operations, Request, Standing};
use crate::owner::Place;
use crate::problem::{Problem, Result};
use crate::show::mermaid::mermaid;
use crate::show::picture::{Mark, Picture, Row};
use crate::show::table::table;
use crate::show::terminal::Terminal;
use crate::show::time::{length, now, rfc3339};
use crate::show::value::value;

/// Shows a run.
pub(super) async fn get(arguments: &Get, terminal: Terminal) -> Result<Exit> {
    let access = super::open(&arguments.place).await?;
    let operations = &*access.operations;
    let run = operations.resolve(Kind::Run, &arguments.run).await?;
    if let Some(revision) = arguments.revision.filter(|_| !arguments.graph) {
        // That it is there; the history is told up to it.
        graph(operations, &run, Some(revision), "--revision").await?;
    }
    if arguments.graph {
        let found = graph(operations, &run, arguments.revision, "--revision").await?;
        let format = match arguments.output {
            Some(GetFormat::Json) => Format::Json,
            Some(GetFormat::Mermaid) => {
                let message =
                    "a graph is printed as YAML or JSON; without --graph, `-o mermaid` draws it";
                return Err(Problem::new(&catalogue::USAGE, "--graph", message));
            }
            _ => Format::Yaml,
        };
        terminal.data(&value(&found.document, Some(format), terminal.data));
    } else if let Some(node) = &arguments.node {
        output(operations, &run, node, arguments.output, terminal).await?;
    } else {
        let keep = arguments.output.is_some();
        let mut told = Told::new(&run, None, keep).until(arguments.revision);
        told.read(operations, &mut Vec::new(), &mut Vec::new()).await?;
        let standing: Standing = operations.ask(Request::Standing { run: run.clone() }).await?;
        match arguments.output {
            Some(GetFormat::Mermaid) => {
                terminal.data(&mermaid(&told.workflow, &run, &told.picture))
            }
            Some(GetFormat::Json) => terminal.data(&value(
                &data(operations, &told, &standing).await?,
                Some(Format::Json),
                terminal.data,
            )),
            Some(GetFormat::Yaml) => terminal.data(&value(
                &data(operations, &told, &standing).await?,
                Some(Format::Yaml),
                terminal.data,
            )),
            Some(GetFormat::Wide) | None => {
                let flag = Place::of(&arguments.place)?.flag(&arguments.place);
                let shown = text(&told, &standing, arguments.output.is_some(), &flag);
                terminal.data(&shown);
                match arguments.revision.filter(|revision| *revision < standing.head.revision) {
                    Some(revision) => terminal.say(&format!(
                        "as it stood when revision {revision} was replaced; now it is on revision {}",
                        standing.head.revision
                    )),
                    None => warn(operations, terminal).await?,
                }
            }
        }
    }
    access.close().await?;
    Ok(Exit::Done)
}

/// Prints the output of one node.
async fn output(
    operations: &dyn Operations,
    run: &str,
    node: &str,
    format: Option<GetFormat>,
    terminal: Terminal,
) -> Result<()> {
    let request = Request::Output { run: run.to_owned(), instance: Some(node.to_owned()) };
    let kept: Kept = operations.ask(request).await?;
    if !kept.there {
        let message = format!("{} has no output in {run}", aob_engine::issue::excerpt(node));
        return Err(Problem::new(&catalogue::NO_NODE, "--node", message));
    }
    let format = (format == Some(GetFormat::Yaml)).then_some(Format::Yaml);
    terminal.data(&value(&kept.value, format, terminal.data));
    Ok(())
}

/// Head, table, open tickets.
fn text(told: &Told, standing: &Standing, wide: bool, flag: &str) -> String {
    let head = &standing.head;
    let now = now();
    let took = length(head.ended.unwrap_or(now).saturating_sub(head.started));
    let mut out = format!(
        "{}  {}  {}  revision {}  {} of {} settled  {took}, began {} ago by {}\n",
        head.run,
        crate::show::plain(&head.workflow),
        standing.status,
        told.picture.revision,
        head.settled,
        head.instances,
        length(now.saturating_sub(head.started)),
        crate::show::plain(&head.by),
    );
    if wide {
        out.push_str(&format!("tier {}\n", head.tier));
    }
    if let Some(parent) = &head.parent {
        out.push_str(&format!(
            "child of {} at {}\n",
            parent.run,
            crate::show::plain(&parent.instance)
        ));
    }
    for (agent, used) in &head.spent {
        out.push_str(&format!(
            "{agent} used {} USD, {} tokens, {} calls, {}\n",
            used.usd,
            used.tokens,
            used.calls,
            length(used.ms)
        ));
    }
    if let Some(failure) = &head.failure {
        let at = failure.at.as_ref().map_or(String::new(), |at| format!(" at {at}"));
        out.push_str(&crate::show::plain(&format!("{}{at}: {}", failure.code, failure.message)));
        out.push('\n');
    }
    out.push('\n');
    let patched = told.picture.revision > 0;
    let mut header = vec!["NODE", "TYPE", "STATE", "ATTEMPTS", "DURATION"];
    if patched {
        header.push("PATCH");
    }
    if wide {
        header.extend(["STARTED", "ENDED"]);
    }
    header.push("DETAIL");
    let cells = |(scope, row): &(String, &Row)| {
        let attempts = if row.attempts > 0 { row.attempts.to_string() } else { String::new() };
        let took = row.length(now).map(length).unwrap_or_default();
        let mut cells = vec![
            instance_name(scope, &row.id),
            row.node_type.clone(),
            row.state.name().to_owned(),
            attempts,
            took,
        ];
        if patched {
            let mark = told.picture.marks.get(&row.id);
            cells.push(mark.map(|mark| mark.short()).unwrap_or_default());
        }
        if wide {
            cells
                .extend([row.started, row.ended].map(|time| time.map(rfc3339).unwrap_or_default()));
        }
        cells.push(detail(row, now));
        cells
    };
    let rows: Vec<Vec<String>> = told.picture.rows().iter().map(cells).collect();
    out.push_str(&table(&header, &rows));
    for ticket in &standing.tickets {
        out.push_str(&format!("\n{}\n", asked(ticket, flag)));
    }
    out
}

/// What more there is to say of a row.
fn detail(row: &Row, now: u64) -> String {
    let mut parts = Vec::new();
    if let Some(progress) = row.progress {
        let of = if row.node_type == "loop" {
            "rounds".to_owned()
        } else {
            format!("of {} items", progress.total)
        };
        let failed = if progress.failed > 0 {
            format!(", {} failed", progress.failed)
        } else {
            String::new()
        };
        parts.push(format!("{} {of}{failed}", progress.done));
    }
    if let Some((ticket, _)) = &row.ticket {
        parts.push(ticket.clone());
    }
    if let Some(due) = row.due.filter(|due| *due > now) {
        parts.push(format!("due in {}", length(due - now)));
    }
    parts.extend(row.child.clone());
    match (&row.error, &row.cause) {
        (Some(error), _) => parts.push(format!("{}: {}", error.code, error.message)),
        (None, Some(cause))
            if row.state.is_settled() && row.ended.is_some() && row.started.is_none() =>
        {
            parts.push(crate::show::line::why(cause).to_owned());
        }
        _ => {}
    }
    parts.join("  ")
}

/// Everything about a run, for programs.
async fn data(operations: &dyn Operations, told: &Told, standing: &Standing) -> Result<Value> {
    let head = &standing.head;
    let kept: Kept =
        operations.ask(Request::Output { run: told.run.clone(), instance: None }).await?;
    let mut data = json!({
        "run": head.run,
        "workflow": head.workflow,
        "status": standing.status,
        "revision": told.picture.revision,
        "digest": head.digest,
        "patchSet": head.patch_set,
        "by": head.by,
        "tier": head.tier,
        "started": rfc3339(head.started),
        "ended": head.ended.map(rfc3339),
        "durationMs": head.ended.unwrap_or_else(now).saturating_sub(head.started),
        "settled": head.settled,
        "instances": head.instances,
        "suspended": head.suspended,
        "spent": head.spent,
        "failure": head.failure,
        "parent": head.parent.as_ref().map(|parent| json!({"run": parent.run, "instance": parent.instance})),
        "nodes": told.picture.rows().into_iter().map(|(scope, row)| node(&scope, row, told.picture.marks.get(&row.id))).collect::<Vec<_>>(),
        "edges": edges(&told.picture),
        "tickets": standing.tickets,
    });
    if let (true, Some(members)) = (kept.there, data.as_object_mut()) {
        members.insert("output".to_owned(), kept.value);
    }
    Ok(data)
}

fn node(scope: &str, row: &Row, mark: Option<&Mark>) -> Value {
    let patched = mark.map(|mark| match mark {
        Mark::Added(revision) => json!({"how": "added", "revision": revision}),
        Mark::Changed(revision) => json!({"how": "changed", "revision": revision}),
    });
    json!({
        "instance": instance_name(scope, &row.id),
        "node": row.id,
        "type": row.node_type,
        "state": row.state.name(),
        "cause": row.cause,
        "attempts": row.attempts,
        "started": row.started.map(rfc3339),
        "ended": row.ended.map(rfc3339),
        "due": row.due.map(rfc3339),
        "error": row.error,
        "ticket": row.ticket.as_ref().map(|(ticket, _)| ticket),
        "child": row.child,
        "patched": patched,
        "progress": row.progress.map(|progress| json!({"total": progress.total, "done": progress.done, "failed": progress.failed})),
    })
}

fn edges(picture: &Picture) -> Vec<Value> {
    let settled = |((scope, edge), state): (&(String, String), &aob_engine::state::EdgeState)| json!({"scope": scope, "edge": edge, "state": state.name()});
    picture.edges.iter().map(settled).collect()
}

/// Warns of tasks that nobody takes.
async fn warn(operations: &dyn Operations, terminal: Terminal) -> Result<()> {
    let rows: Vec<BacklogRow> = operations.ask(Request::Backlog {}).await?;
    let now = now();
    rows.into_iter().filter_map(|row| warning(row, now)).for_each(|line| terminal.say(&line));
    Ok(())
}

/// That nobody serves a type, or that those who do are slow.
fn warning(row: BacklogRow, now: u64) -> Option<String> {
    let BacklogRow { node_type, tasks, since, idle } = row;
    let waited = now.saturating_sub(since);
    if tasks == 0 || waited < Backlog::UNSERVED {
        return None;
    }
    let name = crate::show::plain(&node_type);
    let waited = length(waited);
    let unserved = Backlog { node_type, tasks, since, idle }.is_unserved(now);
    Some(if unserved {
        format!(
            "warning: no live worker serves type {name}: {tasks} tasks wait, the oldest for {waited}"
        )
    } else {
        format!("warning: {tasks} tasks of type {name} wait for a worker, the oldest for {waited}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_nobody_serves_is_told_from_one_whose_workers_are_slow() {
        let row = |tasks, since, idle| {
            warning(BacklogRow { node_type: "http".into(), tasks, since, idle }, 100_000)
        };
        assert_eq!(row(0, 0, None), None);
        assert_eq!(row(3, 80_000, None), None, "not yet");
        let told = |line: Option<String>| line.expect("a warning").contains("no live worker");
        assert!(told(row(3, 60_000, None)));
        assert!(told(row(3, 60_000, Some(31_000))));
        assert!(!told(row(3, 60_000, Some(200))));
    }
}
