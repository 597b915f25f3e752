//! `aob run`.

use std::path::Path;
use std::sync::Arc;

use aob_engine::catalogue;
use aob_engine::issue::Issue;
use aob_engine::route;
use aob_engine::state::IrSet;
use aob_engine::step::{Now, Refusal, StartRequest};
use serde_json::json;

use super::act::{Act, Ending};
use super::kept::{Version, digest_of, is_name, kept, patch_set};
use super::registered::{register, warnings};
use crate::arguments::Run;
use crate::drive::Stop;
use crate::exit::Exit;
use crate::files::{Judged, Workflow, judge};
use crate::input::Given;
use crate::operations::{Operations, Published, Request, Started, TENANT};
use crate::owner::{Access, Place};
use crate::problem::{Finding, Problem, Result};
use crate::show::terminal::Terminal;
use crate::show::time::now;
use crate::show::value::value;

/// Judges files and input before anything is opened, then starts the run and follows it.
pub(super) fn run(arguments: &Run, terminal: Terminal) -> Result<Exit> {
    let input = Given::read(arguments.input_file.as_deref(), &arguments.input)?;
    if let [name] = arguments.files.as_slice()
        && is_name(name)
        && !Path::new(name).exists()
    {
        return super::many(start_kept(arguments, terminal, name, &input));
    }
    let judged = judge(&arguments.files).allowed()?;
    if let Some(first) = judged.workflows.first() {
        fits(first, &input)?;
    }
    if arguments.dry_run {
        terminal.findings(&judged.warnings);
        return Ok(plan(arguments, terminal, &judged.workflows, &input));
    }
    super::many(start(arguments, terminal, judged, &input))
}

/// Starts the first workflow; the others are there for it.
async fn start(arguments: &Run, terminal: Terminal, judged: Judged, input: &Given) -> Result<Exit> {
    let act = Act::new(terminal, &arguments.place, &arguments.rules)?;
    let workflows = judged.workflows.as_slice();
    if matches!(act.place, Place::Folder(_)) {
        let served = act.settings.types(true);
        let findings: Vec<Finding> =
            workflows.iter().flat_map(|workflow| workflow.not_served(&served)).collect();
        if !findings.is_empty() {
            return Err(Problem::of(findings));
        }
    }
    let stop = Stop::new()?;
    let access = act.open().await?;
    register(&*access.operations, &judged.types).await?;
    terminal.findings(&warnings(&*access.operations, &judged).await?);
    children_are_there(&*access.operations, workflows).await?;
    let mut first = None;
    for workflow in workflows {
        let tag = match (&first, &arguments.tag) {
            (None, Some(tag)) => tag.clone(),
            _ => "main".to_owned(),
        };
        let publish =
            Request::Publish { workflow: workflow.value().clone(), tag: Some(tag), reason: None };
        let Published { digest, .. } = access.operations.ask(publish).await?;
        first.get_or_insert_with(|| Version { name: workflow.ir.name.clone(), digest });
    }
    let none =
        || Problem::new(&catalogue::NO_WORKFLOW, "argument FILE", "the files hold no workflow");
    begin(arguments, &act, access, first.ok_or_else(none)?, input, stop).await
}

/// Starts a workflow that was kept before.
async fn start_kept(
    arguments: &Run,
    terminal: Terminal,
    name: &str,
    input: &Given,
) -> Result<Exit> {
    let act = Act::new(terminal, &arguments.place, &arguments.rules)?;
    let stop = Stop::new()?;
    let access = act.open().await?;
    let version = kept(&*access.operations, name, arguments.tag.as_deref(), "argument FILE").await;
    let version = version.map_err(|problem| match problem.entry() {
        Some(entry) if entry == &catalogue::NO_WORKFLOW => {
            let message = format!("there is neither a file nor a kept workflow `{name}`");
            Problem::new(&catalogue::NO_WORKFLOW, "argument FILE", message)
        }
        _ => problem,
    })?;
    if arguments.dry_run {
        let plan =
            json!({"workflow": version.name, "digest": version.digest, "input": input.value});
        terminal.data(&value(&plan, arguments.output, terminal.data));
        return Ok(Exit::Done);
    }
    begin(arguments, &act, access, version, input, stop).await
}

async fn begin(
    arguments: &Run,
    act: &Act,
    access: Access,
    version: Version,
    input: &Given,
    mut stop: Stop,
) -> Result<Exit> {
    let key = arguments.key.clone().or_else(|| act.own_key(&access));
    let patch_set = match &arguments.patch_set {
        Some(given) => Some(patch_set(&*access.operations, given, &version).await?),
        None => None,
    };
    let request = Request::Start {
        workflow: Some(version.digest),
        inline: None,
        input: Some(input.value.clone()),
        key,
        patch_set,
    };
    let started: Started =
        access.operations.ask(request).await.map_err(|problem| placed(problem, input))?;
    let Started { run, existing } = started;
    if existing && arguments.key.is_some() {
        act.terminal.say(&format!("{run} was started under this key before"));
    }
    if arguments.detach {
        return act.leave(access, &run, &mut stop).await;
    }
    act.finish(access, &run, Ending { output: arguments.output, wait: arguments.wait }, &mut stop)
        .await
}

fn plan(arguments: &Run, terminal: Terminal, workflows: &[Workflow], input: &Given) -> Exit {
    let of = |workflow: &Workflow| {
        let ir = &workflow.ir;
        json!({"workflow": ir.name, "digest": ir.digest, "nodes": ir.nodes.len(), "edges": ir.edges.len()})
    };
    let plan = json!({"run": workflows.first().map(of), "beside": workflows.iter().skip(1).map(of).collect::<Vec<_>>(), "input": input.value});
    terminal.data(&value(&plan, arguments.output, terminal.data));
    terminal.say("files and input are in order; nothing was started");
    Exit::Done
}

/// Judges the input as the start will: by the engine's own first step, which is thrown away.
fn fits(workflow: &Workflow, input: &Given) -> Result<()> {
    let run = "run_00000000000000000000000000".into();
    let given = Arc::new(input.value.clone());
    let request = StartRequest::new(run, TENANT.into(), given, super::user().into());
    let irs = IrSet::new(0, workflow.ir.clone());
    match route::start(&irs, 0, &request, Now { time: now(), epoch: 0 }) {
        Err(Refusal::Start(issues)) => Err(placed(Problem::all("the input", issues), input)),
        _ => Ok(()),
    }
}

/// A finding in the input where that part of it came from; others as they are.
pub(super) fn placed(problem: Problem, input: &Given) -> Problem {
    let placed = |finding: Finding| {
        if finding.issue.entry == &catalogue::BAD_INPUT {
            input.finding(finding.issue)
        } else {
            finding
        }
    };
    Problem::of(problem.findings.into_iter().map(placed).collect())
}

/// Every child workflow that a file names is in the files, or was kept before.
async fn children_are_there(operations: &dyn Operations, workflows: &[Workflow]) -> Result<()> {
    let mut findings = Vec::new();
    for workflow in workflows {
        for (pointer, name, tag) in workflow.children() {
            if tag == "main" && workflows.iter().any(|other| other.ir.name == name) {
                continue;
            }
            if digest_of(operations, &name, &tag).await?.is_none() {
                let message = format!(
                    "the child workflow `{name}` with tag {tag} is neither in these files nor kept"
                );
                findings.push(workflow.finding(Issue::new(
                    &catalogue::CHILD_UNKNOWN,
                    pointer,
                    message,
                )));
            }
        }
    }
    if findings.is_empty() { Ok(()) } else { Err(Problem::of(findings)) }
}
