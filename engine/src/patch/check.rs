//! A request judged against documents, before the marking of the run is seen.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::difference::difference_by;
use super::rebase::{Since, rebase};
use super::touched::Touched;
use super::{
    Difference, Op, Operation, Overlay, PatchError, Request, canonical, digest, materialize, place,
    quote,
};
use crate::catalogue::{PATCH_EMPTY, PATCH_REUSED};
use crate::check::Ceiling;
use crate::compile::compile_after;
use crate::event::Layer;
use crate::ir::Ir;
use crate::issue::Issue;
use crate::mutant::{self, Mutant};
use crate::registry::Registry;
use crate::route::Candidate;

/// What a run's graph is made of.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The document below all overlays.
    pub base: &'a Value,
    /// The revision that it is: 0, or 1 if the run began on a set of patches.
    pub first: u32,
    /// Accepted patches in order: each made one revision.
    pub overlays: &'a [Overlay],
    /// The document with all of them.
    pub current: &'a Value,
    /// Its graph, if it is at hand: then only what the patch touches is compiled anew.
    pub ir: Option<&'a Ir>,
}

/// A request that is sound in itself; whether the run takes it is up to its marking.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Canonical operations, one for each of the request, to be applied to the current document.
    pub operations: Vec<Operation>,
    /// The document that they lead to.
    pub document: Value,
    /// Its graph.
    pub ir: Arc<Ir>,
    /// What changes in effect.
    pub difference: Difference,
    /// Claimed instances to cancel.
    pub cancel: Vec<String>,
    /// Why, in words.
    pub reason: Option<String>,
    /// The patch that it takes out, if it is an undo.
    pub undoes: Option<String>,
}

/// Judges a request that has been read: names what its paths mean, rebases it, applies it, compiles the result.
/// `undoes` says that it is the undo of a patch, which may bring removed ids back.
///
/// # Errors
/// Every finding. Where an operation of the request put there what is wrong, the pointer leads into it
/// (`/operations/1/value/config`), else to the node or edge by name (`/nodes/save/config`).
pub fn check_patch(
    request: &Request,
    undoes: Option<&str>,
    ground: Ground<'_>,
    registry: &Registry,
    ceiling: &Ceiling,
) -> Result<Checked, Vec<Issue>> {
    let one = |error: PatchError| vec![Issue::from(error)];
    let revision = ground.first.saturating_add(ground.overlays.len() as u32);
    let base = request.base.unwrap_or(revision).clamp(ground.first, revision);
    let (known, since) = ground.overlays.split_at((base - ground.first) as usize);
    let before = match since {
        [] => None,
        _ => {
            let lists: Vec<&[Operation]> =
                known.iter().map(|overlay| &*overlay.operations).collect();
            Some(materialize(ground.base, &lists).map_err(one)?)
        }
    };
    let before = before.as_ref().unwrap_or(ground.current);
    let operations = canonical(&request.operations, Some(before)).map_err(one)?;
    rebase(request, &operations, Since { revision, overlays: since, before, now: ground.current })
        .map_err(|issue| vec![*issue])?;
    let document = materialize(ground.current, &[&operations]).map_err(one)?;
    let mut issues = Vec::new();
    if undoes.is_none() && !mutant::is(Mutant::IdUsedAgain) {
        used_again(&operations, ground, &mut issues);
    }
    let difference = difference_by(ground.current, &document, &operations);
    debug_assert_eq!(difference, super::difference(ground.current, &document));
    if difference.is_empty() && request.cancel.is_empty() {
        issues.push(nothing_changes(&difference));
    }
    let ir = compile_after(&document, registry, ceiling, ground.ir).map_err(|found| {
        let found = found
            .into_iter()
            .map(|issue| Issue { pointer: place::by_name(&document, &issue.pointer), ..issue });
        place::all(&operations, issues.iter().cloned().chain(found).collect())
    })?;
    if !issues.is_empty() {
        return Err(place::all(&operations, issues));
    }
    Ok(Checked {
        operations,
        document,
        ir: Arc::new(ir),
        difference,
        cancel: request.cancel.clone(),
        reason: request.reason.clone(),
        undoes: undoes.map(str::to_owned),
    })
}

impl Checked {
    /// To be judged against the marking, with an id of its own and in somebody's name.
    pub fn candidate(&self, id: &str, by: &str, approves: &[String], said: &[Layer]) -> Candidate {
        Candidate {
            id: id.to_owned(),
            operations: digest(&self.operations),
            ir: Arc::clone(&self.ir),
            cancel: self.cancel.clone(),
            approves: approves.to_vec(),
            by: by.to_owned(),
            reason: self.reason.clone(),
            undoes: self.undoes.clone(),
            verdicts: said.to_vec(),
        }
    }

    /// Findings about the graph with pointers into the request, where one of its operations is the cause.
    pub fn placed(&self, issues: Vec<Issue>) -> Vec<Issue> {
        place::all(&self.operations, issues)
    }
}

fn nothing_changes(difference: &Difference) -> Issue {
    let cosmetic: BTreeSet<&str> = (difference.cosmetic_nodes.values())
        .chain(difference.cosmetic_edges.values())
        .flatten()
        .map(String::as_str)
        .collect();
    let issue = Issue::new(&PATCH_EMPTY, "/operations", "the patch changes nothing in effect");
    match cosmetic.is_empty() {
        true => issue,
        false => issue.detail(format!(
            "it changes only {}, which no run reads",
            cosmetic.into_iter().collect::<Vec<_>>().join(", ")
        )),
    }
}

/// An id that the run had once means that node for ever.
fn used_again(operations: &[Operation], ground: Ground<'_>, issues: &mut Vec<Issue>) {
    let added = |operation: &Operation| {
        let id = operation.path.strip_prefix("/nodes/").filter(|id| !id.contains('/'))?;
        (operation.op == Op::Add).then(|| id.to_owned())
    };
    if !operations.iter().any(|operation| added(operation).is_some()) {
        return;
    }
    let mut ever: BTreeSet<String> =
        Touched::by(operations).within(ground.base).nodes.into_keys().collect();
    ever.extend(ground.overlays.iter().flat_map(|overlay| &overlay.operations).filter_map(added));
    for operation in operations {
        if let Some(id) = added(operation).filter(|id| ever.contains(id)) {
            let message = format!("{} was a node of this run before", quote(&id));
            issues.push(Issue::new(&PATCH_REUSED, operation.path.clone(), message));
        }
    }
}
