//! `aob apply`, `aob promote`.

use serde_json::{Value, json};

use super::kept::digest_of;
use super::registered::{changes, register, warnings};
use crate::arguments::{Apply, Promote};
use crate::exit::Exit;
use crate::files::{Judged, judge};
use crate::operations::{Kind, Published, Request, Standing};
use crate::problem::Result;
use crate::show::terminal::Terminal;
use crate::show::value::value;

/// Judges files, then keeps them all.
pub(super) fn apply(arguments: &Apply, terminal: Terminal) -> Result<Exit> {
    super::one(keep(arguments, judge(&arguments.file).allowed()?, terminal))
}

/// Makes a run's graph a version.
pub(super) async fn promote(arguments: &Promote, terminal: Terminal) -> Result<Exit> {
    let access = super::open(&arguments.place).await?;
    let operations = &*access.operations;
    let run = operations.resolve(Kind::Run, &arguments.run).await?;
    let standing: Standing = operations.ask(Request::Standing { run: run.clone() }).await?;
    let (name, tag) = (standing.head.workflow.to_string(), arguments.tag.clone());
    let before = digest_of(operations, &name, &tag).await?;
    let request =
        Request::Promote { run: run.clone(), tag: tag.clone(), reason: arguments.reason.clone() };
    let Published { digest, .. } = operations.ask(request).await?;
    access.close().await?;
    terminal.data(&digest);
    let revision = standing.head.revision;
    let said = match before {
        Some(before) if before == digest => format!("{name}:{tag} points at it already"),
        Some(before) => {
            format!("{name}:{tag} pointed at {before}; `aob tag {name} undo --tag {tag}` goes back")
        }
        None => format!("{name}:{tag} is new"),
    };
    terminal.say(&format!("revision {revision} of {run} is a version of {name}; {said}"));
    Ok(Exit::Done)
}

async fn keep(arguments: &Apply, judged: Judged, terminal: Terminal) -> Result<Exit> {
    let access = super::open(&arguments.place).await?;
    let operations = &*access.operations;
    let mut rows = Vec::with_capacity(judged.types.len() + judged.workflows.len());
    for node_type in &judged.types {
        let result = changes(operations, node_type).await?;
        rows.push(json!({"type": node_type.name, "result": result}));
    }
    terminal.findings(&warnings(operations, &judged).await?);
    if !arguments.dry_run {
        register(operations, &judged.types).await?;
    }
    for workflow in &judged.workflows {
        let (name, digest) = (workflow.ir.name.clone(), workflow.ir.digest.clone());
        let tag = arguments.tag.clone();
        let before = digest_of(operations, &name, &tag).await?;
        if !arguments.dry_run {
            let request = Request::Publish {
                workflow: workflow.value().clone(),
                tag: Some(tag.clone()),
                reason: arguments.reason.clone(),
            };
            let _same: Published = operations.ask(request).await?;
        }
        let result = match &before {
            None => "created",
            Some(before) if *before == digest => "unchanged",
            Some(_) => "changed",
        };
        rows.push(json!({"workflow": name, "tag": tag, "digest": digest, "before": before, "result": result}));
    }
    access.close().await?;
    if arguments.output.is_some() {
        terminal.data(&value(&Value::Array(rows), arguments.output, terminal.data));
    } else {
        rows.iter().for_each(|row| terminal.data(&line(row)));
    }
    if arguments.dry_run {
        terminal.say("nothing was kept");
    }
    Ok(Exit::Done)
}

fn line(row: &Value) -> String {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
    if row.get("type").is_some() {
        return format!("type {} {}", text("type"), text("result"));
    }
    let before = match text("result") {
        "changed" => format!("  (was {})", text("before")),
        _ => String::new(),
    };
    format!("{}:{} {}  {}{before}", text("workflow"), text("tag"), text("result"), text("digest"))
}
