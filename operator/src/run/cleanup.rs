//! What the deletion of a Run does: a run that still goes is cancelled, gracefully.

use std::sync::Arc;
use std::time::Duration;

use aob_crds::condition::{self, kind};
use aob_crds::{Run, RunStatus, event, label};
use aob_engine::state::CancelMode;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Preconditions};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt as _};

use super::dereference::continues;
use super::validate::Asked;
use crate::context::Context;
use crate::error::{Result, is_gone};
use crate::finalizer;
use crate::note::Note;

/// How often it is tried within the time that a deletion waits.
const AGAIN: Duration = Duration::from_secs(3);
/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Cancels what still goes, then lets go; after half a minute in any case.
pub(super) async fn cleanup(
    context: &Arc<Context>,
    api: &Api<Run>,
    object: &Run,
    asked: &Asked,
) -> Result<Action> {
    if !object.finalizers().iter().any(|one| one == label::RUN_CLEANUP) {
        context.followers.leave(&asked.run);
        return Ok(Action::await_change());
    }
    context.lease.check()?;
    let done = tokio::time::timeout(PATIENCE, cancel(context, asked)).await;
    let failed = match done {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("the store does not answer".to_owned()),
    };
    if let Some(why) = failed {
        if !finalizer::is_late(&object.metadata, Timestamp::now()) {
            tracing::warn!(
                namespace = &*asked.named.namespace,
                name = asked.named.name,
                why,
                "a deleted run could not be cancelled yet"
            );
            return Ok(Action::requeue(AGAIN));
        }
        let text = format!("{} could not be cancelled, and goes on: {why}", asked.run);
        context.notes.write(object, vec![Note::warning(event::LET_GO, text)]).await;
    }
    context.followers.leave(&asked.run);
    finalizer::release(api, object, label::RUN_CLEANUP).await?;
    Ok(Action::await_change())
}

async fn cancel(context: &Context, asked: &Asked) -> Result<()> {
    let Some(state) = context.runs.store().load(&asked.run).await? else { return Ok(()) };
    if state.is_ended() || state.head.cancel.is_some() {
        return Ok(());
    }
    let reason = Some(format!("Run {} was deleted", asked.named.name));
    let by = &asked.changed_by;
    context.runs.cancel(&asked.run, CancelMode::Graceful, by, reason).await?;
    Ok(())
}

/// Cancels a run whose end is known and which goes on all the same: it came back with an older copy of the store, and what
/// it did since then would be done twice.
pub(super) async fn end_what_came_back(
    context: &Context,
    asked: &Asked,
    before: Option<&RunStatus>,
) -> Result<()> {
    let is_known = before.is_some_and(|before| {
        let succeeded = condition::find(&before.conditions, kind::SUCCEEDED);
        before.id.is_some() && succeeded.is_some_and(|one| one.status != "Unknown")
    });
    if !is_known || continues(context, &asked.run, before).await? {
        return Ok(());
    }
    let Some(state) = context.runs.store().load(&asked.run).await? else { return Ok(()) };
    if state.is_ended() || state.head.cancel.is_some() {
        return Ok(());
    }
    context.lease.check()?;
    let reason = format!("Run {} ended before the store was restored", asked.named.name);
    context.runs.cancel(&asked.run, CancelMode::Now, &asked.changed_by, Some(reason)).await?;
    Ok(())
}

/// Deletes an object whose time is over, and not another of the same name.
pub(super) async fn delete(context: &Context, api: &Api<Run>, object: &Run) -> Result<()> {
    context.lease.check()?;
    let preconditions = Some(Preconditions { uid: object.uid(), resource_version: None });
    let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
    match api.delete(&object.name_any(), &parameters).await {
        Ok(_) => Ok(()),
        Err(error) if is_gone(&error) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
