//! `aob cancel` and `aob suspend`.

use aob_engine::state::CancelMode;

use super::act::Act;
use super::decide::judged;
use crate::arguments::{Cancel, Suspend};
use crate::drive::Stop;
use crate::exit::Exit;
use crate::operations::{Kind, Request, Verdict};
use crate::owner::Place;
use crate::problem::Result;
use crate::show::terminal::Terminal;

/// Ends a run early.
pub(super) async fn cancel(arguments: &Cancel, terminal: Terminal) -> Result<Exit> {
    let act = Act::new(terminal, &arguments.place, &arguments.driving.rules)?;
    let mut stop = Stop::new()?;
    let access = act.open().await?;
    let run = access.operations.resolve(Kind::Run, &arguments.run).await?;
    let mode = if arguments.now { CancelMode::Now } else { CancelMode::Graceful };
    let request = Request::Cancel {
        run: run.clone(),
        mode,
        by: super::user(),
        reason: arguments.reason.clone(),
    };
    let verdict: Verdict = access.operations.ask(request).await?;
    judged(verdict, &run, "cancel")?;
    terminal.say(&format!("{run} ends early"));
    act.go_on(access, &run, arguments.driving.detach, &mut stop).await
}

/// Lets nothing new of a run begin.
pub(super) async fn suspend(arguments: &Suspend, terminal: Terminal) -> Result<Exit> {
    let access = super::open(&arguments.place).await?;
    let run = access.operations.resolve(Kind::Run, &arguments.run).await?;
    let request = Request::Suspend { run: run.clone(), on: true, by: super::user() };
    let verdict: Verdict = access.operations.ask(request).await?;
    judged(verdict, &run, "suspend")?;
    let flag = Place::of(&arguments.place)?.flag(&arguments.place);
    terminal.say(&format!("{run} is suspended; go on with:\n  aob resume {run}{flag}"));
    access.close().await?;
    Ok(Exit::Done)
}
