//! One file per verb.

mod act;
mod cancel;
mod check;
mod context;
mod decide;
mod diff;
mod get;
mod group;
mod kept;
mod list;
mod logs;
mod patch;
mod reference;
mod registered;
mod replay;
mod resume;
mod run;
mod tag;
mod up;
mod version;
mod words;

use std::future::Future;
use std::time::Duration;

use aob_engine::catalogue;
use aob_telemetry::trace;

use crate::arguments::{LogsCommand, Verb, Where};
use crate::exit::Exit;
use crate::owner::{Access, Place};
use crate::problem::{Problem, Result};
use crate::show::terminal::Terminal;

use kept::{graph_at, kept};

/// How long the last spans of a command may take to be sent.
const FLUSH: Duration = Duration::from_secs(2);

/// Does what a verb says.
pub(crate) fn perform(verb: Verb, terminal: Terminal) -> Result<Exit> {
    match verb {
        Verb::Run(arguments) => run::run(&arguments, terminal),
        Verb::Resume(arguments) => many(resume::resume(&arguments, terminal)),
        Verb::Suspend(arguments) => one(cancel::suspend(&arguments, terminal)),
        Verb::Cancel(arguments) => many(cancel::cancel(&arguments, terminal)),
        Verb::Approve(arguments) => many(decide::approve(arguments, terminal)),
        Verb::Retry(arguments) => many(decide::retry(arguments, terminal)),
        Verb::Settle(arguments) => many(decide::settle(arguments, terminal)),
        Verb::Budget(arguments) => many(decide::budget(arguments, terminal)),
        Verb::Ls(arguments) => one(list::list(&arguments, terminal)),
        Verb::Get(arguments) => one(get::get(&arguments, terminal)),
        Verb::Logs(arguments) => match arguments.command {
            LogsCommand::Show(arguments) => one(logs::logs(&arguments, false, terminal)),
            LogsCommand::Stream(arguments) => one(logs::logs(&arguments, true, terminal)),
        },
        Verb::Patch(arguments) => patch::patch(&arguments.command, terminal),
        Verb::Apply(arguments) => version::apply(&arguments, terminal),
        Verb::Promote(arguments) => one(version::promote(&arguments, terminal)),
        Verb::Tag(arguments) => one(tag::tag(&arguments, terminal)),
        Verb::Diff(arguments) => one(diff::diff(&arguments, terminal)),
        Verb::Replay(arguments) => replay::replay(&arguments, terminal),
        Verb::Verify(arguments) => one(check::verify(&arguments, terminal)),
        Verb::Redis(arguments) => one(check::redis(&arguments, terminal)),
        Verb::Up(arguments) => {
            aob_telemetry::log(aob_telemetry::Format::Auto, "warn");
            many(up::up(&arguments, terminal))
        }
        Verb::Context(arguments) => context::context(&arguments.command, terminal),
        Verb::Login(arguments) => one(context::login(&arguments, terminal)),
        Verb::Lint(arguments) => check::lint(&arguments, terminal),
        Verb::Explain(arguments) => words::explain(&arguments, terminal),
        Verb::Schema(arguments) => words::schema(&arguments, terminal),
        Verb::Completion { shell } => words::completion(shell, terminal),
        Verb::Version { output } => words::version(output, terminal),
    }
}

/// Runs a verb that asks and answers, on this thread.
fn one(verb: impl Future<Output = Result<Exit>>) -> Result<Exit> {
    aob_telemetry::log(aob_telemetry::Format::Auto, "error");
    block(tokio::runtime::Builder::new_current_thread(), verb)
}

/// Runs a verb that may move runs, on all processors.
fn many(verb: impl Future<Output = Result<Exit>>) -> Result<Exit> {
    aob_telemetry::log(aob_telemetry::Format::Auto, "error");
    block(tokio::runtime::Builder::new_multi_thread(), verb)
}

fn block(
    mut runtime: tokio::runtime::Builder,
    verb: impl Future<Output = Result<Exit>>,
) -> Result<Exit> {
    let runtime = runtime.enable_all().build();
    let runtime =
        runtime.map_err(|error| Problem::new(&catalogue::SYSTEM, "threads", error.to_string()))?;
    runtime.block_on(async {
        trace::begin("aob")
            .map_err(|why| Problem::new(&catalogue::USAGE, "the environment", why))?;
        let done = verb.await;
        trace::flush(FLUSH).await;
        done
    })
}

/// Opens the store that the flags name.
async fn open(place: &Where) -> Result<Access> {
    Access::open(&Place::of(place)?).await
}

/// Who acts.
fn user() -> String {
    format!("user:{}", crate::owner::user())
}
