//! `aob tag`.

use aob_engine::catalogue;
use aob_engine::issue::excerpt;
use aob_engine::timeline::{Move, MoveKind, Timeline};
use serde_json::{Value, json};

use super::kept::digest_of;
use super::list::workflows;
use crate::arguments::{Format, ListFormat, ListTag, MoveTag, SetTag, Tag, TagCommand};
use crate::exit::Exit;
use crate::operations::{Operations, Request, WorkflowRow};
use crate::problem::{Problem, Result};
use crate::show::terminal::Terminal;
use crate::show::time::rfc3339;
use crate::show::timeline::{moves, tree};
use crate::show::value::value;

/// Moves a tag, or shows its line.
pub(super) async fn tag(arguments: &Tag, terminal: Terminal) -> Result<Exit> {
    let workflow = &arguments.workflow;
    match &arguments.command {
        TagCommand::List(listed) => list(workflow, listed, terminal).await,
        TagCommand::Set(SetTag { version, how }) => {
            moved(workflow, how, Step::To(version), terminal).await
        }
        TagCommand::Undo(how) => moved(workflow, how, Step::Undo, terminal).await,
        TagCommand::Redo(how) => moved(workflow, how, Step::Redo, terminal).await,
    }
}

enum Step<'a> {
    To(&'a str),
    Undo,
    Redo,
}

async fn list(workflow: &str, arguments: &ListTag, terminal: Terminal) -> Result<Exit> {
    let access = super::open(&arguments.place).await?;
    let line = timeline(&*access.operations, workflow, &arguments.tag).await?;
    access.close().await?;
    if line.is_empty() {
        return Err(no_tag(workflow, &arguments.tag));
    }
    let format = match arguments.output {
        None => {
            terminal.data(&tree(&line, terminal.unicode));
            return Ok(Exit::Done);
        }
        Some(ListFormat::Wide) => {
            terminal.data(&moves(&line));
            return Ok(Exit::Done);
        }
        Some(ListFormat::Json) => Format::Json,
        Some(ListFormat::Yaml) => Format::Yaml,
    };
    let order = Timeline::of(&line);
    let data = |(at, one): (usize, &Move)| {
        let number = at as u32 + 1;
        json!({
            "number": number,
            "kind": one.kind,
            "digest": one.digest,
            "by": one.by,
            "time": rfc3339(one.time),
            "reason": one.reason,
            "after": (one.kind == MoveKind::Set).then(|| order.parent(number)).filter(|&parent| parent > 0),
            "now": order.at() == number,
        })
    };
    let list = Value::Array(line.iter().enumerate().map(data).collect());
    terminal.data(&value(&list, Some(format), terminal.data));
    Ok(Exit::Done)
}

async fn moved(workflow: &str, how: &MoveTag, step: Step<'_>, terminal: Terminal) -> Result<Exit> {
    let access = super::open(&how.place).await?;
    let operations = &*access.operations;
    let tag = &how.tag;
    let before = digest_of(operations, workflow, tag).await?;
    if before.is_none() && !matches!(step, Step::To(_)) {
        return Err(no_tag(workflow, tag));
    }
    let (reason, name, tag) = (how.reason.clone(), workflow.to_owned(), tag.clone());
    let request = match step {
        Step::To(version) => {
            let digest = digest(operations, workflow, &tag, version).await?;
            Request::SetTag { workflow: name, tag, digest, reason }
        }
        Step::Undo => Request::UndoTag { workflow: name, tag, reason },
        Step::Redo => Request::RedoTag { workflow: name, tag, reason },
    };
    let WorkflowRow { tag, digest: after, .. } = operations.ask(request).await?;
    access.close().await?;
    terminal.data(&after);
    let said = match before {
        Some(before) if before == after => "points there already".to_owned(),
        Some(before) => format!("pointed at {before}"),
        None => "is new".to_owned(),
    };
    terminal.say(&format!("{workflow}:{tag} {said}"));
    Ok(Exit::Done)
}

/// The digest that is meant: a number of the tag's line, another tag, a digest or a unique beginning of one.
async fn digest(
    operations: &dyn Operations,
    workflow: &str,
    tag: &str,
    given: &str,
) -> Result<String> {
    let none = |message: String| Problem::new(&catalogue::NO_WORKFLOW, "argument VERSION", message);
    if let Ok(number) = given.parse::<usize>() {
        let line = timeline(operations, workflow, tag).await?;
        let one = number.checked_sub(1).and_then(|at| line.get(at));
        let message = format!("{workflow}:{tag} has no move {number}");
        return one.map(|one| one.digest.clone()).ok_or_else(|| none(message));
    }
    let beginning = given.strip_prefix("sha256:");
    if beginning.is_some_and(|hex| hex.len() == 64) {
        return Ok(given.to_owned());
    }
    let rows = workflows(operations).await?;
    let tags: Vec<WorkflowRow> = rows.into_iter().filter(|row| row.workflow == workflow).collect();
    if beginning.is_none() {
        let found = tags.into_iter().find(|row| row.tag == given);
        let message = format!("{workflow} has no tag {}", excerpt(given));
        return found.map(|row| row.digest).ok_or_else(|| none(message));
    }
    let mut found = Vec::new();
    for row in tags {
        let line = timeline(operations, workflow, &row.tag).await?;
        found.push(row.digest);
        found.extend(line.into_iter().map(|one| one.digest));
    }
    found.retain(|digest| digest.starts_with(given));
    found.sort_unstable();
    found.dedup();
    match found.len() {
        0 => Err(none(format!("no tag of {workflow} has pointed at {}", excerpt(given)))),
        1 => Ok(found.swap_remove(0)),
        many => {
            let message = format!("{many} versions begin with {given}");
            let problem = Problem::new(&catalogue::NOT_UNIQUE, "argument VERSION", message);
            Err(found.into_iter().fold(problem, Problem::detail))
        }
    }
}

async fn timeline(operations: &dyn Operations, workflow: &str, tag: &str) -> Result<Vec<Move>> {
    let request = Request::Timeline { workflow: workflow.to_owned(), tag: tag.to_owned() };
    operations.ask(request).await
}

fn no_tag(workflow: &str, tag: &str) -> Problem {
    let message = format!("there is no workflow {} with tag {tag}", excerpt(workflow));
    Problem::new(&catalogue::NO_WORKFLOW, "argument WORKFLOW", message)
}
