//! What is shown of a run that is followed: a live tree on a terminal, a line for each change elsewhere.

use std::collections::BTreeSet;

use aob_engine::state::Asks;

use super::history::{History, Told};
use crate::operations::Waits;
use crate::show::plain;
use crate::show::terminal::Terminal;
use crate::show::time::now;
use crate::show::tree::{Shown, Tree};

/// What is shown.
pub(crate) struct View {
    terminal: Terminal,
    tree: Option<Tree>,
    /// Flags that lead another command to the same place.
    flag: String,
    /// Tickets that were told of.
    told: BTreeSet<String>,
}

impl View {
    pub(crate) fn new(terminal: Terminal, flag: String) -> Self {
        let tree = terminal.live.then(|| Tree::new(terminal));
        Self { terminal, tree, flag, told: BTreeSet::new() }
    }

    /// Whether it has to be shown again from time to time.
    pub(crate) fn is_live(&self) -> bool {
        self.tree.is_some()
    }

    /// Shows how it stands after this news.
    pub(crate) fn show(&mut self, history: &History, news: &[String]) {
        match &mut self.tree {
            Some(tree) => draw(tree, history),
            None => news.iter().for_each(|line| self.terminal.say(line)),
        }
    }

    /// Says what is to be typed to answer; each ticket once.
    pub(crate) fn tickets(&mut self, tickets: &[Waits]) {
        for ticket in tickets {
            if self.told.insert(ticket.ticket.clone()) {
                let lines = asked(ticket, &self.flag);
                self.say(&lines);
            }
        }
    }

    /// Says something beside what happens in the run.
    pub(crate) fn say(&mut self, line: &str) {
        match &mut self.tree {
            Some(tree) => tree.say(line),
            None => self.terminal.say(line),
        }
    }

    /// Shows it for the last time.
    pub(crate) fn finish(&mut self, history: &History) {
        if let Some(tree) = &mut self.tree {
            draw(tree, history);
        }
    }
}

/// The question, and the commands that answer it.
pub(crate) fn asked(ticket: &Waits, flag: &str) -> String {
    let Waits { ticket: id, run, instance, asks, title, due } = ticket;
    let (title, instance) = (plain(title), plain(instance));
    let shell = crate::owner::quoted(&instance);
    match asks {
        Asks::Gate => format!(
            "{instance} waits for an approval: {title}\n  aob approve {id} approve{flag}\n  aob approve {id} reject{flag} --reason ..."
        ),
        Asks::Budget if due.is_some() => format!(
            "{instance} waits for a budget: {title}\n  aob retry {run} {shell}{flag}   (asks again now)\n  aob approve {id} reject{flag} --reason ...   (stops the run)"
        ),
        Asks::Budget => format!(
            "{instance} waits for a budget: {title}\n  aob budget {run}{flag} --usd N\n  aob approve {id} reject{flag} --reason ...   (stops the run)"
        ),
        Asks::Patch => format!(
            "{instance} proposes a patch: {title}\n  aob approve {id} approve{flag}\n  aob approve {id} reject{flag} --reason ...   (goes on without)"
        ),
        Asks::Failure | Asks::Unknown => format!(
            "{instance} waits for a person: {title}\n  aob retry {run} {shell}{flag}\n  aob settle {run} {shell}{flag} --output JSON --reason ..."
        ),
    }
}

fn draw(tree: &mut Tree, history: &History) {
    let shown: Vec<Shown<'_>> = history.told().iter().map(of).collect();
    if let Some((root, children)) = shown.split_first() {
        tree.draw(root, children, now());
    }
}

fn of(told: &Told) -> Shown<'_> {
    Shown { run: &told.run, workflow: &told.workflow, status: &told.status, picture: &told.picture }
}
