//! The run that `aob up --demo` shows: a script stands where a model would, and says so.

use aob_engine::event::{Change, Event};
use aob_engine::patch::Answer;
use aob_engine::read::{self, Limits};
use aob_engine::state::Asks;
use aob_gateway::perform::Local;
use serde_json::{Value, json};

use crate::operations::{
    EventPage, Needs, Operations, Page, PatchAnswer, Published, Request, RunRow, Standing, Started,
};
use crate::problem::{Problem, Result};
use crate::show::terminal::Terminal;

/// In whose name the script acts.
pub(super) const BY: &str = "user:demo-script";
const WORKFLOW: &str = include_str!("demo.yaml");
const OPERATIONS: &str = include_str!("demo-patch.yaml");
/// The node whose time the script uses.
const LOOK: &str = "look";
const REASON: &str = "scripted, no model decided it: rows without an id would be processed";
/// Longest wait for an event at once, in milliseconds.
const WAIT: u64 = 2_000;

/// Goes on with the demo that is under way, else begins one; says how it stands.
pub(super) async fn show(local: Local, terminal: Terminal) {
    let operations: &dyn Operations = &local;
    if let Err(problem) = demo(operations, terminal).await {
        terminal.findings(&problem.findings);
    }
}

async fn demo(operations: &dyn Operations, terminal: Terminal) -> Result<()> {
    let run = match under_way(operations).await? {
        Some(run) => run,
        None => begin(operations).await?,
    };
    terminal.say(&format!("demo: {run} is under way; a script plays the part of a model"));
    let (mut seq, mut told) = (0, None);
    loop {
        let page = Request::Events { run: run.clone(), after: seq, most: None };
        let page: EventPage = operations.ask(page).await?;
        for event in page.events {
            let event: Event = serde_json::from_value(event).map_err(|error| {
                Problem::store(aob_store::Error::Corrupt(error.to_string()), &run)
            })?;
            seq = event.n;
            for change in &event.changes {
                if matches!(change, Change::Delayed { at, .. } if at == LOOK) {
                    patch(operations, &run, terminal).await?;
                }
            }
        }
        let standing: Standing = operations.ask(Request::Standing { run: run.clone() }).await?;
        if standing.head.seq > seq {
            continue;
        }
        if standing.needs == Needs::Nothing {
            terminal.say(&format!("{run}  {}", standing.status));
            return Ok(());
        }
        for waits in &standing.tickets {
            if waits.asks == Asks::Gate && told.as_ref() != Some(&waits.ticket) {
                told = Some(waits.ticket.clone());
                screen(operations, &standing, &waits.ticket, &waits.instance, terminal).await?;
            }
        }
        operations.ask::<u64>(Request::Watch { run: run.clone(), seq, wait_ms: WAIT }).await?;
    }
}

/// The newest demo run that is not over.
async fn under_way(operations: &dyn Operations) -> Result<Option<String>> {
    let request = Request::Runs {
        cursor: None,
        most: None,
        status: None,
        workflow: Some("demo".to_owned()),
        since: None,
    };
    let page: Page<RunRow> = operations.ask(request).await?;
    Ok(page.items.into_iter().find(|row| row.ended.is_none()).map(|row| row.run))
}

async fn begin(operations: &dyn Operations) -> Result<String> {
    let request = Request::Publish {
        workflow: document(WORKFLOW)?,
        tag: Some("main".to_owned()),
        reason: Some("aob up --demo".to_owned()),
    };
    let published: Published = operations.ask(request).await?;
    let request = Request::Start {
        workflow: Some(published.digest),
        inline: None,
        input: None,
        key: None,
        patch_set: None,
    };
    let started: Started = operations.ask(request).await?;
    Ok(started.run)
}

/// What a model would have asked for. Asked again after a crash it is the same patch.
async fn patch(operations: &dyn Operations, run: &str, terminal: Terminal) -> Result<()> {
    let standing: Standing = operations.ask(Request::Standing { run: run.to_owned() }).await?;
    if standing.head.revision > 0 || standing.needs == Needs::Nothing {
        return Ok(());
    }
    let request = Request::Patch {
        run: run.to_owned(),
        // Of the run, so that a second one says that it is the same.
        id: Some(run.replacen("run_", "patch_", 1)),
        approves: Vec::new(),
        dry_run: false,
        request: json!({"operations": document(OPERATIONS)?, "reason": REASON}),
    };
    let answer: PatchAnswer = operations.ask(request).await?;
    match answer.record.answer {
        Answer::Accepted(_) => terminal.say("demo: the script put validate_schema before process"),
        // Too late: process had begun when this process came back.
        Answer::Refused(_) => {
            terminal.say("demo: the script's patch came too late and was refused")
        }
    }
    Ok(())
}

/// How the run stands at its gate, and what can be typed.
async fn screen(
    operations: &dyn Operations,
    standing: &Standing,
    ticket: &str,
    at: &str,
    terminal: Terminal,
) -> Result<()> {
    let run = &standing.head.run;
    let records: Vec<aob_engine::patch::Record> =
        operations.ask(Request::Patches { run: run.clone() }).await?;
    let accepted = records.iter().find(|record| record.accepted().is_some());
    let by = if accepted.is_some() { " (patched by a script: +1 node)" } else { "" };
    terminal.say(&format!("{run}  waiting at {at}   revision {}{by}", standing.head.revision));
    if let Some(record) = accepted {
        terminal.say(&format!("  aob patch show {}", record.id));
    }
    terminal.say(&format!("  aob approve {ticket} approve --reason \"LGTM\""));
    terminal.say(&format!("  aob replay {run} --from process"));
    Ok(())
}

/// The one document of a text that came with this program.
fn document(text: &str) -> Result<Value> {
    let documents = read::documents(text.as_bytes(), &Limits::default());
    let first = documents.ok().and_then(|documents| documents.into_iter().next());
    first.map(|document| document.value).ok_or_else(|| {
        Problem::store(aob_store::Error::Corrupt("the demo cannot be read".to_owned()), "--demo")
    })
}
