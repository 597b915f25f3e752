//! R11: a patch written against a graph that has moved on since.

use std::collections::BTreeMap;

use serde_json::Value;

use super::address::touched;
use super::{Difference, OnConflict, Operation, Overlay, Request, difference};
use crate::catalogue::PATCH_STALE;
use crate::issue::Issue;

/// Most lines that show what lies between two revisions.
const MOST_LINES: usize = 20;

/// What has happened between the revision that a request was written against and the current one.
#[derive(Debug, Clone, Copy)]
pub struct Since<'a> {
    /// The current revision.
    pub revision: u32,
    /// Patches accepted since, in order.
    pub overlays: &'a [Overlay],
    /// The document of the request's base.
    pub before: &'a Value,
    /// The current document.
    pub now: &'a Value,
}

/// Whether a request may be judged on the current graph, whichever it was written against. `operations` are its
/// canonical ones, which are then applied to the current document as they are: they name what they touch, and nobody
/// else has touched it. Their tests are made when they are applied.
///
/// # Errors
/// [`PATCH_STALE`] with the difference that lies between, if the request is strict; with what both touch, if it may be
/// rebased.
pub fn rebase(
    request: &Request,
    operations: &[Operation],
    since: Since<'_>,
) -> Result<(), Box<Issue>> {
    let Some(base) = request.base.filter(|&base| base != since.revision) else { return Ok(()) };
    let now = since.revision;
    if base > now {
        let message = format!("there is no revision {base}; the run is on revision {now}");
        return Err(Box::new(Issue::new(&PATCH_STALE, "/base", message)));
    }
    if request.on_conflict == OnConflict::Strict {
        let message = format!("it was written against revision {base}; the run is on {now}");
        let issue = Issue::new(&PATCH_STALE, "/base", message);
        return Err(Box::new(told(issue, &difference(since.before, since.now))));
    }
    let theirs: BTreeMap<String, &str> = since
        .overlays
        .iter()
        .flat_map(|overlay| {
            let ids = overlay.operations.iter().flat_map(touched);
            ids.map(move |id| (id, &*overlay.id))
        })
        .collect();
    let mut clashes = operations.iter().enumerate().filter_map(|(at, operation)| {
        touched(operation).into_iter().find_map(|id| Some((at, theirs.get(&id).copied()?, id)))
    });
    let Some((at, patch, id)) = clashes.next() else { return Ok(()) };
    let message = format!(
        "`{id}` was touched by {patch} since revision {base}, on which this was written; the run is on {now}"
    );
    let mut issue = Issue::new(&PATCH_STALE, format!("/operations/{at}"), message)
        .remedy("Read the graph as it is now, and write the patch against it.");
    for (at, patch, id) in clashes.take(MOST_LINES) {
        issue = issue.detail(format!("/operations/{at} and {patch} both touch `{id}`"));
    }
    Err(Box::new(issue))
}

/// With the lines of a difference.
fn told(mut issue: Issue, between: &Difference) -> Issue {
    let mut lines = Vec::new();
    lines.extend(between.nodes_removed.iter().map(|id| format!("- node {id}")));
    lines.extend(between.nodes_added.iter().map(|id| format!("+ node {id}")));
    let changed = between.nodes_changed.iter();
    lines.extend(changed.map(|(id, fields)| format!("~ node {id}: {}", fields.join(", "))));
    lines.extend(between.edges_removed.iter().map(|name| format!("- edge {name}")));
    lines.extend(between.edges_added.iter().map(|name| format!("+ edge {name}")));
    let changed = between.edges_changed.iter();
    lines.extend(changed.map(|(name, fields)| format!("~ edge {name}: {}", fields.join(", "))));
    let more = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    issue.details.extend(lines);
    issue
}
