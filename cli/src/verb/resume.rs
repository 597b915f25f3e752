//! `aob resume`.

use super::act::{Act, Ending};
use crate::arguments::Resume;
use crate::drive::Stop;
use crate::exit::Exit;
use crate::operations::{Kind, Request, Verdict};
use crate::problem::Result;
use crate::show::terminal::Terminal;

/// Lets a run go on if it is suspended, and follows it as `aob run` does.
pub(super) async fn resume(arguments: &Resume, terminal: Terminal) -> Result<Exit> {
    let act = Act::new(terminal, &arguments.place, &arguments.rules)?;
    let mut stop = Stop::new()?;
    let access = act.open().await?;
    let run = access.operations.resolve(Kind::Run, &arguments.run).await?;
    // Whatever the verdict is, following shows how the run stands.
    let request = Request::Suspend { run: run.clone(), on: false, by: super::user() };
    let _verdict: Verdict = access.operations.ask(request).await?;
    if arguments.detach {
        act.close(access, &mut stop).await?;
        return Ok(Exit::Done);
    }
    act.finish(access, &run, Ending { output: arguments.output, wait: arguments.wait }, &mut stop)
        .await
}
