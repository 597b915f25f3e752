//! What the object asks for. Touches nothing.

use std::sync::Arc;
use std::time::Duration;

use aob_crds::{Cancel, Run, WorkflowRef};
use aob_engine::time;
use aob_runner::runs::Derived;
use serde_json::{Map, Value};

use crate::error::Result;
use crate::identity::{self, Named};

/// What a Run asks for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) named: Named,
    /// Its id in the store.
    pub(super) run: Arc<str>,
    pub(super) derived: Derived,
    pub(super) workflow: WorkflowRef,
    pub(super) input: Map<String, Value>,
    pub(super) patch_set: Option<String>,
    /// How long the object stays after the end.
    pub(super) stays: Option<Duration>,
    pub(super) suspend: bool,
    pub(super) cancel: Cancel,
    /// Whether the spec has been changed since it was acted on.
    pub(super) is_new: bool,
    /// Who asks for the run.
    pub(super) by: String,
    /// Who changed the spec last.
    pub(super) changed_by: String,
}

/// Reads it; `id` says which run follows from an object.
pub(super) fn validate(object: &Run, id: impl Fn(Derived) -> Arc<str>) -> Result<Asked> {
    let named = Named::of(&object.metadata)?;
    let spec = &object.spec;
    let annotations = object.metadata.annotations.as_ref();
    let observed = object.status.as_ref().and_then(|status| status.observed_generation);
    let stays = spec.ttl_after_finished.as_deref().and_then(time::duration);
    Ok(Asked {
        run: id(named.derived()),
        derived: named.derived(),
        workflow: spec.workflow_ref.clone(),
        input: spec.input.clone().unwrap_or_default(),
        patch_set: spec.patch_set.clone(),
        stays: stays.map(Duration::from_millis),
        suspend: spec.suspend,
        cancel: spec.cancel,
        is_new: observed != Some(named.generation),
        by: identity::creator(annotations),
        changed_by: identity::changer(annotations),
        named,
    })
}
