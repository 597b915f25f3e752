//! UNKNOWN_TYPE, GATE_TYPO, RETRY_ON_CONTAINER: what each node is.

use rustc_hash::FxHashMap;

use super::document::{Document, Node};
use super::findings::Findings;
use super::suggest::{did_you_mean, distance_within, quote};
use crate::catalogue::{GATE_TYPO, RETRY_ON_CONTAINER, UNKNOWN_TYPE};
use crate::issue::Issue;
use crate::registry::{Registry, TypeInfo};

/// A node's type as far as rules depend on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type<'r> {
    pub(crate) role: Role,
    /// Absent for what is unknown.
    pub(crate) info: Option<&'r TypeInfo>,
}

/// What the engine does with a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A worker runs it.
    Task,
    Agent,
    Transform,
    Delay,
    Approval,
    Foreach,
    Loop,
    /// A child run.
    Child,
    /// Passed over.
    Unknown,
}

impl Role {
    /// Whether it has a body.
    pub(crate) fn container(self) -> bool {
        matches!(self, Self::Foreach | Self::Loop)
    }
}

/// The type of every node, in the document's order.
pub(crate) fn judge<'r>(
    document: &Document<'_>,
    registry: &'r Registry,
    findings: &mut Findings,
) -> Vec<Type<'r>> {
    let mut known: FxHashMap<&str, (Type<'r>, bool)> = FxHashMap::default();
    let mut types = Vec::with_capacity(document.nodes.len());
    for node in &document.nodes {
        let judge = || (look_up(node.node_type, registry), is_gate_typo(node.node_type));
        let (found, typo) = *known.entry(node.node_type).or_insert_with(judge);
        if typo {
            gate_typo(node, findings);
        } else if found.role == Role::Unknown && !node.node_type.is_empty() {
            unknown(node, document.refuse_unknown, registry, findings);
        }
        if node.retry.is_some() {
            no_retry(node, found.role, findings);
        }
        types.push(found);
    }
    types
}

fn look_up<'r>(name: &str, registry: &'r Registry) -> Type<'r> {
    let info = registry.get(name);
    let role = match (info, name) {
        (None, _) => Role::Unknown,
        (Some(info), _) if info.is_agent() => Role::Agent,
        (_, "transform") => Role::Transform,
        (_, "delay") => Role::Delay,
        (_, "approval") => Role::Approval,
        (_, "foreach") => Role::Foreach,
        (_, "loop") => Role::Loop,
        (_, "workflow") => Role::Child,
        _ => Role::Task,
    };
    Type { role, info }
}

fn is_gate_typo(name: &str) -> bool {
    name != "approval" && distance_within(name, "approval", 2).is_some()
}

fn gate_typo(node: &Node<'_>, findings: &mut Findings) {
    let message = format!(
        "node {} has the type {}, which looks like `approval`",
        quote(node.id),
        quote(node.node_type)
    );
    findings.push(Issue::new(&GATE_TYPO, node.field("type"), message));
}

fn unknown(node: &Node<'_>, refuse: bool, registry: &Registry, findings: &mut Findings) {
    if !refuse && findings.warnings.len() >= super::findings::MOST || refuse && findings.full() {
        findings.left_out += 1;
        return;
    }
    let meant = did_you_mean(node.node_type, registry.names());
    let name = format!(
        "node {} has the type {}, which is not known here",
        quote(node.id),
        quote(node.node_type)
    );
    findings.push(if refuse {
        Issue::new(&UNKNOWN_TYPE, node.field("type"), format!("{name}{meant}"))
    } else {
        Issue::warn(
            &UNKNOWN_TYPE,
            node.field("type"),
            format!("{name}, so it will be passed over{meant}"),
        )
    });
}

fn no_retry(node: &Node<'_>, role: Role, findings: &mut Findings) {
    let (what, remedy) = match role {
        Role::Foreach | Role::Loop => {
            ("its body is what runs", "Put `retry` on the nodes within it.")
        }
        Role::Child => {
            ("a child run is no attempt", "Put `retry` on the nodes of the child workflow.")
        }
        Role::Approval => {
            ("a person's answer is no attempt", "Remove `retry`; `deadline` bounds the wait.")
        }
        _ => return,
    };
    let message =
        format!("{} is of type `{}` and cannot be retried: {what}", quote(node.id), node.node_type);
    findings.push(Issue::new(&RETRY_ON_CONTAINER, node.field("retry"), message).remedy(remedy));
}
