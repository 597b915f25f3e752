//! The run that `aob up --demo` shows: an agent changes it while it runs.

mod mind;

use aob_engine::patch::Record;
use aob_engine::read::{self, Limits};
use aob_engine::state::Asks;
use aob_gateway::perform::Local;
use serde_json::{Value, json};

pub(super) use mind::Mind;

use crate::operations::{
    Needs, Operations, Page, Published, Request, RunRow, Standing, Started, Waits,
};
use crate::problem::{Problem, Result};
use crate::show::terminal::Terminal;

/// In whose name the run is begun.
pub(super) const BY: &str = "user:demo";
const WORKFLOW: &str = include_str!("demo/workflow.yaml");
/// Longest wait for an event at once, in milliseconds.
const WAIT: u64 = 2_000;

/// Goes on with the demo that is under way, else begins one; says how it stands.
pub(super) async fn show(local: Local, model: String, terminal: Terminal) {
    let operations: &dyn Operations = &local;
    if let Err(problem) = demo(operations, &model, terminal).await {
        terminal.findings(&problem.findings);
    }
}

async fn demo(operations: &dyn Operations, model: &str, terminal: Terminal) -> Result<()> {
    let run = match under_way(operations).await? {
        Some(run) => run,
        None => begin(operations, model).await?,
    };
    let who = match mind::is_scripted(model) {
        true => {
            "a script plays the part of the model; with OPENAI_API_KEY or ANTHROPIC_API_KEY one is asked".to_owned()
        }
        false => format!("the agent asks {model}"),
    };
    terminal.say(&format!("demo: {run} is under way; {who}"));
    let (mut patched, mut told) = (false, None);
    loop {
        let standing: Standing = operations.ask(Request::Standing { run: run.clone() }).await?;
        if standing.head.revision > 0 && !patched {
            patched = true;
            if let Some(record) = accepted(operations, &run).await? {
                let why = record.reason.unwrap_or_default();
                terminal.say(&format!("demo: {} has changed the run: {why}", record.by));
            }
        }
        if standing.needs == Needs::Nothing {
            terminal.say(&format!("{run}  {}", standing.status));
            return Ok(());
        }
        for waits in standing.tickets.iter().filter(|waits| waits.asks == Asks::Gate) {
            if told.as_ref() != Some(&waits.ticket) {
                told = Some(waits.ticket.clone());
                screen(operations, &standing, waits, terminal).await?;
            }
        }
        let seq = standing.head.seq;
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

async fn begin(operations: &dyn Operations, model: &str) -> Result<String> {
    let request = Request::Publish {
        workflow: workflow()?,
        tag: Some("main".to_owned()),
        reason: Some("aob up --demo".to_owned()),
    };
    let published: Published = operations.ask(request).await?;
    let request = Request::Start {
        workflow: Some(published.digest),
        inline: None,
        input: Some(json!({"model": model})),
        key: None,
        patch_set: None,
    };
    let started: Started = operations.ask(request).await?;
    Ok(started.run)
}

/// The first patch that was taken.
async fn accepted(operations: &dyn Operations, run: &str) -> Result<Option<Record>> {
    let records: Vec<Record> = operations.ask(Request::Patches { run: run.to_owned() }).await?;
    Ok(records.into_iter().find(|record| record.accepted().is_some()))
}

/// How the run stands at its gate, and what can be typed.
async fn screen(
    operations: &dyn Operations,
    standing: &Standing,
    waits: &Waits,
    terminal: Terminal,
) -> Result<()> {
    let (run, revision) = (&standing.head.run, standing.head.revision);
    let accepted = accepted(operations, run).await?;
    let by = accepted.as_ref().map_or_else(String::new, |record| {
        let who = record.by.replacen(':', " ", 1);
        format!(" (patched by {who}: +1 node)")
    });
    terminal.say(&format!("{run}  waiting at {}   revision {revision}{by}", waits.instance));
    if let Some(record) = accepted {
        terminal.say(&format!("  aob patch show {}", record.id));
    }
    terminal.say(&format!("  aob approve {} approve --reason \"LGTM\"", waits.ticket));
    terminal.say(&format!("  aob replay {run} --from process"));
    Ok(())
}

/// The document that came with this program.
fn workflow() -> Result<Value> {
    let documents = read::documents(WORKFLOW.as_bytes(), &Limits::default());
    let first = documents.ok().and_then(|documents| documents.into_iter().next());
    first.map(|document| document.value).ok_or_else(|| {
        Problem::store(aob_store::Error::Corrupt("the demo cannot be read".to_owned()), "--demo")
    })
}
