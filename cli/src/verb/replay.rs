//! `aob replay`.

use serde_json::{Map, Value};

use super::act::{Act, Ending};
use super::kept::kept;
use crate::arguments::Replay;
use crate::drive::Stop;
use crate::exit::Exit;
use crate::input::Given;
use crate::operations::{Kept, Kind, Operations, Request, Standing, Started};
use crate::problem::Result;
use crate::show::terminal::Terminal;

/// Starts a run on what another has done, and follows it.
pub(super) fn replay(arguments: &Replay, terminal: Terminal) -> Result<Exit> {
    let given = Given::read(arguments.input_file.as_deref(), &arguments.input)?;
    super::many(begin(arguments, terminal, given))
}

async fn begin(arguments: &Replay, terminal: Terminal, given: Given) -> Result<Exit> {
    let act = Act::new(terminal, &arguments.place, &arguments.rules)?;
    let mut stop = Stop::new()?;
    let access = act.open().await?;
    let operations = access.operations.clone();
    let old = operations.resolve(Kind::Run, &arguments.run).await?;
    let workflow = match &arguments.tag {
        None => None,
        Some(tag) => {
            let standing: Standing = operations.ask(Request::Standing { run: old.clone() }).await?;
            Some(kept(&*operations, &standing.head.workflow, Some(tag), "--tag").await?.digest)
        }
    };
    let input = match (&arguments.input_file, arguments.input.as_slice()) {
        (None, []) => None,
        (Some(_), _) => Some(given.value.clone()),
        (None, _) => Some(changed(&*operations, &old, &given.value).await?),
    };
    // `failed` is what the engine finds when no node is named.
    let from = arguments.from.iter().filter(|node| *node != "failed").cloned().collect();
    let key = arguments.key.clone().or_else(|| act.own_key(&access));
    let request = Request::Replay { run: old.clone(), from, input, workflow, key };
    let started = operations.ask(request).await;
    let Started { run, existing } =
        started.map_err(|problem| super::run::placed(problem, &given))?;
    if existing && arguments.key.is_some() {
        terminal.say(&format!("{run} was started under this key before"));
    } else {
        terminal.say(&format!("{run} replays {old}"));
    }
    if arguments.detach {
        return act.leave(access, &run, &mut stop).await;
    }
    let ending = Ending { output: arguments.output, wait: arguments.wait };
    act.finish(access, &run, ending, &mut stop).await
}

/// The old input with some members changed.
async fn changed(operations: &dyn Operations, run: &str, by: &Value) -> Result<Value> {
    let request = Request::Output { run: run.to_owned(), instance: Some("input".to_owned()) };
    let old: Kept = operations.ask(request).await?;
    let mut members = old.value.as_object().cloned().unwrap_or_else(Map::new);
    members.extend(by.as_object().cloned().unwrap_or_default());
    Ok(Value::Object(members))
}
