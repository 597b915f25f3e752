//! READ_RACE, READ_ABSENT, PASSED_READ: whether what an expression reads is certainly there.

use super::document::Document;
use super::findings::Findings;
use super::graph::{Graph, Link, identity};
use super::names::{Field, NodeRead, Reader};
use super::scopes::{Scope, Scopes};
use super::settled::{self, Settled};
use super::suggest::quote;
use super::sure::{self, Sure};
use super::types::{Role, Type};
use crate::catalogue::{PASSED_READ, READ_ABSENT, READ_RACE};
use crate::ir::{After, OnError};
use crate::issue::Issue;

/// Longest path that is shown.
const LONGEST: usize = 30;

/// The graph that reads are judged on. It has no cycle.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'g> {
    pub(crate) document: &'g Document<'g>,
    pub(crate) types: &'g [Type<'g>],
    pub(crate) scopes: &'g Scopes,
    pub(crate) graph: &'g Graph,
    pub(crate) order: &'g [u32],
}

/// Whether a read is certainly right, if a short look shows it. False says nothing.
pub(crate) fn plainly_right(ground: &Ground<'_>, read: &NodeRead) -> bool {
    let Ground { document, scopes, graph, .. } = *ground;
    let needs_output = match read.field {
        Field::Outcome => false,
        Field::Error if !read.guarded => return false,
        _ => !read.guarded,
    };
    if needs_output && ground.types[read.node as usize].role == Role::Unknown {
        return false;
    }
    match read.reader {
        Reader::Config(node) => {
            settled::near(document, graph, scopes, node, read.node)
                && (!needs_output || sure::near(graph, scopes, node, read.node))
        }
        Reader::When { from, after } => {
            from == read.node && (!needs_output || after == After::Success)
        }
        Reader::End(_) | Reader::Output => false,
    }
}

/// Judges what a short look did not show to be right.
pub(crate) fn judge(ground: &Ground<'_>, reads: &[NodeRead], findings: &mut Findings) {
    if reads.is_empty() {
        return;
    }
    let settled = ground.settled(reads.iter().map(|read| read.node));
    let mut doubtful = Vec::new();
    for read in reads {
        if !ground.has_settled(&settled, read) {
            findings.refuse(|| ground.race(read));
        } else if !read.guarded && read.field != Field::Outcome {
            doubtful.push(read);
        }
    }
    let outputs = || doubtful.iter().filter(|read| read.field == Field::Output);
    if doubtful.is_empty() {
        return;
    }
    let sure = ground.sure(outputs().map(|read| read.node));
    for read in doubtful {
        if read.field == Field::Error || !ground.is_sure(&sure, read) {
            findings.refuse(|| ground.absent(read));
        } else if ground.types[read.node as usize].role == Role::Unknown {
            findings.push(ground.passed(read));
        }
    }
}

impl<'g> Ground<'g> {
    fn settled(&self, asked: impl IntoIterator<Item = u32>) -> Settled {
        Settled::of(self.document, self.graph, self.scopes, self.order, asked)
    }

    fn sure(&self, asked: impl IntoIterator<Item = u32>) -> Sure<'g> {
        Sure::of(self.document, self.types, self.graph, self.scopes, self.order, asked)
    }

    fn has_settled(&self, settled: &Settled, read: &NodeRead) -> bool {
        let lies = self.scopes.of(read.node);
        if lies == Scope::Root && self.in_finally(read) {
            return true;
        }
        match read.reader {
            Reader::Config(node) => settled.before(node, read.node),
            Reader::When { from, .. } => from == read.node || settled.before(from, read.node),
            Reader::End(container) => {
                lies == Scope::Body(container) || settled.before(container, read.node)
            }
            Reader::Output => true,
        }
    }

    fn in_finally(&self, read: &NodeRead) -> bool {
        match read.reader {
            Reader::Config(node) | Reader::When { from: node, .. } | Reader::End(node) => {
                self.scopes.in_finally(self.scopes.of(node))
            }
            Reader::Output => false,
        }
    }

    fn is_sure(&self, sure: &Sure<'_>, read: &NodeRead) -> bool {
        match read.reader {
            Reader::Config(node) => sure.at_start(node, read.node),
            Reader::When { from, after } => {
                (from == read.node && after == After::Success) || sure.at_start(from, read.node)
            }
            Reader::End(container) => sure.at_begin(Scope::Body(container), read.node),
            Reader::Output => sure.at_begin(Scope::Root, read.node),
        }
    }

    fn id(&self, node: u32) -> &'g str {
        self.document.nodes[node as usize].id
    }

    fn edge(&self, link: &Link) -> String {
        identity(&self.document.edges[link.edge as usize])
    }

    fn race(&self, read: &NodeRead) -> Issue {
        let target = quote(self.id(read.node));
        let (reader, start) = match read.reader {
            Reader::Config(node) | Reader::When { from: node, .. } | Reader::End(node) => {
                (quote(self.id(node)), node)
            }
            Reader::Output => ("the output".to_owned(), read.node),
        };
        let text = quote(&read.text);
        if self.scopes.around(self.scopes.of(start)).any(|scope| scope == Scope::Body(read.node)) {
            let message = format!(
                "{text} is read within the body of {target} itself, which settles after its body"
            );
            let remedy = "Read nodes of the body, the item, or `prev` of a loop instead.";
            return Issue::new(&READ_RACE, read.pointer.clone(), message).remedy(remedy);
        }
        if start == read.node {
            let message = format!("{text} is read by {target} itself, before it has settled");
            return Issue::new(&READ_RACE, read.pointer.clone(), message)
                .remedy("Read a node that settles earlier.");
        }
        let begins = if matches!(read.reader, Reader::Config(_)) { "starts" } else { "started" };
        let message =
            format!("{text} is read, but {target} may not have settled when {reader} {begins}");
        let issue = Issue::new(&READ_RACE, read.pointer.clone(), message);
        if let Some(path) = self.path_to(start, read.node) {
            return issue
                .detail(format!("{target} settles only after {reader}: {path}"))
                .remedy(format!("Read it in a node after {target}, or turn the edges round."));
        }
        let settled = self.settled([read.node]);
        issue
            .detail(format!(
                "{reader} can start without it: {}",
                self.path_past(start, read.node, &settled)
            ))
            .remedy(format!(
                "Add `- {{from: {}, to: {}}}`, or make the join `all`.",
                self.id(read.node),
                self.id(start)
            ))
    }

    fn absent(&self, read: &NodeRead) -> Issue {
        let text = quote(&read.text);
        let target = quote(self.id(read.node));
        if read.field == Field::Error {
            let message =
                format!("{text} is read without a guard, and there is none unless {target} failed");
            let remedy = format!("Guard it: `has({0}) ? {0}.message : ''`.", read.text);
            return Issue::new(&READ_ABSENT, read.pointer.clone(), message).remedy(remedy);
        }
        let message = format!(
            "{text} is read without a guard, but {target} does not certainly have an output there"
        );
        let remedy = format!("Guard it: `has({0}) ? {0} : <default>`.", read.text);
        let mut issue = Issue::new(&READ_ABSENT, read.pointer.clone(), message).remedy(remedy);
        if self.scopes.of(read.node) == Scope::Root && self.in_finally(read) {
            return issue.detail(format!(
                "`finally` runs also when the run failed or was cancelled before {target}"
            ));
        }
        if let Some(path) = self.path_without(read) {
            issue = issue.detail(path);
        }
        issue.detail(self.why_not_sure(read.node))
    }

    fn passed(&self, read: &NodeRead) -> Issue {
        let node = &self.document.nodes[read.node as usize];
        let message = format!(
            "{} is read without a guard, but {} is of the type {}, which is not known here: it is passed over and has no output",
            quote(&read.text),
            quote(node.id),
            quote(node.node_type)
        );
        let remedy =
            format!("Guard it: `has({0}) ? {0} : <default>`, or register the type.", read.text);
        Issue::warn(&PASSED_READ, read.pointer.clone(), message).remedy(remedy)
    }

    /// A path along the edges from a node to a later one.
    fn path_to(&self, from: u32, to: u32) -> Option<String> {
        let mut before = vec![None; self.document.nodes.len()];
        let mut open = vec![from];
        let mut next = 0;
        while let Some(&node) = open.get(next) {
            next += 1;
            for link in self.graph.outs(node) {
                if before[link.to as usize].is_none() {
                    before[link.to as usize] = Some(node);
                    open.push(link.to);
                }
            }
        }
        before[to as usize]?;
        let way = std::iter::successors(Some(to), |node| {
            before[*node as usize].filter(|_| *node != from)
        });
        Some(self.shown(way.collect()))
    }

    /// A way for a node to start while another has not settled.
    fn path_past(&self, node: u32, other: u32, settled: &Settled) -> String {
        let mut way = vec![node];
        let mut at = node;
        loop {
            let open = |link: &&Link| link.from != other && !settled.before(link.from, other);
            let before = self.graph.ins(at).find(open).map(|link| link.from);
            let before = before.or_else(|| match self.scopes.of(at) {
                Scope::Body(container) if self.graph.ins(at).len() == 0 => Some(container),
                _ => None,
            });
            match before {
                Some(before) => at = before,
                None => return self.shown(way),
            }
            way.push(at);
        }
    }

    /// A way for the reader to start without the output.
    fn path_without(&self, read: &NodeRead) -> Option<String> {
        let sure = self.sure([read.node]);
        let mut at = match read.reader {
            Reader::Config(node) => node,
            Reader::When { from, .. } if from != read.node => from,
            _ => return None,
        };
        let mut way = vec![at];
        loop {
            let before = match self.graph.ins(at).find(|link| !sure.by(link, read.node)) {
                Some(link) if link.from == read.node => {
                    return Some(format!(
                        "{} is taken without it: {}",
                        self.edge(link),
                        self.shown(way)
                    ));
                }
                Some(link) => link.from,
                None => match self.scopes.of(at) {
                    Scope::Body(container) if self.graph.ins(at).len() == 0 => container,
                    _ => return Some(format!("possible without it: {}", self.shown(way))),
                },
            };
            at = before;
            way.push(at);
        }
    }

    fn why_not_sure(&self, node: u32) -> String {
        let name = quote(self.id(node));
        if let Some(link) = self.graph.outs(node).find(|link| link.after != After::Success) {
            return format!(
                "a failure of {name} is handled by {}, and what comes after goes on",
                self.edge(link)
            );
        }
        match self.document.nodes[node as usize].on_error {
            OnError::Continue => {
                return format!(
                    "{name} has `onError: continue`: after its failure the rest goes on"
                );
            }
            OnError::Pause => {
                return format!("{name} has `onError: pause`: it may be settled as failed");
            }
            OnError::Fail => {}
        }
        match self.graph.ins(node).find(|link| !link.unconditional || link.after == After::Failure)
        {
            Some(link) => format!("{name} is skipped if {} is not taken", self.edge(link)),

            None => format!("{name} runs only if what leads to it does"),
        }
    }

    /// `a -> b -> c`, from the last to the first.
    fn shown(&self, mut way: Vec<u32>) -> String {
        way.reverse();
        let names: Vec<&str> = way.iter().map(|node| self.id(*node)).collect();
        if names.len() <= LONGEST {
            return names.join(" -> ");
        }
        let half = LONGEST / 2;
        let (first, last) = (&names[..half], &names[names.len() - half..]);
        format!(
            "{} -> ({} more) -> {}",
            first.join(" -> "),
            names.len() - LONGEST,
            last.join(" -> ")
        )
    }
}
