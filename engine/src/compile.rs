//! Workflow to IR.

mod build;
mod digest;
mod layout;

use serde_json::Value;

pub use digest::spec_digest;

use crate::check::{self, Ceiling};
use crate::ir::Ir;
use crate::issue::Issue;
use crate::registry::Registry;

/// Judges a document by every rule and compiles it. The same graph gives the same IR, however its nodes
/// and edges are ordered.
///
/// # Errors
/// Everything that refuses it, with JSON pointers into the document, at most
/// [`MOST_ISSUES`](check::MOST_ISSUES); what only warns is in [`Ir::warnings`].
pub fn compile(document: &Value, registry: &Registry, ceiling: &Ceiling) -> Result<Ir, Vec<Issue>> {
    compile_after(document, registry, ceiling, None)
}

/// The same, given the graph that the document was made of by a patch: what is written the same in both is taken over
/// instead of parsed again. The IR is the one that [`compile`] makes, and so is a refusal.
///
/// # Errors
/// As [`compile`].
pub fn compile_after(
    document: &Value,
    registry: &Registry,
    ceiling: &Ceiling,
    before: Option<&Ir>,
) -> Result<Ir, Vec<Issue>> {
    let (mut findings, analysis) = check::analyse(document, registry, ceiling, before);
    match analysis {
        Some(analysis) if !findings.refused() => {
            let warnings = std::mem::take(&mut findings.warnings);
            build::build(document, analysis, registry, warnings).map_err(|issue| vec![issue])
        }
        _ => {
            if let Some(last) = findings.issues.last_mut().filter(|_| findings.left_out > 0) {
                last.details
                    .push(format!("and {} more findings that are not shown", findings.left_out));
            }
            Err(findings.issues)
        }
    }
}

#[cfg(test)]
mod tests;
