//! The events of a run and of its child runs, read page by page into pictures.

use std::collections::VecDeque;
use std::sync::Arc;

use aob_engine::catalogue;
use aob_engine::event::{Change, Event};
use serde::Deserialize as _;
use serde_json::Value;

use crate::operations::{EventPage, GraphAt, Operations, Request};
use crate::problem::{Problem, Result};
use crate::show::graph::Graph;
use crate::show::line::line;
use crate::show::picture::Picture;

/// Most events of a page.
const PAGE: u32 = 500;
/// Most child runs shown at once.
const MOST_CHILDREN: usize = 32;

/// A run and those of its child runs that are under way.
pub(crate) struct History {
    /// The run first.
    runs: Vec<Told>,
}

/// One run as far as its events have been read.
pub(crate) struct Told {
    pub(crate) run: String,
    pub(crate) workflow: String,
    pub(crate) status: String,
    pub(crate) picture: Picture,
    seq: u64,
    /// Those of the event that is being taken in.
    graphs: VecDeque<Graph>,
    /// The node of another run that it belongs to: `price`.
    within: Option<String>,
    /// The last revision that is told.
    until: Option<u32>,
}

impl History {
    /// Nothing has been read.
    pub(crate) fn new(run: &str) -> Self {
        Self { runs: vec![Told::new(run, None, false)] }
    }

    /// Reads what is new; a line for each change that says something.
    pub(crate) async fn read(&mut self, operations: &dyn Operations) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut at = 0;
        while at < self.runs.len() {
            let mut children = Vec::new();
            let read = self.runs[at].read(operations, &mut lines, &mut children).await;
            match read {
                Ok(()) => at += 1,
                // A child run may be gone already; what became of it is told by its parent.
                Err(problem) if at > 0 && problem.entry() == Some(&catalogue::NO_RUN) => {
                    self.runs.remove(at);
                }
                Err(problem) => return Err(problem),
            }
            let room = MOST_CHILDREN.saturating_sub(self.runs.len());
            self.runs.extend(children.into_iter().take(room));
        }
        let mut first = true;
        self.runs.retain(|told| std::mem::take(&mut first) || told.picture.ended.is_none());
        Ok(lines)
    }

    /// The run's id.
    pub(crate) fn run(&self) -> &str {
        self.runs.first().map_or("", |told| &told.run)
    }

    /// Events of the run read so far.
    pub(crate) fn seq(&self) -> u64 {
        self.runs.first().map_or(0, |told| told.seq)
    }

    /// Remembers `State::status`.
    pub(crate) fn status(&mut self, status: &str) {
        if let Some(first) = self.runs.first_mut() {
            status.clone_into(&mut first.status);
        }
    }

    /// Whether child runs are under way.
    pub(crate) fn has_children(&self) -> bool {
        self.runs.len() > 1 || self.runs.iter().any(|told| told.picture.has_children())
    }

    /// The run, then its child runs.
    pub(crate) fn told(&self) -> &[Told] {
        &self.runs
    }
}

impl Told {
    /// Nothing has been read; `keep` keeps ended iterations.
    pub(crate) fn new(run: &str, within: Option<String>, keep: bool) -> Self {
        let picture = Picture::new(Arc::default(), keep);
        Self {
            run: run.to_owned(),
            workflow: String::new(),
            status: "running".to_owned(),
            picture,
            seq: 0,
            graphs: VecDeque::new(),
            within,
            until: None,
        }
    }

    /// Reads everything that is new.
    pub(crate) async fn read(
        &mut self,
        operations: &dyn Operations,
        lines: &mut Vec<String>,
        children: &mut Vec<Self>,
    ) -> Result<()> {
        loop {
            let page = Request::Events { run: self.run.clone(), after: self.seq, most: Some(PAGE) };
            let page: EventPage = operations.ask(page).await?;
            if page.events.is_empty() {
                return Ok(());
            }
            for written in page.events {
                let event = parse(&self.run, self.seq, &written)?;
                if self.until.is_some_and(|revision| event.rev > revision) {
                    return Ok(());
                }
                self.prepare(operations, &event).await?;
                for change in &event.changes {
                    self.apply(change, &event);
                    if let Change::Child { at, run, .. } = change {
                        children.push(Self::new(run, Some(self.name(at)), false));
                    }
                    lines.extend(line(change, &event, &self.picture).map(|line| self.name(&line)));
                }
            }
        }
    }

    /// Takes in one event.
    pub(crate) async fn take(&mut self, operations: &dyn Operations, event: &Event) -> Result<()> {
        self.prepare(operations, event).await?;
        event.changes.iter().for_each(|change| self.apply(change, event));
        Ok(())
    }

    /// Tells nothing that came after this revision.
    pub(crate) fn until(self, revision: Option<u32>) -> Self {
        Self { until: revision, ..self }
    }

    /// Events taken in.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Counts the event; with the first one, and with a patch, comes a graph.
    async fn prepare(&mut self, operations: &dyn Operations, event: &Event) -> Result<()> {
        self.seq = event.n;
        for change in &event.changes {
            match change {
                Change::Started(started) => {
                    self.workflow.clone_from(&started.workflow);
                    let graph = Arc::new(graph(operations, &self.run, event.rev).await?);
                    self.picture = Picture::new(graph.clone(), self.picture.keeps());
                    if event.rev > 0 {
                        // It began on a set of patches.
                        let before = self::graph(operations, &self.run, 0).await?;
                        self.picture.mark(&before, &graph, event.rev);
                    }
                }
                Change::Patched(patched) => {
                    let graph = graph(operations, &self.run, patched.revision).await?;
                    self.graphs.push_back(graph);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn apply(&mut self, change: &Change, event: &Event) {
        self.picture.apply(change, event);
        match change {
            Change::Ended { outcome, .. } => outcome.name().clone_into(&mut self.status),
            Change::Patched(patched) => {
                let graph = self.graphs.pop_front().unwrap_or_default();
                self.picture.patched(Arc::new(graph), patched);
            }
            _ => {}
        }
    }

    /// Something of a child run stands behind the node that it is the run of.
    fn name(&self, text: &str) -> String {
        self.within.as_ref().map_or_else(|| text.to_owned(), |within| format!("{within} > {text}"))
    }
}

/// An event as it is stored.
pub(crate) fn parse(run: &str, before: u64, written: &Value) -> Result<Event> {
    Event::deserialize(written).map_err(|error| {
        let error = aob_store::Error::Corrupt(format!("event {} of {run}: {error}", before + 1));
        Problem::store(error, run)
    })
}

/// The graph of a run on a revision; an empty one if it is no longer kept, so that a run can still be looked at.
async fn graph(operations: &dyn Operations, run: &str, revision: u32) -> Result<Graph> {
    let request = Request::Graph { run: run.to_owned(), revision: Some(revision) };
    let found: Result<Option<GraphAt>> = operations.ask(request).await;
    match found {
        Ok(found) => Ok(found.map_or_else(Graph::default, |found| Graph::of(&found.document))),
        Err(problem) if problem.entry() == Some(&catalogue::NO_WORKFLOW) => Ok(Graph::default()),
        Err(problem) => Err(problem),
    }
}
