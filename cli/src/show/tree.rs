//! The live tree of a run: a few lines, redrawn in place.

use aob_engine::state::{NodeState, instance_name};
use unicode_width::UnicodeWidthStr as _;

use super::line::why;
use super::picture::{Mark, Picture, Row};
use super::terminal::Terminal;
use super::time::length;
use super::{cut, plain};

/// Most lines, however high the terminal is.
const HIGHEST: usize = 40;
/// Deepest that is indented.
const DEEPEST: usize = 8;

/// Lines on the terminal that are replaced by the next ones.
pub(crate) struct Tree {
    terminal: Terminal,
    /// Columns of each line drawn last.
    drawn: Vec<usize>,
}

/// A run, or a child run, with its picture.
pub(crate) struct Shown<'a> {
    pub(crate) run: &'a str,
    pub(crate) workflow: &'a str,
    pub(crate) status: &'a str,
    pub(crate) picture: &'a Picture,
}

impl Tree {
    pub(crate) fn new(terminal: Terminal) -> Self {
        Self { terminal, drawn: Vec::new() }
    }

    /// Draws in the place of what was drawn before.
    pub(crate) fn draw(&mut self, root: &Shown<'_>, children: &[Shown<'_>], now: u64) {
        let (columns, rows) = self.terminal.size();
        let room = rows.saturating_sub(2).clamp(4, HIGHEST);
        let lines =
            lines(self.terminal, root, children, now, columns.saturating_sub(1).max(20), room);
        let mut text = self.erased(columns);
        for (line, _) in &lines {
            text.push_str(line);
            text.push('\n');
        }
        self.terminal.write(&text);
        self.drawn = lines.into_iter().map(|(_, width)| width).collect();
    }

    /// Writes a line that stays, above the tree; the tree is to be drawn again.
    pub(crate) fn say(&mut self, line: &str) {
        let (columns, _) = self.terminal.size();
        let text = format!("{}{line}\n", self.erased(columns));
        self.terminal.write(&text);
        self.drawn.clear();
    }

    /// Moves the cursor to where the tree began and clears from there. A terminal that became narrower has broken
    /// lines into several.
    fn erased(&self, columns: usize) -> String {
        let up: usize = self.drawn.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        if up == 0 { String::new() } else { format!("\r\u{1b}[{up}A\u{1b}[J") }
    }
}

/// The lines with their widths: the run, then its nodes. If there are more than `room`, what is done and what is
/// still to come gives way.
fn lines(
    terminal: Terminal,
    root: &Shown<'_>,
    children: &[Shown<'_>],
    now: u64,
    columns: usize,
    room: usize,
) -> Vec<(String, usize)> {
    let mut entries = Vec::new();
    gather(root, children, now, &mut entries);
    let names = entries
        .iter()
        .map(|entry| entry.depth.min(DEEPEST) * 2 + entry.name.width())
        .max()
        .unwrap_or(0)
        .min(columns / 2);
    let types = entries.iter().map(|entry| entry.node_type.width()).max().unwrap_or(0).min(16);
    let since = root.picture.ended.unwrap_or(now).saturating_sub(root.picture.started);
    let revision = match root.picture.revision {
        0 => String::new(),
        revision => format!("revision {revision}  "),
    };
    let (workflow, run, status) = (plain(root.workflow), root.run, root.status);
    let head = format!("{workflow}  {run}  {status}  {revision}{}", length(since));
    let head = cut(&head, columns);
    let mut out = vec![(terminal.paint("1", &head), head.width())];
    let (kept, left) = keep(&entries, room.saturating_sub(1));
    for entry in kept {
        let sign = sign(entry.state, entry.asks, terminal.unicode);
        let indent = "  ".repeat(entry.depth.min(DEEPEST));
        let name = cut(&entry.name, names.saturating_sub(indent.len()));
        let gap = " ".repeat(names.saturating_sub(indent.len() + name.width()));
        let node_type = cut(&entry.node_type, types);
        let node_type = format!("{node_type}{}", " ".repeat(types - node_type.width()));
        let rest = cut(&entry.rest, columns.saturating_sub(names + types + 8));
        let width = 8 + names + types + rest.width();
        let line = format!(
            "  {indent}{} {name}{gap}  {}  {rest}",
            terminal.paint(colour(entry.state, entry.asks), sign),
            terminal.paint("2", &node_type)
        );
        out.push((line, width));
    }
    if !left.is_empty() {
        let line = cut(&format!("    and {}", left.join(", ")), columns);
        out.push((terminal.paint("2", &line), line.width()));
    }
    out
}

struct Entry {
    depth: usize,
    name: String,
    node_type: String,
    state: NodeState,
    asks: bool,
    ended: Option<u64>,
    rest: String,
}

fn gather(shown: &Shown<'_>, children: &[Shown<'_>], now: u64, out: &mut Vec<Entry>) {
    // Pictures still to be walked: a child run stands under its node.
    let mut open = vec![(shown.picture, shown.picture.rows().into_iter(), 0_usize)];
    while let Some((picture, mut rows, base)) = open.pop() {
        let Some((scope, row)) = rows.next() else { continue };
        let depth = base + scope.matches('[').count();
        let name = instance_name(&scope, &row.id);
        // Within an iteration the container's name stands above already.
        let name = match name.rsplit_once("]/") {
            None => name,
            Some((before, id)) => {
                format!("[{}] {id}", before.rsplit_once('[').map_or(before, |(_, index)| index))
            }
        };
        out.push(Entry {
            depth,
            name: plain(&name),
            node_type: plain(&row.node_type),
            state: row.state,
            asks: row.ticket.is_some(),
            ended: row.ended,
            rest: plain(&marked(rest(row, now), picture.marks.get(&row.id))),
        });
        open.push((picture, rows, base));
        let child = row
            .child
            .as_ref()
            .filter(|_| !row.state.is_settled() || row.state == NodeState::Failed);
        if let Some(child) = child.and_then(|run| children.iter().find(|shown| shown.run == run))
            && open.len() < DEEPEST
        {
            open.push((child.picture, child.picture.rows().into_iter(), depth + 1));
        }
    }
}

/// What is said of a row, behind what it owes to a patch.
fn marked(rest: String, mark: Option<&Mark>) -> String {
    match mark {
        None => rest,
        Some(mark) => format!("{}  {rest}", mark.short()),
    }
}

/// What is said of a row behind its name and type.
fn rest(row: &Row, now: u64) -> String {
    let took = row.length(now).map(length).unwrap_or_default();
    let attempt =
        if row.attempts > 1 { format!("  attempt {}", row.attempts) } else { String::new() };
    let progress = row.progress.map_or(String::new(), |progress| {
        let of = if row.node_type == "loop" {
            "rounds".to_owned()
        } else {
            format!("of {}", progress.total)
        };
        let failed = if progress.failed > 0 {
            format!(", {} failed", progress.failed)
        } else {
            String::new()
        };
        format!("  {} {of}{failed}", progress.done)
    });
    let error = row
        .error
        .as_ref()
        .map_or(String::new(), |error| format!("{}: {}", error.code, error.message));
    match row.state {
        NodeState::Idle | NodeState::Ready => String::new(),
        NodeState::Backoff => {
            let left = row.due.map_or(0, |due| due.saturating_sub(now));
            format!("{took}  attempt {} in {}  {error}", row.attempts + 1, length(left))
        }
        NodeState::Waiting if row.ticket.is_some() => {
            format!("{took}  waits for a person  {error}")
        }
        NodeState::Waiting => {
            format!("{took}  {} left", length(row.due.map_or(0, |due| due.saturating_sub(now))))
        }
        NodeState::Failed => format!("{took}{attempt}{progress}  {error}"),
        NodeState::Skipped | NodeState::Passed | NodeState::Cancelled => row
            .cause
            .as_ref()
            .map_or(String::new(), |cause| format!("{}: {}", row.state.name(), why(cause))),
        NodeState::Active | NodeState::Succeeded => format!("{took}{attempt}{progress}"),
    }
}

/// The entries that fit, and what is said of the others.
fn keep(entries: &[Entry], room: usize) -> (Vec<&Entry>, Vec<String>) {
    if entries.len() <= room {
        return (entries.iter().collect(), Vec::new());
    }
    let weight = |entry: &Entry| match entry.state {
        _ if entry.asks => 0,
        NodeState::Failed => 1,
        NodeState::Active | NodeState::Backoff | NodeState::Waiting => 2,
        NodeState::Ready => 3,
        NodeState::Idle => 4,
        _ => 5,
    };
    let mut order: Vec<usize> = (0..entries.len()).collect();
    // Of what has settled the latest is shown.
    order.sort_by_key(|&at| (weight(&entries[at]), std::cmp::Reverse(entries[at].ended)));
    let mut kept: Vec<usize> = order.drain(..room.saturating_sub(1)).collect();
    kept.sort_unstable();
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for at in order {
        let name = match entries[at].state {
            NodeState::Idle | NodeState::Ready => "to come",
            state => state.name(),
        };
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    (
        kept.into_iter().map(|at| &entries[at]).collect(),
        counts.into_iter().map(|(name, count)| format!("{count} {name}")).collect(),
    )
}

fn sign(state: NodeState, asks: bool, unicode: bool) -> &'static str {
    let (sign, ascii) = match state {
        _ if asks => ("◆", "?"),
        NodeState::Idle | NodeState::Ready => ("○", "."),
        NodeState::Active => ("●", "*"),
        NodeState::Backoff => ("↻", "~"),
        NodeState::Waiting => ("◷", "~"),
        NodeState::Succeeded => ("✓", "+"),
        NodeState::Failed => ("✗", "x"),
        NodeState::Skipped => ("–", "-"),
        NodeState::Passed => ("»", ">"),
        NodeState::Cancelled => ("■", "#"),
    };
    if unicode { sign } else { ascii }
}

fn colour(state: NodeState, asks: bool) -> &'static str {
    match state {
        _ if asks => "1;33",
        NodeState::Active => "36",
        NodeState::Backoff | NodeState::Waiting => "33",
        NodeState::Succeeded => "32",
        NodeState::Failed => "1;31",
        _ => "2",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Shown, Terminal, lines};
    use crate::show::graph::Graph;
    use crate::show::picture::Picture;
    use aob_engine::event::{Change, Event, Kind};
    use serde_json::json;

    fn event(changes: Vec<Change>) -> Event {
        Event {
            n: 1,
            t: 1_000,
            rev: 0,
            kind: Kind::NodesSettled,
            by: "system".into(),
            epoch: 1,
            prev: String::new(),
            changes,
        }
    }

    fn picture(nodes: usize) -> Picture {
        let nodes: Vec<_> =
            (0..nodes).map(|at| json!({"id": format!("n{at}"), "type": "noop"})).collect();
        let mut picture =
            Picture::new(Arc::new(Graph::of(&json!({"spec": {"nodes": nodes}}))), false);
        let started = serde_json::from_value(json!({"change": "started", "run": "run_1", "workflow": "w", "digest": "", "input": "", "tenant": "t", "deadline": 0, "bytes": 0})).unwrap();
        let changes = vec![started, Change::Published { at: "n1".into(), attempt: 1 }];
        let event = event(changes);
        for change in &event.changes {
            picture.apply(change, &event);
        }
        picture
    }

    fn drawn(nodes: usize, columns: usize, room: usize) -> Vec<String> {
        let picture = picture(nodes);
        let terminal = Terminal { data: false, live: true, colour: false, unicode: true };
        let shown = Shown { run: "run_1", workflow: "w", status: "running", picture: &picture };
        let lines = lines(terminal, &shown, &[], 2_500, columns, room);
        for (line, width) in &lines {
            assert_eq!(unicode_width::UnicodeWidthStr::width(line.as_str()), *width, "{line}");
        }
        lines.into_iter().map(|(line, _)| line.trim_end().to_owned()).collect()
    }

    #[test]
    fn nodes_stand_under_their_run() {
        assert_eq!(
            drawn(2, 80, 10),
            ["w  run_1  running  1.5s", "  ○ n0  noop", "  ● n1  noop  1.5s"]
        );
    }

    #[test]
    fn a_low_terminal_keeps_what_matters() {
        assert_eq!(
            drawn(9, 80, 4),
            ["w  run_1  running  1.5s", "  ○ n0  noop", "  ● n1  noop  1.5s", "    and 7 to come"]
        );
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        assert!(drawn(3, 20, 10).iter().all(|line| line.chars().count() <= 20));
    }
}
