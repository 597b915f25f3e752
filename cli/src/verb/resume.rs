//! `aob resume`.

use aob_engine::catalogue;

use super::act::{Act, Ending};
use crate::arguments::Resume;
use crate::drive::Stop;
use crate::exit::Exit;
use crate::operations::{Done, Kind, Request};
use crate::problem::Result;
use crate::show::terminal::Terminal;

/// Lets a run go on if it is suspended, and follows it as `aob run` does.
pub(super) async fn resume(arguments: &Resume, terminal: Terminal) -> Result<Exit> {
    let act = Act::new(terminal, &arguments.place, &arguments.rules)?;
    let mut stop = Stop::new()?;
    let access = act.open().await?;
    let run = access.operations.resolve(Kind::Run, &arguments.run).await?;
    match access.operations.ask::<Done>(Request::Resume { run: run.clone() }).await {
        // If it cannot be resumed, following shows how the run stands.
        Err(problem) if problem.entry() == Some(&catalogue::NOT_POSSIBLE) => {}
        resumed => drop(resumed?),
    }
    if arguments.detach {
        act.close(access, &mut stop).await?;
        return Ok(Exit::Done);
    }
    act.finish(access, &run, Ending { output: arguments.output, wait: arguments.wait }, &mut stop)
        .await
}
