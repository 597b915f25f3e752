//! `aob logs`.

use aob_store::LogLine;
use serde_json::{Value, json};

use crate::arguments::ShowLogs;
use crate::drive::Stop;
use crate::drive::history::{Told, parse};
use crate::exit::Exit;
use crate::operations::{EventPage, Kind, LogPage, Operations, Request};
use crate::problem::Result;
use crate::show::line::{line, subject};
use crate::show::plain;
use crate::show::terminal::Terminal;
use crate::show::time::rfc3339;

/// Most events or log lines of a page.
const PAGE: u32 = 500;
/// How long new events are waited for; log lines wake nobody.
const WAIT: u64 = 200;

/// Shows events and log lines in the order of their times; follows until the run ends.
pub(super) async fn logs(arguments: &ShowLogs, follow: bool, terminal: Terminal) -> Result<Exit> {
    let access = super::open(&arguments.place).await?;
    let operations = &*access.operations;
    let run = operations.resolve(Kind::Run, &arguments.run).await?;
    let mut stop = Stop::new()?;
    let mut reader = Reader::begin(operations, arguments, terminal, &run).await?;
    let exit = loop {
        let news = reader.read(operations).await?;
        if !follow || (!news && reader.told.picture.ended.is_some()) {
            break Exit::Done;
        }
        if news {
            continue;
        }
        let watch = operations.ask::<u64>(Request::Watch {
            run: run.clone(),
            seq: reader.event,
            wait_ms: WAIT,
        });
        tokio::select! {
            seen = watch => drop(seen?),
            exit = stop.next() => break exit,
        }
    };
    access.close().await?;
    Ok(exit)
}

/// Where reading has got to.
struct Reader<'a> {
    arguments: &'a ShowLogs,
    terminal: Terminal,
    run: String,
    /// What happened, for durations in lines of text.
    told: Told,
    event: u64,
    line: u64,
    /// Events up to this number were seen elsewhere.
    seen: u64,
    /// Log lines up to this time were seen elsewhere, where no count of them was given.
    seen_until: Option<u64>,
}

/// Something to show.
enum Entry {
    Event(u64, u64, Value),
    Line(LogLine),
}

impl<'a> Reader<'a> {
    async fn begin(
        operations: &dyn Operations,
        arguments: &'a ShowLogs,
        terminal: Terminal,
        run: &str,
    ) -> Result<Self> {
        let (seen, line) = arguments.after.unwrap_or((0, Some(0)));
        let mut seen_until = None;
        if line.is_none() && seen > 0 {
            let page = Request::Events { run: run.to_owned(), after: seen - 1, most: Some(1) };
            let page: EventPage = operations.ask(page).await?;
            seen_until = page
                .events
                .first()
                .map(|text| parse(run, seen - 1, text))
                .transpose()?
                .map(|event| event.t);
        }
        let told = Told::new(run, None, false);
        let run = run.to_owned();
        Ok(Self {
            arguments,
            terminal,
            run,
            told,
            event: 0,
            line: line.unwrap_or(0),
            seen,
            seen_until,
        })
    }

    /// Reads a page of each and shows it; whether there was anything.
    async fn read(&mut self, operations: &dyn Operations) -> Result<bool> {
        let mut entries: Vec<(u64, Entry)> = Vec::new();
        let request = Request::Logs { run: self.run.clone(), after: self.line, most: Some(PAGE) };
        let LogPage { lines, next } = operations.ask(request).await?;
        let mut any = !lines.is_empty();
        let first = next.saturating_sub(lines.len() as u64);
        entries.extend(
            lines
                .into_iter()
                .enumerate()
                .map(|(at, line)| (first + at as u64 + 1, Entry::Line(line))),
        );
        let request =
            Request::Events { run: self.run.clone(), after: self.event, most: Some(PAGE) };
        let page: EventPage = operations.ask(request).await?;
        any |= !page.events.is_empty();
        for written in page.events {
            let event = parse(&self.run, self.event, &written)?;
            self.event = event.n;
            entries.push((event.n, Entry::Event(event.n, event.t, written)));
        }
        entries.sort_by_key(|(_, entry)| match entry {
            Entry::Event(_, t, _) => *t,
            Entry::Line(line) => line.t,
        });
        let (mut event, mut line) = (self.told.seq(), self.line);
        for (number, entry) in entries {
            match entry {
                Entry::Event(n, t, written) => {
                    event = n;
                    self.event_shown(operations, n, t, &written, line).await?;
                }
                Entry::Line(shown) => {
                    line = number;
                    self.line_shown(&shown, event, line);
                }
            }
        }
        self.line = next;
        Ok(any)
    }

    async fn event_shown(
        &mut self,
        operations: &dyn Operations,
        n: u64,
        t: u64,
        written: &Value,
        line_id: u64,
    ) -> Result<()> {
        let event = parse(&self.run, n - 1, written)?;
        self.told.take(operations, &event).await?;
        if n <= self.seen {
            return Ok(());
        }
        if self.arguments.output.is_some() {
            let about_node =
                event.changes.iter().any(|change| self.wanted(subject(change).unwrap_or_default()));
            if about_node {
                self.terminal.data(
                    &json!({"id": format!("{n}.{line_id}"), "type": "event", "event": written})
                        .to_string(),
                );
            }
            return Ok(());
        }
        for change in &event.changes {
            if self.wanted(subject(change).unwrap_or_default())
                && let Some(said) = line(change, &event, &self.told.picture)
            {
                self.terminal.data(&format!("{} {n:>5}  {said}", rfc3339(t)));
            }
        }
        Ok(())
    }

    fn line_shown(&self, shown: &LogLine, event: u64, line: u64) {
        if !self.wanted(&shown.at) || self.seen_until.is_some_and(|until| shown.t <= until) {
            return;
        }
        if self.arguments.output.is_some() {
            let LogLine { t, at, from, text } = shown;
            let data = json!({"id": format!("{event}.{line}"), "type": "log", "t": rfc3339(*t), "at": at, "from": from, "text": text});
            self.terminal.data(&data.to_string());
        } else {
            let at = if shown.at.is_empty() { "run" } else { &shown.at };
            self.terminal.data(&plain(&format!(
                "{}        {at} {}| {}",
                rfc3339(shown.t),
                shown.from,
                shown.text
            )));
        }
    }

    /// Whether an instance is the one asked for, or inside it.
    fn wanted(&self, at: &str) -> bool {
        self.arguments.node.as_ref().is_none_or(|node| {
            at.strip_prefix(node.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '/']))
        })
    }
}
