//! Answers of people: `aob approve`, `aob retry`, `aob settle`.

use serde_json::Value;

use super::act::Act;
use crate::arguments::{Answer, Approve, Budget, Driving, Retry, Settle, Where};
use crate::drive::Stop;
use crate::exit::Exit;
use crate::input;
use crate::operations::{Choice, Done, Kind, Most, Request};
use crate::owner::Access;
use crate::problem::Result;
use crate::show::terminal::Terminal;

/// Answers an approval.
pub(super) async fn approve(arguments: Approve, terminal: Terminal) -> Result<Exit> {
    let Approve { ticket, answer, reason, data, driving, place } = arguments;
    let data = input::object(&data, "--data")?;
    let data = (!data.is_empty()).then_some(Value::Object(data));
    let (decision, said) = match answer {
        Answer::Approve => (Choice::Approve, "approved"),
        Answer::Reject => (Choice::Reject, "rejected"),
    };
    let opened = Opened::open(terminal, &place.into(), &driving).await?;
    let ticket = opened.access.operations.resolve(Kind::Ticket, &ticket).await?;
    opened.answer(Request::Decide { ticket, decision, reason, data }, said).await
}

/// Tries a paused node again.
pub(super) async fn retry(arguments: Retry, terminal: Terminal) -> Result<Exit> {
    let Retry { run, node, reason, driving, place } = arguments;
    let opened = Opened::open(terminal, &place, &driving).await?;
    let run = opened.access.operations.resolve(Kind::Run, &run).await?;
    opened.answer(Request::Retry { run, instance: node, reason }, "tried again").await
}

/// Gives a paused node its output, or lets it fail.
pub(super) async fn settle(arguments: Settle, terminal: Terminal) -> Result<Exit> {
    let Settle { run, node, output, fail: _, reason, driving, place } = arguments;
    let output = output.map(|output| input::json(&output, "--output")).transpose()?;
    let opened = Opened::open(terminal, &place, &driving).await?;
    let run = opened.access.operations.resolve(Kind::Run, &run).await?;
    let (fail, said) = (output.is_none(), if output.is_some() { "settled" } else { "failed" });
    let reason = Some(reason);
    opened.answer(Request::Settle { run, instance: node, output, fail, reason }, said).await
}

/// Sets what a run's agents may use.
pub(super) async fn budget(arguments: Budget, terminal: Terminal) -> Result<Exit> {
    let Budget { run, usd, tokens, calls, duration, agent, reason, driving, place } = arguments;
    let opened = Opened::open(terminal, &place, &driving).await?;
    let run = opened.access.operations.resolve(Kind::Run, &run).await?;
    let most = Most { usd, tokens, calls, duration };
    opened.answer(Request::Budget { run, agent, most, reason }, "has its budget").await
}

/// A store that an answer goes to.
struct Opened {
    act: Act,
    access: Access,
    stop: Stop,
    detach: bool,
}

impl Opened {
    async fn open(terminal: Terminal, place: &Where, driving: &Driving) -> Result<Self> {
        let act = Act::new(terminal, place, &driving.rules)?;
        let stop = Stop::new()?;
        let access = act.open().await?;
        Ok(Self { act, access, stop, detach: driving.detach })
    }

    async fn answer(mut self, request: Request, said: &str) -> Result<Exit> {
        let Done { run, instance, .. } = self.access.operations.ask(request).await?;
        let what = instance.unwrap_or_else(|| run.clone());
        self.act.terminal.say(&format!("{} {said}", crate::show::plain(&what)));
        self.act.go_on(self.access, &run, self.detach, &mut self.stop).await
    }
}
