//! `aob cancel` and `aob suspend`.

use super::act::Act;
use crate::arguments::{Cancel, Suspend};
use crate::drive::Stop;
use crate::exit::Exit;
use crate::operations::{Done, Kind, Mode, Request};
use crate::owner::Place;
use crate::problem::Result;
use crate::show::terminal::Terminal;

/// Ends a run early.
pub(super) async fn cancel(arguments: &Cancel, terminal: Terminal) -> Result<Exit> {
    let act = Act::new(terminal, &arguments.place, &arguments.driving.rules)?;
    let mut stop = Stop::new()?;
    let access = act.open().await?;
    let run = access.operations.resolve(Kind::Run, &arguments.run).await?;
    let mode = if arguments.now { Mode::Now } else { Mode::Graceful };
    let request = Request::Cancel { run: run.clone(), mode, reason: arguments.reason.clone() };
    let _done: Done = access.operations.ask(request).await?;
    terminal.say(&format!("{run} ends early"));
    act.go_on(access, &run, arguments.driving.detach, &mut stop).await
}

/// Lets nothing new of a run begin.
pub(super) async fn suspend(arguments: &Suspend, terminal: Terminal) -> Result<Exit> {
    let access = super::open(&arguments.place).await?;
    let run = access.operations.resolve(Kind::Run, &arguments.run).await?;
    let _done: Done = access.operations.ask(Request::Suspend { run: run.clone() }).await?;
    let flag = Place::of(&arguments.place)?.flag(&arguments.place);
    terminal.say(&format!("{run} is suspended; go on with:\n  aob resume {run}{flag}"));
    access.close().await?;
    Ok(Exit::Done)
}
