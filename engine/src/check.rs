//! Judging a workflow: every finding at once.
//!
//! A document is judged in this order, each rule in a file of its own: what it says it is and its shape
//! (`shape`), ids, types and their configs, scopes, edges, gates and branches, every expression and the
//! names in it, and last, on a graph that is sound, whether what is read is certainly there (`reads`).
//! A rule sees only what earlier ones left standing, so that one mistake is not reported twice.

pub(crate) mod bits;
mod config;
mod cycle;
mod document;
mod expressions;
mod findings;
mod gates;
mod graph;
mod ids;
mod kept;
mod limits;
pub(crate) mod misfit;
mod names;
mod otherwise;
mod reads;
mod scopes;
mod settled;
mod shape;
mod suggest;
mod sure;
mod types;

use aob_schema::Workflow;
use serde::Deserialize;
use serde_json::Value;

pub(crate) use document::Document;
pub(crate) use expressions::Expressions;
pub(crate) use findings::Findings;
pub use findings::MOST as MOST_ISSUES;
pub(crate) use graph::Graph;
pub(crate) use limits::milliseconds;
pub use limits::{Bound, Ceiling};
pub(crate) use scopes::{Scope, Scopes};
pub(crate) use types::{Role, Type};

use crate::ir::{Ir, Limits, Retention};
use crate::issue::Issue;
use crate::registry::Registry;

/// What was found in a document.
#[derive(Debug)]
pub struct Checked {
    /// What refuses it, at most [`MOST_ISSUES`], in the order of the rules.
    pub issues: Vec<Issue>,
    /// What only warns, at most [`MOST_ISSUES`].
    pub warnings: Vec<Issue>,
    /// Findings beyond these.
    pub left_out: usize,
    /// The document as its generated type, if its shape allows.
    pub workflow: Option<Workflow>,
}

/// Judges a document by every rule. Takes any JSON that is not nested deeper than the reader allows.
pub fn check(document: &Value, registry: &Registry, ceiling: &Ceiling) -> Checked {
    let (findings, _) = analyse(document, registry, ceiling, None);
    let Findings { issues, warnings, left_out } = findings;
    let workflow = Workflow::deserialize(document).ok();
    Checked { issues, warnings, left_out, workflow }
}

/// A document with everything that the rules found out about it.
#[derive(Debug)]
pub(crate) struct Analysis<'a> {
    pub(crate) document: Document<'a>,
    pub(crate) types: Vec<Type<'a>>,
    pub(crate) scopes: Scopes,
    pub(crate) graph: Graph,
    pub(crate) expressions: Expressions,
    pub(crate) limits: Limits,
    pub(crate) retention: Retention,
}

/// The same as [`check`], keeping what was found out; nothing for what is no workflow at all. What is written as in the
/// graph `before` is not parsed again.
pub(crate) fn analyse<'a>(
    source: &'a Value,
    registry: &'a Registry,
    ceiling: &Ceiling,
    before: Option<&'a Ir>,
) -> (Findings, Option<Analysis<'a>>) {
    let mut findings = Findings::default();
    if !shape::envelope(source, &mut findings) || limits::too_large(source, &mut findings) {
        return (findings, None);
    }
    shape::judge(source, &mut findings);
    let document = Document::read(source);
    let ids = ids::Ids::judge(&document, &mut findings);
    let types = types::judge(&document, registry, &mut findings);
    let limits = limits::effective(&document, ceiling, &mut findings);
    limits::judge(&document, &types, &limits, &mut findings);
    config::judge(&document, &types, &mut findings);
    let scopes = Scopes::judge(&document, &ids, &types, &mut findings);
    let graph = Graph::judge(&document, &ids, &scopes, &mut findings);
    let order = cycle::judge(&document, &graph, &scopes, &mut findings);
    gates::judge(&document, &graph, &types, &mut findings);
    otherwise::judge(&document, &mut findings);
    let sound = ids.whole && scopes.whole() && graph.whole;
    let ground = order.as_deref().filter(|_| sound).map(|order| reads::Ground {
        document: &document,
        types: &types,
        scopes: &scopes,
        graph: &graph,
        order,
    });
    let plain =
        |read: &names::NodeRead| ground.is_some_and(|ground| reads::plainly_right(&ground, read));
    let mut names = names::Names::new(&document, &ids, &scopes, &types, &plain);
    let mut kept = kept::Kept::of(before);
    let expressions =
        expressions::judge(&document, &types, &scopes, &mut kept, &mut names, &mut findings);
    if let Some(ground) = ground {
        reads::judge(&ground, &names.reads, &mut findings);
    }
    let retention = limits::retention(&document, ceiling);
    (findings, Some(Analysis { document, types, scopes, graph, expressions, limits, retention }))
}

#[cfg(test)]
mod tests;
