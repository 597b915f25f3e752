//! Checks: `aob lint`, `aob verify`, `aob redis`.

use aob_engine::catalogue;
use serde_json::Value;

use crate::arguments::{Lint, Redis, Verify};
use crate::exit::Exit;
use crate::files::judge;
use crate::operations::{Kind, Request, Verified};
use crate::problem::{Finding, Problem, Result, exit};
use crate::show::terminal::Terminal;
use crate::show::value::value;

/// Judges files.
pub(super) fn lint(arguments: &Lint, terminal: Terminal) -> Result<Exit> {
    let judged = judge(&arguments.files);
    let findings: Vec<Finding> = judged.refused.into_iter().chain(judged.warnings).collect();
    match arguments.output {
        Some(_) => {
            let list = Value::Array(findings.iter().map(Finding::value).collect());
            terminal.data(&value(&list, arguments.output, terminal.data));
        }
        None => terminal.findings(&findings),
    }
    let warnings = findings.iter().filter(|finding| finding.issue.warning).count();
    let errors = findings.len() - warnings;
    let count = |number: usize, what: &str| {
        format!("{number} {what}{}", if number == 1 { "" } else { "s" })
    };
    let allowed = count(judged.workflows.len(), "workflow");
    terminal.say(&format!(
        "{allowed} in order, {}, {}",
        count(errors, "error"),
        count(warnings, "warning")
    ));
    Ok(if errors > 0 {
        exit(&Problem::of(findings))
    } else if arguments.strict && warnings > 0 {
        Exit::Refused
    } else {
        Exit::Done
    })
}

/// Folds a run's events and compares.
pub(super) async fn verify(arguments: &Verify, terminal: Terminal) -> Result<Exit> {
    let access = super::open(&arguments.place).await?;
    let run = access.operations.resolve(Kind::Run, &arguments.run).await?;
    let verified: Verified = access.operations.ask(Request::Verify { run: run.clone() }).await?;
    access.close().await?;
    match verified.broken {
        Some(broken) => Err(Problem::new(&catalogue::HISTORY_BROKEN, run, broken)),
        None => {
            terminal.data(&format!("{run}: {} events lead to its state", verified.events));
            Ok(Exit::Done)
        }
    }
}

/// Prints the lines that show a run in the store's own tools.
pub(super) async fn redis(arguments: &Redis, terminal: Terminal) -> Result<Exit> {
    let access = super::open(&arguments.place).await?;
    let run = access.operations.resolve(Kind::Run, &arguments.run).await?;
    let lines: Vec<String> = access.operations.ask(Request::Inspect { run }).await?;
    access.close().await?;
    terminal.data(&lines.join("\n"));
    Ok(Exit::Done)
}
