//! Node types beside the built-in ones, as whoever runs or keeps workflows meets them.

use aob_engine::canonical::canonical_json;
use aob_engine::catalogue;
use aob_engine::registry::{KeptType, Registry};

use crate::files::{Judged, Registered};
use crate::operations::{Operations, Request, TypeRow};
use crate::problem::{Finding, Result};

/// Registers these types, those that are there already again.
pub(super) async fn register(operations: &dyn Operations, types: &[Registered]) -> Result<()> {
    for node_type in types {
        let Registered { name, value } = node_type;
        let request =
            Request::PutType { name: name.clone(), version: None, document: value.clone() };
        let _row: TypeRow = operations.ask(request).await?;
    }
    Ok(())
}

/// What registering a type would do: `created`, `changed`, `unchanged`.
pub(super) async fn changes(
    operations: &dyn Operations,
    node_type: &Registered,
) -> Result<&'static str> {
    let rows: Vec<TypeRow> = operations.ask(Request::Types {}).await?;
    let there = rows.iter().find(|row| row.name == node_type.name);
    Ok(match there {
        None => "created",
        Some(row) if canonical_json(&row.document) == canonical_json(&node_type.value) => {
            "unchanged"
        }
        Some(_) => "changed",
    })
}

/// The warnings that hold where these workflows go: a type that no file knows may be registered there.
pub(super) async fn warnings(operations: &dyn Operations, judged: &Judged) -> Result<Vec<Finding>> {
    let unknown = |finding: &Finding| finding.issue.entry == &catalogue::UNKNOWN_TYPE;
    if !judged.warnings.iter().any(unknown) {
        return Ok(judged.warnings.clone());
    }
    let mut registry = Registry::builtin();
    let rows: Vec<TypeRow> = operations.ask(Request::Types {}).await?;
    for kept in rows.iter().filter_map(|row| KeptType::read(&row.document).ok()) {
        // A name that this program knows itself means what it knows.
        let _ = registry.add(&kept);
    }
    Ok(judged.workflows.iter().flat_map(|workflow| workflow.warnings(&registry)).collect())
}
