//! OTHERWISE_TWICE, OTHERWISE_ALONE: the branch for when no sibling's condition held.

use rustc_hash::FxHashMap;

use super::document::Document;
use super::findings::Findings;
use super::graph::identity;
use crate::catalogue::{OTHERWISE_ALONE, OTHERWISE_TWICE};
use crate::issue::Issue;

/// Judges every group of edges with one source and one `after`. The edges are taken as written, so that
/// one which names a wrong target still counts as a sibling.
pub(crate) fn judge(document: &Document<'_>, findings: &mut Findings) {
    if !document.edges.iter().any(|edge| edge.otherwise) {
        return;
    }
    // Whether a sibling has a `when`, and where the first `otherwise` is.
    let mut groups: FxHashMap<_, (bool, Option<usize>)> = FxHashMap::default();
    for edge in &document.edges {
        let group = groups.entry((edge.from, edge.after as u8)).or_default();
        group.0 |= edge.when.is_some() && !edge.otherwise;
        if edge.otherwise && group.1.is_none() {
            group.1 = Some(edge.at);
        }
    }
    for edge in document.edges.iter().filter(|edge| edge.otherwise) {
        let (has_when, first) =
            groups.get(&(edge.from, edge.after as u8)).copied().unwrap_or_default();
        let name = identity(edge);
        if edge.when.is_some() {
            let message = format!("the edge {name} has both `when` and `otherwise`");
            findings.push(
                Issue::new(&OTHERWISE_ALONE, edge.pointer(), message)
                    .remedy("Keep one of the two."),
            );
        } else if !has_when {
            let message = format!(
                "the edge {name} is `otherwise`, but no edge with the same source and `after` has a `when`"
            );
            findings.push(Issue::new(&OTHERWISE_ALONE, edge.pointer(), message));
        }
        if let Some(first) = first.filter(|first| *first != edge.at) {
            let message =
                format!("the edge {name} is a second `otherwise` of the same source and `after`");
            let issue = Issue::new(&OTHERWISE_TWICE, edge.pointer(), message);
            findings.push(issue.detail(format!("first at /spec/edges/{first}")));
        }
    }
}
