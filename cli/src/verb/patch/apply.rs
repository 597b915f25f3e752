//! `aob patch apply`, `aob patch undo`, `aob patch save`.

use aob_engine::catalogue;
use aob_engine::patch::{Answer, Record};

use super::super::act::Act;
use crate::arguments::{ApplyPatch, Driving, Format, SavePatches, UndoPatch, Where};
use crate::drive::Stop;
use crate::exit::Exit;
use crate::operations::{Kind, NamedSet, PatchAnswer, Request};
use crate::owner::Access;
use crate::patch_file::{Ops, placed};
use crate::problem::{Finding, Problem, Result};
use crate::show::patch::{Told, finding_of};
use crate::show::terminal::Terminal;
use crate::show::time::now;
use crate::show::value::value;

/// Patches a run.
pub(super) async fn apply(arguments: &ApplyPatch, terminal: Terminal) -> Result<Exit> {
    let ops = Ops::read(&arguments.file)?.with_flags(arguments);
    let asking =
        Asking::open(terminal, &arguments.place, &arguments.driving, arguments.output).await?;
    let run = asking.access.operations.resolve(Kind::Run, &arguments.run).await?;
    let dry_run = arguments.dry_run || ops.is_dry_run();
    let request = Request::Patch {
        run: run.clone(),
        id: Some(arguments.id.clone().unwrap_or_else(new_id)),
        approves: arguments.approve.clone(),
        dry_run,
        request: ops.request.clone(),
    };
    asking.ask(request, &run, dry_run, Some(&ops)).await
}

/// Takes a patch out again.
pub(super) async fn undo(arguments: &UndoPatch, terminal: Terminal) -> Result<Exit> {
    let asking =
        Asking::open(terminal, &arguments.place, &arguments.driving, arguments.output).await?;
    let (patch, run) = asking.access.operations.resolve_patch(&arguments.patch).await?;
    let (record, _) = super::record(&*asking.access.operations, &run, &patch).await?;
    if record.accepted().is_none() {
        let message = format!("{patch} was refused; there is nothing to take out");
        return Err(Problem::new(&catalogue::PATCH_NONE, "argument PATCH", message));
    }
    let request = Request::UndoPatch {
        run: run.clone(),
        patch,
        id: Some(arguments.id.clone().unwrap_or_else(new_id)),
        approves: arguments.approve.clone(),
        dry_run: arguments.dry_run,
        reason: arguments.reason.clone(),
    };
    asking.ask(request, &run, arguments.dry_run, None).await
}

/// Keeps operations under a name.
pub(super) async fn save(arguments: &SavePatches, terminal: Terminal) -> Result<Exit> {
    let ops = Ops::read(&arguments.file)?;
    let access = super::super::open(&arguments.place).await?;
    let kept =
        super::super::kept(&*access.operations, &arguments.workflow, None, "argument WORKFLOW")
            .await?;
    let request = Request::KeepPatchSet {
        workflow: kept.name.clone(),
        version: Some(kept.digest.clone()),
        name: Some(arguments.name.clone()),
        request: ops.request.clone(),
    };
    let NamedSet { digest: set, .. } = access
        .operations
        .ask(request)
        .await
        .map_err(|problem| placed(problem, &ops, &arguments.workflow))?;
    access.close().await?;
    terminal.data(&set);
    let (name, workflow) = (&arguments.name, &kept.name);
    terminal.say(&format!(
        "{name} is kept for {workflow}; begin a run on it with:\n  aob run {} --patch-set {name}",
        arguments.workflow
    ));
    Ok(Exit::Done)
}

/// A store that a patch goes to.
struct Asking {
    act: Act,
    access: Access,
    stop: Stop,
    detach: bool,
    output: Option<Format>,
}

impl Asking {
    async fn open(
        terminal: Terminal,
        place: &Where,
        driving: &Driving,
        output: Option<Format>,
    ) -> Result<Self> {
        let act = Act::new(terminal, place, &driving.rules)?;
        let stop = Stop::new()?;
        let access = act.open().await?;
        Ok(Self { act, access, stop, detach: driving.detach, output })
    }

    /// Asks, shows the answer, and drives on what became possible.
    async fn ask(
        mut self,
        request: Request,
        run: &str,
        dry_run: bool,
        ops: Option<&Ops>,
    ) -> Result<Exit> {
        let operations = self.access.operations.clone();
        let answer: PatchAnswer = operations.ask(request).await?;
        let record = &answer.record;
        let graphs = super::graphs(&*operations, run, record).await?;
        let graphs = graphs.as_ref().map(|(before, after)| (before, after));
        let told = Told { run, record, graphs, dry_run, undone: None };
        let terminal = self.act.terminal;
        if answer.existing {
            terminal
                .say(&format!("{} was asked before; this is what was answered then", record.id));
        }
        if self.output.is_some() {
            terminal.data(&value(&told.data(), self.output, terminal.data));
        }
        if let Answer::Refused(_) = &record.answer {
            self.act.close(self.access, &mut self.stop).await?;
            if !dry_run && !answer.existing {
                terminal.say(&format!("nothing of {} was applied", record.id));
            }
            return Err(refused(record, run, ops));
        }
        if self.output.is_none() {
            terminal.data(&told.text(terminal.paint_data()));
        }
        self.act.go_on(self.access, run, self.detach || dry_run, &mut self.stop).await
    }
}

/// The findings of a refusal where they were written.
fn refused(record: &Record, run: &str, ops: Option<&Ops>) -> Problem {
    let Answer::Refused(kept) = &record.answer else {
        return Problem::new(&catalogue::NOT_POSSIBLE, run, "refused");
    };
    let findings: Vec<Finding> = kept
        .iter()
        .map(|kept| {
            let finding = finding_of(kept, run);
            match ops {
                Some(ops) => ops.finding(finding.issue, run),
                None => finding,
            }
        })
        .collect();
    Problem::of(findings)
}

/// An id that nobody else makes.
fn new_id() -> String {
    format!("patch_{}", aob_engine::id::body(now(), rand::random(), rand::random()))
}
