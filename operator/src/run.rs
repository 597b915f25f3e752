//! Runs: taken on once, followed, suspended, cancelled, cleaned up.
//!
//! The id of a run follows from its object, so that asking twice is asking once. An object whose run is complete is
//! never acted on again, however long ago that run was dropped from the store.

mod apply;
mod build;
mod cleanup;
mod dereference;
#[cfg(test)]
mod sample;
mod status;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use aob_crds::condition::{self, kind as condition_kind};
use aob_crds::{Run, RunStatus, label};
use futures::FutureExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::runtime::controller::Action;

use crate::context::Context;
use crate::drive::{Kind, SLOW};
use crate::error::Result;
use crate::finalizer;
use crate::waiting::For;
use crate::write;
use build::Step;
use dereference::Facts;
use validate::Asked;

/// This kind's controller.
pub fn kind() -> Kind<Run> {
    Kind { reconcile: |object, context| reconcile(object, context).boxed(), trim }
}

/// Whether an object's run is over: nothing is done for it any more.
pub(crate) fn is_latched(object: &Run) -> bool {
    let conditions = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    condition::is_true(conditions, condition_kind::COMPLETE)
}

/// The input of a run that is over is not needed any more.
fn trim(object: &mut Run) {
    if is_latched(object) {
        object.spec.input = None;
    }
}

async fn reconcile(object: Arc<Run>, context: Arc<Context>) -> Result<Action> {
    let asked = validate::validate(&object, |derived| context.runs.id_of(derived))?;
    let api = context.api::<Run>(&asked.named.namespace);
    if object.metadata.deletion_timestamp.is_some() {
        return cleanup::cleanup(&context, &api, &object, &asked).await;
    }
    if is_latched(&object) {
        return finished(&context, &api, &object, &asked).await;
    }
    let facts = dereference::dereference(&context, &asked, object.status.as_ref()).await?;
    let step = build::build(&asked, &facts);
    // What lives in the store is cancelled when its object is deleted; what never began has nothing to clean up.
    let touches = matches!(step, Step::Start { .. } | Step::Act(_)) || facts.state.is_some();
    let mut object = Arc::unwrap_or_clone(object);
    if touches && finalizer::hold(&api, &mut object, label::RUN_CLEANUP).await? {
        return Ok(Action::await_change());
    }
    let before = object.status.as_ref();
    let facts = apply::apply(&context, &asked, facts, step, before).await?;
    let after = status::status(&asked, &facts, before, Timestamp::now());
    publish(&context, &api, &object, &after).await?;
    // Patches wait for its begin, and are told by others that take them out.
    if before.and_then(|before| before.revision) != after.revision {
        let (namespace, name) = (asked.named.namespace.to_string(), asked.named.name.clone());
        context.wake(&For::Run(namespace, name)).await;
    }
    Ok(next(&context, &asked, &facts, &after))
}

/// Writes a status, and what happened.
async fn publish(context: &Context, api: &Api<Run>, object: &Run, after: &RunStatus) -> Result<()> {
    let before = object.status.as_ref();
    let manager = label::manager::RUN;
    if write::status(&context.lease, api, manager, object, before, after).await? {
        context.notes.write(object, status::notes(before, after)).await;
    }
    Ok(())
}

/// When it is looked at again.
fn next(context: &Arc<Context>, asked: &Asked, facts: &Facts, after: &RunStatus) -> Action {
    if let Some(state) = facts.state.as_ref().filter(|state| !state.is_ended()) {
        context.followers.follow(context, &asked.named, &asked.run, state.head.seq);
    }
    if condition::is_true(&after.conditions, condition_kind::COMPLETE) {
        context.followers.leave(&asked.run);
        // The watch brings its own status, and with it what follows.
        return Action::requeue(SLOW);
    }
    Action::requeue(facts.again.unwrap_or(SLOW))
}

/// What follows the end: the finalizer goes, the object after a while.
async fn finished(
    context: &Arc<Context>,
    api: &Api<Run>,
    object: &Run,
    asked: &Asked,
) -> Result<Action> {
    context.followers.leave(&asked.run);
    context.wake(&For::Run(asked.named.namespace.to_string(), asked.named.name.clone())).await;
    if finalizer::release(api, object, label::RUN_CLEANUP).await? {
        return Ok(Action::await_change());
    }
    cleanup::end_what_came_back(context, asked, object.status.as_ref()).await?;
    if let Some(after) = status::observed(asked, object.status.as_ref()) {
        publish(context, api, object, &after).await?;
    }
    let Some(left) = status::left(asked, object.status.as_ref(), Timestamp::now()) else {
        return Ok(Action::await_change());
    };
    if left > Duration::ZERO {
        return Ok(Action::requeue(left.max(Duration::from_secs(1))));
    }
    cleanup::delete(context, api, object).await?;
    Ok(Action::await_change())
}
