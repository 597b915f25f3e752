//! UNKNOWN_NAME, UNKNOWN_NODE: what an expression may see where it stands.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::Document;
use super::findings::Findings;
use super::ids::Ids;
use super::scopes::{Scope, Scopes};
use super::suggest::{did_you_mean, quote};
use super::types::{Role, Type};
use crate::catalogue::{UNKNOWN_NAME, UNKNOWN_NODE};
use crate::expr::Read;
use crate::ir::After;
use crate::issue::Issue;

/// When an expression is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// When this node begins.
    Config(u32),
    /// When this node has settled, on an edge out of it.
    When { from: u32, after: After },
    /// When a round or an item of this container is done.
    End(u32),
    /// When all root nodes have settled and nothing failed.
    Output,
}

/// Where an expression stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) reader: Reader,
    pub(crate) scope: Scope,
    /// Whether it sees a transform's `value`.
    pub(crate) value: bool,
}

/// A node that an expression reads and may see; whether it can be there is judged later.
#[derive(Debug)]
pub(crate) struct NodeRead {
    pub(crate) reader: Reader,
    pub(crate) node: u32,
    pub(crate) field: Field,
    pub(crate) guarded: bool,
    pub(crate) pointer: String,
    /// `nodes.x.output`
    pub(crate) text: String,
}

/// Which part of a node is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Output,
    Outcome,
    Error,
}

/// Judges names, and gathers the reads of nodes.
pub(crate) struct Names<'d, 'a> {
    document: &'d Document<'a>,
    ids: &'d Ids<'a>,
    scopes: &'d Scopes,
    types: &'d [Type<'d>],
    /// Whether a read needs no further look.
    settled: &'d dyn Fn(&NodeRead) -> bool,
    visible: BTreeMap<Scope, BTreeSet<&'a str>>,
    pub(crate) reads: Vec<NodeRead>,
}

impl<'d, 'a> Names<'d, 'a> {
    pub(crate) fn new(
        document: &'d Document<'a>,
        ids: &'d Ids<'a>,
        scopes: &'d Scopes,
        types: &'d [Type<'d>],
        settled: &'d dyn Fn(&NodeRead) -> bool,
    ) -> Self {
        Self { document, ids, scopes, types, settled, visible: BTreeMap::new(), reads: Vec::new() }
    }

    /// The node with this id.
    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        self.ids.get(id)
    }

    /// Judges what a bare expression reads.
    pub(crate) fn judge_all(
        &mut self,
        reads: &[Read],
        place: Place,
        pointer: impl Fn() -> String,
        findings: &mut Findings,
    ) {
        for read in reads {
            self.judge(read, place, false, &pointer, findings);
        }
    }

    /// Judges one thing that is read. `secrets`: whether a secret may stand there.
    pub(crate) fn judge(
        &mut self,
        read: &Read,
        place: Place,
        secrets: bool,
        pointer: impl Fn() -> String,
        findings: &mut Findings,
    ) {
        if place.scope == Scope::Lost {
            return;
        }
        match (read.root.as_str(), &read.node) {
            ("nodes", Some(id)) => self.node(read, id, place, pointer, findings),
            ("secrets", _) if secrets => {}
            ("secrets", _) => {
                let message = format!(
                    "{} may not be read here: a secret stands only in fields made for it",
                    quote(&read.text)
                );
                let remedy = "Put it into a field whose schema says `x-aob-secrets`; `aob schema TYPE` shows them.";
                findings.push(Issue::new(&UNKNOWN_NAME, pointer(), message).remedy(remedy));
            }
            ("input", _) => {}
            ("run", _) => self.run(read, place, pointer, findings),
            ("value", _) if place.value => {}
            (name, _) => {
                if !self.visible(place.scope).contains(name) {
                    self.unknown(name, place, pointer(), findings);
                }
            }
        }
    }

    fn node(
        &mut self,
        read: &Read,
        id: &str,
        place: Place,
        pointer: impl Fn() -> String,
        findings: &mut Findings,
    ) {
        let Some(node) = self.ids.get(id) else {
            findings.refuse(|| {
                let meant = did_you_mean(id, self.ids.nearest(self.document, id));
                let (text, id) = (quote(&read.text), quote(id));
                let message = format!("{text} reads the node {id}, which does not exist{meant}");
                Issue::new(&UNKNOWN_NODE, pointer(), message)
            });
            return;
        };
        let lies = self.scopes.of(node);
        if lies == Scope::Lost {
            return;
        }
        let seen = self.scopes.around(place.scope).any(|scope| scope == lies)
            || (lies == Scope::Root && self.scopes.in_finally(place.scope));
        if !seen {
            findings.push(self.hidden(read, id, lies, pointer()));
            return;
        }
        let field = match read.field.as_deref() {
            Some("outcome") => Field::Outcome,
            Some("error") => Field::Error,
            _ => Field::Output,
        };
        let mut found = NodeRead {
            reader: place.reader,
            node,
            field,
            guarded: read.guarded,
            pointer: String::new(),
            text: String::new(),
        };
        if !(self.settled)(&found) {
            found.pointer = pointer();
            found.text.clone_from(&read.text);
            self.reads.push(found);
        }
    }

    fn hidden(&self, read: &Read, id: &str, lies: Scope, pointer: String) -> Issue {
        let (inside, remedy) = match lies {
            Scope::Body(container) => {
                let container = self.document.nodes[container as usize].id;
                let remedy = format!(
                    "Read `nodes.{container}.output`, and let its `result` carry what is needed."
                );
                (quote(container), remedy)
            }
            _ => (
                "`finally`".to_owned(),
                "What runs in `finally` runs after all else; read it there.".to_owned(),
            ),
        };
        let message = format!(
            "{} reads {}, which lies within {inside} and is not seen from outside",
            quote(&read.text),
            quote(id)
        );
        Issue::new(&UNKNOWN_NODE, pointer, message).remedy(remedy)
    }

    fn run(
        &self,
        read: &Read,
        place: Place,
        pointer: impl Fn() -> String,
        findings: &mut Findings,
    ) {
        let Some(field) = read.field.as_deref() else { return };
        let in_finally = self.scopes.in_finally(place.scope);
        let known: &[&str] = if in_finally {
            &["id", "workflow", "startedAt", "outcome"]
        } else {
            &["id", "workflow", "startedAt"]
        };
        if known.contains(&field) {
            return;
        }
        let message = if field == "outcome" {
            "`run.outcome` is known only in `finally`".to_owned()
        } else {
            format!("a run has no {}{}", quote(field), did_you_mean(field, known.iter().copied()))
        };
        let shown = known.iter().map(|name| format!("run.{name}")).collect::<Vec<_>>().join(", ");
        findings.push(
            Issue::new(&UNKNOWN_NAME, pointer(), message).detail(format!("known here: {shown}")),
        );
    }

    fn unknown(&mut self, name: &str, place: Place, pointer: String, findings: &mut Findings) {
        let mut known: Vec<&str> = self.visible(place.scope).iter().copied().collect();
        if place.value {
            known.push("value");
        }
        let mut issue = if let Some(node) = self.ids.get(name) {
            let id = self.document.nodes[node as usize].id;
            Issue::new(
                &UNKNOWN_NAME,
                pointer,
                format!("{} is no name here, but a node", quote(name)),
            )
            .remedy(format!("Write `nodes.{id}.output`."))
        } else {
            let meant = did_you_mean(name, known.iter().copied());
            Issue::new(
                &UNKNOWN_NAME,
                pointer,
                format!("there is no name {} here{meant}", quote(name)),
            )
        };
        if matches!(name, "item" | "index" | "prev" | "value") {
            let only = match name {
                "value" => "`value` is seen only by a transform's `assert`",
                "prev" => "`prev` is seen only in the body of a loop",
                _ => "items and `index` are seen only in the body of a foreach or loop",
            };
            issue = issue.detail(only);
        }
        findings.push(issue.detail(format!("known here: {}", known.join(", "))));
    }

    /// The names seen in a scope, but for nodes' own.
    fn visible(&mut self, scope: Scope) -> &BTreeSet<&'a str> {
        let (document, scopes, types) = (self.document, self.scopes, self.types);
        self.visible.entry(scope).or_insert_with(|| {
            let mut names = BTreeSet::from(["input", "nodes", "run"]);
            for around in scopes.around(scope) {
                let Scope::Body(container) = around else { continue };
                names.insert("index");
                if types[container as usize].role == Role::Loop {
                    names.insert("prev");
                } else {
                    let name =
                        document.nodes[container as usize].config.get("as").and_then(Value::as_str);
                    names.insert(name.unwrap_or("item"));
                }
            }
            names
        })
    }
}
