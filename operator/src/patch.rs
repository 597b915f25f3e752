//! RunPatches: asked once, oldest first, answered in the status with rule and place; deleted, they are undone.

mod apply;
mod build;
mod cleanup;
mod dereference;
mod status;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use aob_crds::{PatchPhase, RunPatch, label};
use futures::FutureExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;

use crate::context::Context;
use crate::drive::{Kind, SLOW};
use crate::error::Result;
use crate::finalizer;
use crate::waiting::{For, Who};
use crate::write;
use build::Step;

/// How often a patch looks for its run by itself.
const UNFOUND: Duration = Duration::from_secs(30);

/// This kind's controller.
pub fn kind() -> Kind<RunPatch> {
    Kind { reconcile: |object, context| reconcile(object, context).boxed(), trim }
}

/// Whether it was answered.
fn is_settled(object: &RunPatch) -> bool {
    object.status.as_ref().is_some_and(|status| status.phase != PatchPhase::Pending)
}

/// Whether it has its answer for ever.
fn is_refused(object: &RunPatch) -> bool {
    object.status.as_ref().is_some_and(|status| status.phase == PatchPhase::Refused)
}

/// The operations of a patch that was refused are not needed any more.
fn trim(object: &mut RunPatch) {
    if is_refused(object) {
        object.spec.operations = Vec::new();
    }
}

async fn reconcile(object: Arc<RunPatch>, context: Arc<Context>) -> Result<Action> {
    let asked = validate::validate(&object)?;
    let api = context.api::<RunPatch>(&asked.named.namespace);
    if object.metadata.deletion_timestamp.is_some() {
        return cleanup::cleanup(&context, &api, &object, &asked).await;
    }
    if is_refused(&object) {
        finalizer::release(&api, &*object, label::PATCH_CLEANUP).await?;
        return Ok(Action::await_change());
    }
    if let Some(name) = &asked.run_name {
        // Before it is looked for: a run that begins in between tells of itself.
        let namespace = asked.named.namespace.to_string();
        let who = Who::Patch(namespace.clone(), asked.named.name.clone());
        context.waiting.add(For::Run(namespace, name.clone()), who);
    }
    let facts = dereference::dereference(&context, &asked).await?;
    if is_settled(&object) && facts.record.is_none() {
        // Its run is not kept any more, or another of that name was made since: the answer was about that one. There is
        // nothing left to be undone.
        finalizer::release(&api, &*object, label::PATCH_CLEANUP).await?;
        return Ok(Action::await_change());
    }
    let step = build::build(&asked, &facts);
    let mut object = Arc::unwrap_or_clone(object);
    if matches!(step, Step::Ask { .. })
        && finalizer::hold(&api, &mut object, label::PATCH_CLEANUP).await?
    {
        return Ok(Action::await_change());
    }
    let done = apply::apply(&context, &asked, facts, step).await?;
    let before = object.status.as_ref();
    let after = status::status(&asked, &done, before, Timestamp::now());
    let manager = label::manager::PATCH;
    if write::status(&context.lease, &api, manager, &object, before, &after).await? {
        context.notes.write(&object, status::notes(before, &after)).await;
        // Those that were made later wait for this one.
        if let Some(name) = asked.run_name.filter(|_| after.phase != PatchPhase::Pending) {
            context.wake(&For::Run(asked.named.namespace.to_string(), name)).await;
        }
    }
    Ok(match after.phase {
        PatchPhase::Pending => Action::requeue(done.again.unwrap_or(UNFOUND)),
        _ => Action::requeue(SLOW),
    })
}
