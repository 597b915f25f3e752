//! `aob ls`.

use aob_engine::registry::Registry;
use serde_json::{Value, json};

use super::group::{Group, HEADER, Names, groups};
use crate::arguments::{Format, GroupBy, List, ListFormat, Listed};
use crate::exit::Exit;
use crate::operations::{
    LimitsRow, NamedSet, Operations, Page, Request, RunRow, TicketRow, TypeRow, WorkflowRow,
};
use crate::problem::Result;
use crate::show::table::table;
use crate::show::terminal::Terminal;
use crate::show::time::{length, now, rfc3339};
use crate::show::value::value;

/// Most runs of a page.
const PAGE: u32 = 500;

/// Lists what is asked for.
pub(super) async fn list(arguments: &List, terminal: Terminal) -> Result<Exit> {
    let access = super::open(&arguments.place).await?;
    let operations = &*access.operations;
    match arguments.what {
        Listed::Runs => {
            let (rows, more) = runs(operations, arguments).await?;
            let names = Names::of(operations, &rows).await?;
            match arguments.group_by {
                Some(GroupBy::PatchSet) => {
                    let groups = groups(&rows, &names);
                    show(arguments, terminal, &HEADER, &groups, Group::cells, Group::data);
                }
                None => show_runs(&rows, &names, arguments, terminal),
            }
            if more {
                terminal.say(&format!("more than {} runs; see --limit", arguments.limit));
            }
        }
        Listed::Workflows => {
            let mut rows = workflows(operations).await?;
            rows.truncate(arguments.limit as usize);
            let cells =
                |row: &WorkflowRow| vec![row.workflow.clone(), row.tag.clone(), row.digest.clone()];
            let data = |row: &WorkflowRow| json!({"workflow": row.workflow, "tag": row.tag, "digest": row.digest});
            show(arguments, terminal, &["WORKFLOW", "TAG", "DIGEST"], &rows, cells, data);
        }
        Listed::Tickets => {
            let rows: Vec<TicketRow> =
                operations.ask(Request::Tickets { most: Some(arguments.limit) }).await?;
            let now = now();
            let cells = |row: &TicketRow| {
                let age = length(now.saturating_sub(row.since));
                let left = row.due.map(|due| match due.saturating_sub(now) {
                    0 => "expired".to_owned(),
                    left => length(left),
                });
                vec![
                    row.ticket.clone(),
                    row.run.clone(),
                    row.instance.clone(),
                    row.asks.clone(),
                    age,
                    left.unwrap_or_default(),
                    answerers(row),
                    row.title.clone(),
                ]
            };
            let data = |row: &TicketRow| {
                json!({
                    "ticket": row.ticket,
                    "run": row.run,
                    "instance": row.instance,
                    "asks": row.asks,
                    "title": row.title,
                    "since": rfc3339(row.since),
                    "due": row.due.map(rfc3339),
                    "users": row.users,
                    "groups": row.groups,
                    "excluded": row.excluded,
                    "count": row.count,
                    "votes": row.votes,
                    "binds": row.binds,
                })
            };
            show(
                arguments,
                terminal,
                &["TICKET", "RUN", "NODE", "ASKS", "AGE", "EXPIRES", "BY", "TITLE"],
                &rows,
                cells,
                data,
            );
        }
        Listed::PatchSets => {
            let mut rows = patch_sets(operations).await?;
            rows.truncate(arguments.limit as usize);
            let cells = |row: &[String; 3]| row.to_vec();
            let data = |[workflow, name, digest]: &[String; 3]| json!({"workflow": workflow, "name": name, "digest": digest});
            show(arguments, terminal, &["WORKFLOW", "NAME", "DIGEST"], &rows, cells, data);
        }
        Listed::Limits => {
            let row: LimitsRow = operations.ask(Request::Limits {}).await?;
            limits(arguments, terminal, row);
        }
        Listed::Types => {
            let registered: Vec<TypeRow> = operations.ask(Request::Types {}).await?;
            types(arguments, terminal, &registered);
        }
    }
    access.close().await?;
    Ok(Exit::Done)
}

/// Who may answer a ticket, how many must, and who has.
fn answerers(row: &TicketRow) -> String {
    let groups = row.groups.iter().map(|group| format!("@{group}"));
    let named: Vec<String> = row.users.iter().cloned().chain(groups).collect();
    let mut text = if named.is_empty() { "anybody".to_owned() } else { named.join(",") };
    if !row.excluded.is_empty() {
        text.push_str(&format!(" but {}", row.excluded.join(",")));
    }
    if row.count > 1 {
        text.push_str(&format!(" ({} of {})", row.votes.len(), row.count));
    }
    text
}

/// Runs that fit, newest first, and whether there may be more.
async fn runs(operations: &dyn Operations, arguments: &List) -> Result<(Vec<RunRow>, bool)> {
    let from = arguments.since.map_or(0, |since| now().saturating_sub(since));
    let most = arguments.limit as usize;
    let mut rows: Vec<RunRow> = Vec::new();
    let mut cursor = None;
    loop {
        let request = Request::Runs {
            cursor,
            most: Some(PAGE),
            status: arguments.status.clone(),
            workflow: None,
            since: Some(from),
        };
        let page: Page<RunRow> = operations.ask(request).await?;
        rows.extend(page.items);
        if rows.len() > most {
            rows.truncate(most);
            return Ok((rows, true));
        }
        if page.cursor.is_none() {
            return Ok((rows, false));
        }
        cursor = page.cursor;
    }
}

/// Every tag of every workflow.
pub(super) async fn workflows(operations: &dyn Operations) -> Result<Vec<WorkflowRow>> {
    let mut rows = Vec::new();
    let mut cursor = None;
    loop {
        let request = Request::Workflows { cursor, most: Some(PAGE) };
        let page: Page<WorkflowRow> = operations.ask(request).await?;
        rows.extend(page.items);
        match page.cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(rows),
        }
    }
}

/// Named sets of patches: workflow, name, digest.
async fn patch_sets(operations: &dyn Operations) -> Result<Vec<[String; 3]>> {
    let rows = workflows(operations).await?;
    let mut workflows: Vec<String> = rows.into_iter().map(|row| row.workflow).collect();
    workflows.dedup();
    let mut all = Vec::new();
    for workflow in workflows {
        let request = Request::PatchSets { workflow: workflow.clone() };
        let sets: Vec<NamedSet> = operations.ask(request).await?;
        let row = |set: NamedSet| [workflow.clone(), set.name.unwrap_or_default(), set.digest];
        all.extend(sets.into_iter().map(row));
    }
    Ok(all)
}

fn show_runs(rows: &[RunRow], names: &Names, arguments: &List, terminal: Terminal) {
    let now = now();
    let wide = arguments.output == Some(ListFormat::Wide);
    let took = |row: &RunRow| row.ended.unwrap_or(now).saturating_sub(row.started);
    let cells = |row: &RunRow| {
        let progress = format!("{}/{}", row.settled, row.instances);
        let age = length(now.saturating_sub(row.started));
        let mut cells = vec![
            row.run.clone(),
            row.workflow.clone(),
            row.status.clone(),
            progress,
            length(took(row)),
            age,
        ];
        if wide {
            cells.extend([
                row.tier.clone(),
                row.revision.to_string(),
                names.shown(row),
                rfc3339(row.started),
                row.ended.map(rfc3339).unwrap_or_default(),
            ]);
        }
        cells
    };
    let data = |row: &RunRow| {
        json!({
            "run": row.run,
            "workflow": row.workflow,
            "status": row.status,
            "revision": row.revision,
            "tier": row.tier,
            "patchSet": row.patch_set,
            "settled": row.settled,
            "instances": row.instances,
            "started": rfc3339(row.started),
            "ended": row.ended.map(rfc3339),
            "durationMs": took(row),
        })
    };
    let mut header = vec!["RUN", "WORKFLOW", "STATUS", "NODES", "DURATION", "AGE"];
    if wide {
        header.extend(["TIER", "REVISION", "PATCH SET", "STARTED", "ENDED"]);
    }
    show(arguments, terminal, &header, rows, cells, data);
}

/// What the tenant is limited to, and what of a day is used.
fn limits(arguments: &List, terminal: Terminal, row: LimitsRow) {
    let LimitsRow { agents, runs_per_minute, usd_per_day, usd_today, day_ends } = row;
    let number = |number: u32| number.to_string();
    let rows: Vec<(&str, String, Option<String>, Option<u64>)> = [
        ("agents", agents.map(number), None, None),
        ("runs-per-minute", runs_per_minute.map(number), None, None),
        ("usd-per-day", usd_per_day, usd_today, day_ends),
    ]
    .into_iter()
    .filter_map(|(limit, most, used, ends)| Some((limit, most?, used, ends)))
    .collect();
    show(
        arguments,
        terminal,
        &["LIMIT", "MOST", "USED", "UNTIL"],
        &rows,
        |(limit, most, used, ends)| {
            let ends = ends.map(rfc3339).unwrap_or_default();
            vec![(*limit).to_owned(), most.clone(), used.clone().unwrap_or_default(), ends]
        },
        |(limit, most, used, ends)| json!({"limit": limit, "most": most, "used": used, "until": ends.map(rfc3339)}),
    );
}

/// Built-in types, then those that are registered.
fn types(arguments: &List, terminal: Terminal, registered: &[TypeRow]) {
    let registry = Registry::builtin();
    let built_in = registry.names().filter_map(|name| {
        let schema = registry.get(name)?.schema();
        let text = |field: &str| schema.get(field).and_then(Value::as_str).unwrap_or_default();
        let (effect, described) = (text("x-aob-effect"), text("description"));
        Some(json!({"type": name, "by": "aob", "effect": effect, "description": described, "output": text("x-aob-output")}))
    });
    let others = registered.iter().map(|row| {
        let spec = row.document.get("spec").unwrap_or(&Value::Null);
        let text = |field: &str| spec.get(field).and_then(Value::as_str).unwrap_or_default();
        let run = spec.get("run").and_then(Value::as_object).and_then(|run| run.keys().next());
        let effect = if text("effect").is_empty() { "Once" } else { text("effect") };
        json!({"type": row.name, "by": run, "effect": effect.to_lowercase(), "description": text("description"), "version": row.version})
    });
    let rows: Vec<Value> = built_in.chain(others).collect();
    let cells = |row: &Value| {
        let text =
            |field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        vec![text("type"), text("by"), text("effect"), text("description")]
    };
    show(arguments, terminal, &["TYPE", "BY", "EFFECT", "DESCRIPTION"], &rows, cells, Value::clone);
}

/// Rows as a table or as data.
fn show<T>(
    arguments: &List,
    terminal: Terminal,
    header: &[&str],
    rows: &[T],
    cells: impl Fn(&T) -> Vec<String>,
    data: impl Fn(&T) -> Value,
) {
    let format = match arguments.output {
        Some(ListFormat::Json) => Format::Json,
        Some(ListFormat::Yaml) => Format::Yaml,
        Some(ListFormat::Wide) | None => {
            if rows.is_empty() {
                terminal.say("none");
            } else {
                terminal.data(&table(header, &rows.iter().map(cells).collect::<Vec<_>>()));
            }
            return;
        }
    };
    let list = Value::Array(rows.iter().map(data).collect());
    terminal.data(&value(&list, Some(format), terminal.data));
}
