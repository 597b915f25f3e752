//! Following a run to its end, and moving it meanwhile if no other process does.

pub(crate) mod history;
mod stop;
mod view;

use std::time::Duration;

use crate::exit::Exit;
use crate::operations::{Needs, Request, Standing};
use crate::owner::{Access, Settings};
use crate::problem::Result;
use crate::show::terminal::Terminal;
use history::History;
use view::View;

pub(crate) use stop::Stop;
pub(crate) use view::asked;

/// How often the tree is drawn anew, for its durations.
const TICK: Duration = Duration::from_millis(100);
/// How long an event is waited for at once.
const WAIT: u64 = 1_000;
/// The same while child runs are shown, whose events wake nobody here.
const WAIT_WITH_CHILDREN: u64 = 150;

/// How a run is followed.
pub(crate) struct Follow<'a> {
    pub(crate) terminal: Terminal,
    pub(crate) settings: &'a Settings,
    /// Whether it goes on waiting when only a person can move the run.
    pub(crate) waits: bool,
    /// Flags that lead another command to the same place.
    pub(crate) flag: &'a str,
}

/// Why following ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The run is over.
    Over(Box<Standing>),
    /// It waits for a person.
    Person(Box<Standing>),
    /// It is suspended.
    Suspended,
    /// A signal.
    Stopped(Exit),
}

impl Follow<'_> {
    /// Follows until the run ends, waits for a person, is suspended, or a signal comes. Should the process end
    /// that moves the run, this one takes over.
    pub(crate) async fn run(&self, access: &mut Access, run: &str, stop: &mut Stop) -> Result<End> {
        let mut view = View::new(self.terminal, self.flag.to_owned());
        let mut history = History::new(run);
        let mut guest = access.guest_of().is_some();
        let end = loop {
            access.drive(self.settings).await?;
            if std::mem::replace(&mut guest, access.guest_of().is_some()) && !guest {
                view.say("the process that moved the run has ended; this one goes on");
            }
            match self.turn(access, &mut history, &mut view, stop).await {
                Ok(None) => {}
                Ok(Some(end)) => break end,
                Err(problem) => {
                    view.finish(&history);
                    return Err(problem);
                }
            }
        };
        view.finish(&history);
        Ok(end)
    }

    /// Reads what is new; without news looks how the run stands, and waits for the next event.
    async fn turn(
        &self,
        access: &Access,
        history: &mut History,
        view: &mut View,
        stop: &mut Stop,
    ) -> Result<Option<End>> {
        let operations = &*access.operations;
        let news = history.read(operations).await?;
        view.show(history, &news);
        if !news.is_empty() {
            return Ok(None);
        }
        let standing: Standing =
            operations.ask(Request::Standing { run: history.run().to_owned() }).await?;
        history.status(&standing.status);
        if standing.head.seq > history.seq() {
            return Ok(None);
        }
        if self.waits {
            view.tickets(&standing.tickets);
        }
        let standing = Box::new(standing);
        match standing.needs {
            Needs::Nothing => return Ok(Some(End::Over(standing))),
            Needs::Resume => return Ok(Some(End::Suspended)),
            Needs::Person if !self.waits => return Ok(Some(End::Person(standing))),
            Needs::Person | Needs::Work => {}
        }
        view.show(history, &[]);
        let wait_ms = if history.has_children() { WAIT_WITH_CHILDREN } else { WAIT };
        let watch = operations.ask::<u64>(Request::Watch {
            run: history.run().to_owned(),
            seq: history.seq(),
            wait_ms,
        });
        tokio::pin!(watch);
        loop {
            tokio::select! {
                seen = &mut watch => {
                    seen?;
                    return Ok(None);
                }
                exit = stop.next() => return Ok(Some(End::Stopped(exit))),
                () = tokio::time::sleep(TICK), if view.is_live() => view.show(history, &[]),
            }
        }
    }
}
