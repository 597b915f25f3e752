//! What the object asks for, as the language knows it. Touches nothing.

use aob_crds::{OnConflict, RunPatch};
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::identity::{self, Named};

/// What a RunPatch asks for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) named: Named,
    /// The Run, by name.
    pub(super) run_name: Option<String>,
    /// The run, by id.
    pub(super) run_id: Option<String>,
    /// A document of `patch.schema.json`.
    pub(super) request: Value,
    pub(super) by: String,
    pub(super) groups: Vec<String>,
}

pub(super) fn validate(object: &RunPatch) -> Result<Asked> {
    let spec = &object.spec;
    let mut request = Map::new();
    request.insert("operations".to_owned(), json!(spec.operations));
    if let Some(base) = spec.base_revision {
        request.insert("base".to_owned(), json!(base));
    }
    if let Some(conflict) = spec.on_conflict {
        let word = match conflict {
            OnConflict::Strict => "Strict",
            OnConflict::Rebase => "Rebase",
        };
        request.insert("onConflict".to_owned(), json!(word));
    }
    if let Some(reason) = &spec.reason {
        request.insert("reason".to_owned(), json!(reason));
    }
    if !spec.cancel.is_empty() {
        request.insert("cancel".to_owned(), json!(spec.cancel));
    }
    let annotations = object.metadata.annotations.as_ref();
    Ok(Asked {
        named: Named::of(&object.metadata)?,
        run_name: spec.run_ref.name.clone(),
        run_id: spec.run_ref.id.clone(),
        request: Value::Object(request),
        by: identity::creator(annotations),
        groups: identity::groups(annotations),
    })
}
