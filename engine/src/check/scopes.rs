//! BAD_WITHIN, TOO_DEEP, EMPTY_BODY, WAIT_IN_FINALLY: which scope each node lies in.

use std::collections::BTreeMap;

use super::document::Document;
use super::findings::Findings;
use super::ids::{Ids, plain};
use super::suggest::{did_you_mean, quote};
use super::types::{Role, Type};
use crate::catalogue::{BAD_WITHIN, EMPTY_BODY, TOO_DEEP, WAIT_IN_FINALLY};
use crate::ir::OnError;
use crate::issue::Issue;

/// How deep scopes nest; the body of a container in the root is the first level, and so is `finally`.
pub(crate) const DEEPEST: usize = 4;

/// The scope a node lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    Root,
    Finally,
    /// The body of the container at this position.
    Body(u32),
    /// Not to be told: its `within` is wrong. No rule that needs a scope looks at it.
    Lost,
}

/// The scopes of a document.
#[derive(Debug)]
pub(crate) struct Scopes {
    of: Vec<Scope>,
    bodies: BTreeMap<u32, Vec<u32>>,
}

impl Scopes {
    /// Judges every `within`.
    pub(crate) fn judge(
        document: &Document<'_>,
        ids: &Ids<'_>,
        types: &[Type<'_>],
        findings: &mut Findings,
    ) -> Self {
        let of = document.nodes.iter().map(|node| match node.within {
            None => Scope::Root,
            Some("finally") => Scope::Finally,
            Some(name) => ids.get(name).map_or(Scope::Lost, Scope::Body),
        });
        let mut scopes = Self { of: of.collect(), bodies: BTreeMap::new() };
        for (at, node) in document.nodes.iter().enumerate() {
            let Some(name) = node.within else { continue };
            let wrong = |reason: String| {
                let message = format!("{}: {reason}", quote(node.id));
                Issue::new(&BAD_WITHIN, node.field("within"), message)
            };
            match scopes.of[at] {
                // Its letters are wrong already.
                Scope::Lost if !plain(name) => {}
                Scope::Lost => findings.refuse(|| wrong(nowhere(name, document, ids))),
                Scope::Body(container) => {
                    if let Some(reason) = no_body(types[container as usize], name) {
                        findings.push(wrong(reason));
                        scopes.of[at] = Scope::Lost;
                    }
                }
                Scope::Root | Scope::Finally => {}
            }
        }
        scopes.refuse_circles(document, findings);
        scopes.gather_bodies();
        scopes.refuse_deep(document, findings);
        scopes.refuse_empty(document, types, findings);
        scopes.refuse_waiting(document, types, findings);
        scopes
    }

    /// The scope of a node.
    pub(crate) fn of(&self, node: u32) -> Scope {
        self.of[node as usize]
    }

    /// The containers that have a body, with the nodes in it, in document order.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (u32, &[u32])> {
        self.bodies.iter().map(|(container, nodes)| (*container, nodes.as_slice()))
    }

    /// The nodes in a container's body.
    pub(crate) fn body(&self, container: u32) -> &[u32] {
        self.bodies.get(&container).map_or(&[], Vec::as_slice)
    }

    /// A scope and those around it, the innermost first; at most [`DEEPEST`] and the root.
    pub(crate) fn around(&self, scope: Scope) -> impl Iterator<Item = Scope> {
        std::iter::successors(Some(scope), |scope| match scope {
            Scope::Body(container) => Some(self.of(*container)),
            _ => None,
        })
        .take(DEEPEST + 2)
    }

    /// Whether a scope is `finally` or lies within it.
    pub(crate) fn in_finally(&self, scope: Scope) -> bool {
        self.around(scope).any(|scope| scope == Scope::Finally)
    }

    /// Whether every node has a scope.
    pub(crate) fn whole(&self) -> bool {
        !self.of.contains(&Scope::Lost)
    }

    fn refuse_circles(&mut self, document: &Document<'_>, findings: &mut Findings) {
        // 0: not seen, 1: on the way, 2: leads to an end.
        let mut seen = vec![0u8; self.of.len()];
        for start in 0..self.of.len() {
            let mut way = Vec::new();
            let mut at = start;
            while seen[at] == 0 {
                seen[at] = 1;
                way.push(at);
                match self.of[at] {
                    Scope::Body(container) => at = container as usize,
                    _ => break,
                }
            }
            if seen[at] == 1 && matches!(self.of[at], Scope::Body(_)) {
                let from = way.iter().position(|node| *node == at).unwrap_or(0);
                let circle: Vec<String> =
                    way[from..].iter().map(|node| quote(document.nodes[*node].id)).collect();
                let node = &document.nodes[at];
                let message = format!("{} lies within itself", quote(node.id));
                let shown = circle.iter().take(20).cloned().collect::<Vec<_>>().join(" within ");
                findings.push(
                    Issue::new(&BAD_WITHIN, node.field("within"), message)
                        .detail(format!("{shown} within {}", circle[0])),
                );
                for node in &way[from..] {
                    self.of[*node] = Scope::Lost;
                }
            }
            for node in way {
                seen[node] = 2;
            }
        }
    }

    fn gather_bodies(&mut self) {
        for (at, scope) in (0..).zip(&self.of) {
            if let Scope::Body(container) = scope {
                self.bodies.entry(*container).or_default().push(at);
            }
        }
    }

    fn refuse_deep(&mut self, document: &Document<'_>, findings: &mut Findings) {
        let depths = self.depths();
        let mut too_deep = Vec::new();
        for (container, nodes) in &self.bodies {
            let depth = depths[*container as usize] + 1;
            if depth > DEEPEST {
                too_deep.extend_from_slice(nodes);
            }
            if depth == DEEPEST + 1 {
                let node = &document.nodes[nodes[0] as usize];
                let container = quote(document.nodes[*container as usize].id);
                let message = format!(
                    "the body of {container} is the fifth scope in one another, {DEEPEST} are allowed"
                );
                findings.push(Issue::new(&TOO_DEEP, node.field("within"), message));
            }
        }
        for node in too_deep {
            self.of[node as usize] = Scope::Lost;
        }
    }

    /// How many scopes are around each node, the root not counted. The chains may be as long as the
    /// document, so they are not walked anew for each node.
    fn depths(&self) -> Vec<usize> {
        const UNKNOWN: usize = usize::MAX;
        let mut depths = vec![UNKNOWN; self.of.len()];
        let mut way = Vec::new();
        for start in 0..self.of.len() {
            let mut at = start;
            let mut depth = loop {
                if depths[at] != UNKNOWN {
                    break depths[at];
                }
                way.push(at);
                match self.of[at] {
                    Scope::Body(container) => at = container as usize,
                    Scope::Finally => break 0,
                    Scope::Root | Scope::Lost => {
                        way.pop();
                        depths[at] = 0;
                        break 0;
                    }
                }
            };
            while let Some(node) = way.pop() {
                depth += 1;
                depths[node] = depth;
            }
        }
        depths
    }

    fn refuse_empty(&self, document: &Document<'_>, types: &[Type<'_>], findings: &mut Findings) {
        for (at, node) in (0..).zip(&document.nodes) {
            if types[at as usize].role.container() && self.body(at).is_empty() {
                let message =
                    format!("the {} {} has no nodes within it", node.node_type, quote(node.id));
                let remedy = format!("Add a node with `within: {}`.", node.id);
                findings.push(Issue::new(&EMPTY_BODY, node.pointer(), message).remedy(remedy));
            }
        }
    }

    fn refuse_waiting(&self, document: &Document<'_>, types: &[Type<'_>], findings: &mut Findings) {
        for (at, node) in (0..).zip(&document.nodes) {
            let role = types[at as usize].role;
            let pauses = node.on_error == OnError::Pause && role != Role::Unknown;
            if (role != Role::Approval && !pauses) || !self.in_finally(self.of(at)) {
                continue;
            }
            let id = quote(node.id);
            if role == Role::Approval {
                let message = format!("{id} is an approval in `finally`, which must end by itself");
                findings.push(Issue::new(&WAIT_IN_FINALLY, node.field("type"), message));
            }
            if pauses {
                let message =
                    format!("{id} lies in `finally` and would wait for a person: `onError: pause`");
                findings.push(Issue::new(&WAIT_IN_FINALLY, node.field("onError"), message));
            }
        }
    }
}

fn nowhere(name: &str, document: &Document<'_>, ids: &Ids<'_>) -> String {
    let meant = did_you_mean(name, ids.nearest(document, name).into_iter().chain(["finally"]));
    format!("there is no node {} to lie within{meant}", quote(name))
}

fn no_body(container: Type<'_>, name: &str) -> Option<String> {
    match container.role {
        Role::Foreach | Role::Loop => None,
        Role::Unknown => {
            Some(format!("{} is of a type that is not known here and has no body", quote(name)))
        }
        _ => {
            let kind = container.info.map_or("", |info| info.name());
            Some(format!(
                "{} is of type `{kind}` and has no body; only foreach and loop have one",
                quote(name)
            ))
        }
    }
}
