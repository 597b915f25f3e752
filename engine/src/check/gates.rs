//! GATE_INTO_ANY: nothing gets past an approval.

use super::document::Document;
use super::findings::Findings;
use super::graph::{Graph, identity};
use super::suggest::quote;
use super::types::{Role, Type};
use crate::catalogue::GATE_INTO_ANY;
use crate::issue::Issue;

/// Judges every edge out of an approval, whatever its `after`.
pub(crate) fn judge(
    document: &Document<'_>,
    graph: &Graph,
    types: &[Type<'_>],
    findings: &mut Findings,
) {
    for link in &graph.links {
        let target = &document.nodes[link.to as usize];
        if types[link.from as usize].role != Role::Approval || !target.any {
            continue;
        }
        let edge = &document.edges[link.edge as usize];
        let gate = quote(edge.from);
        let other = graph.ins(link.to).find(|other| other.from != link.from);
        let mut issue = Issue::new(
            &GATE_INTO_ANY,
            edge.pointer(),
            format!(
                "the edge {} leads from the approval {gate} into {}, which has `join: any`",
                identity(edge),
                quote(edge.to)
            ),
        );
        if let Some(other) = other {
            let other = identity(&document.edges[other.edge as usize]);
            issue = issue.detail(format!(
                "{} could start by {other} before {gate} is answered",
                quote(edge.to)
            ));
        }
        findings.push(issue.detail(format!("join at {}", target.field("join"))));
    }
}
