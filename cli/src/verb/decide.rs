//! Answers of people: `aob approve`, `aob retry`, `aob settle`.

use std::sync::Arc;

use aob_engine::catalogue;
use aob_engine::issue::excerpt;
use aob_engine::state::split_instance;
use aob_engine::step::{Decision, Reply};
use serde_json::Value;

use super::act::Act;
use crate::arguments::{Answer, Approve, Driving, Retry, Settle, Where};
use crate::drive::Stop;
use crate::exit::Exit;
use crate::input;
use crate::operations::{Kind, Operations, Request, TicketRow, Verdict};
use crate::owner::Access;
use crate::problem::{Problem, Result};
use crate::show::graph::Graph;
use crate::show::terminal::Terminal;

/// Most open tickets looked through.
const MOST_TICKETS: u32 = 100_000;

/// Answers an approval.
pub(super) async fn approve(arguments: Approve, terminal: Terminal) -> Result<Exit> {
    let Approve { ticket, answer, reason, data, driving, place } = arguments;
    let data = input::object(&data, "--data")?;
    let data = (!data.is_empty()).then(|| Arc::new(Value::Object(data)));
    let answer = match answer {
        Answer::Approve => Reply::Approve(data),
        Answer::Reject => Reply::Reject,
    };
    let opened = Opened::open(terminal, &place.into(), &driving).await?;
    let ticket = opened.access.operations.resolve(Kind::Ticket, &ticket).await?;
    let open: Vec<TicketRow> =
        opened.access.operations.ask(Request::Tickets { most: MOST_TICKETS }).await?;
    let Some(row) = open.into_iter().find(|row| row.ticket == ticket) else {
        let message = format!("{ticket} is no longer open");
        return Err(Problem::new(&catalogue::NO_TICKET, "argument TICKET", message));
    };
    opened.decide(&row.run, row.instance, Some(ticket), answer, reason).await
}

/// Tries a paused node again.
pub(super) async fn retry(arguments: Retry, terminal: Terminal) -> Result<Exit> {
    let Retry { run, node, reason, driving, place } = arguments;
    let opened = Opened::open(terminal, &place, &driving).await?;
    let run = opened.access.operations.resolve(Kind::Run, &run).await?;
    opened.decide(&run, node, None, Reply::Retry, reason).await
}

/// Gives a paused node its output, or lets it fail.
pub(super) async fn settle(arguments: Settle, terminal: Terminal) -> Result<Exit> {
    let Settle { run, node, output, fail: _, reason, driving, place } = arguments;
    let answer = match output {
        Some(output) => Reply::Settle(Arc::new(input::json(&output, "--output")?)),
        None => Reply::Fail,
    };
    let opened = Opened::open(terminal, &place, &driving).await?;
    let run = opened.access.operations.resolve(Kind::Run, &run).await?;
    opened.decide(&run, node, None, answer, Some(reason)).await
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

    async fn decide(
        mut self,
        run: &str,
        instance: String,
        ticket: Option<String>,
        answer: Reply,
        reason: Option<String>,
    ) -> Result<Exit> {
        let said = match &answer {
            Reply::Approve(_) => "approved",
            Reply::Reject => "rejected",
            Reply::Retry => "tried again",
            Reply::Settle(_) => "settled",
            Reply::Fail => "failed",
        };
        let by_name = ticket.is_none();
        let decision = Decision {
            instance: instance.clone(),
            ticket,
            answer,
            by: super::user(),
            groups: Vec::new(),
            reason,
        };
        let request = Request::Decide { run: run.to_owned(), decision };
        let verdict: Verdict = self.access.operations.ask(request).await?;
        if by_name && matches!(verdict, Verdict::Unknown) {
            is_node(&*self.access.operations, run, &instance).await?;
        }
        if !by_name && matches!(verdict, Verdict::Superseded) {
            let message = format!("{}: it is no longer asked", excerpt(&instance));
            return Err(Problem::new(&catalogue::TICKET_CLOSED, "argument TICKET", message));
        }
        judged(verdict, run, &instance)?;
        self.act.terminal.say(&format!("{} {said}", crate::show::plain(&instance)));
        self.act.go_on(self.access, run, self.detach, &mut self.stop).await
    }
}

/// What a verdict means for the command.
pub(super) fn judged(verdict: Verdict, run: &str, what: &str) -> Result<()> {
    let refused = |message: String| Err(Problem::new(&catalogue::NOT_POSSIBLE, run, message));
    match verdict {
        Verdict::Applied | Verdict::Same => Ok(()),
        Verdict::Ended => refused(format!("{run} is over")),
        Verdict::Superseded => {
            refused(format!("{}: what was asked has been answered", excerpt(what)))
        }
        Verdict::Unknown => refused(format!("{} waits for no answer", excerpt(what))),
        Verdict::Refused { code, why } => {
            Err(Problem::new(catalogue::find(&code).unwrap_or(&catalogue::NOT_POSSIBLE), run, why))
        }
    }
}

/// Whether the graph has such a node; lists them if not.
async fn is_node(operations: &dyn Operations, run: &str, instance: &str) -> Result<()> {
    let found = super::kept::graph(operations, run, None, "argument RUN").await?;
    let graph = Graph::of(&found.document);
    let (_, id) = split_instance(instance);
    let mut ids = graph.bodies.values().flatten().map(|node| node.id.as_str());
    if ids.any(|known| known == id) {
        return Ok(());
    }
    let known: Vec<&str> =
        graph.bodies.values().flatten().map(|node| node.id.as_str()).take(20).collect();
    let message = format!("there is no node {} in {run}", excerpt(instance));
    Err(Problem::new(&catalogue::NO_NODE, "argument NODE", message)
        .detail(format!("nodes: {}", known.join(", "))))
}
