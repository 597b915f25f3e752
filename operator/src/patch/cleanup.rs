//! What the deletion of a RunPatch does: an applied one is undone while its run goes on.

use std::sync::Arc;
use std::time::Duration;

use aob_crds::{RunPatch, event, label};
use aob_engine::patch::Answer;
use aob_runner::runs::{PatchAsk, What};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt as _};

use super::apply::Done;
use super::dereference::{dereference, patch_id};
use super::status::status;
use super::validate::Asked;
use crate::context::Context;
use crate::error::Result;
use crate::finalizer;
use crate::note::Note;
use crate::write;

/// How often it is tried within the time that a deletion waits.
const AGAIN: Duration = Duration::from_secs(3);
/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a deletion comes to.
enum Undone {
    /// There is nothing to be undone.
    Nothing,
    /// It is out of its run again.
    Made(Note),
    /// Rules keep it in force; the answer says why.
    Refused(Box<Done>, String),
}

/// Undoes it, then lets go; after half a minute in any case.
pub(super) async fn cleanup(
    context: &Arc<Context>,
    api: &Api<RunPatch>,
    object: &RunPatch,
    asked: &Asked,
) -> Result<Action> {
    if !object.finalizers().iter().any(|one| one == label::PATCH_CLEANUP) {
        return Ok(Action::await_change());
    }
    context.lease.check()?;
    let note = match tokio::time::timeout(PATIENCE, undo(context, asked)).await {
        Ok(Ok(Undone::Nothing)) => None,
        Ok(Ok(Undone::Made(note))) => Some(note),
        Ok(Ok(Undone::Refused(done, why))) => {
            let (before, now) = (object.status.as_ref(), Timestamp::now());
            let after = status(asked, &done, before, now);
            let manager = label::manager::PATCH;
            if write::status(&context.lease, api, manager, object, before, &after).await? {
                // Whoever watches has seen why before it goes; the change itself leads back here.
                return Ok(Action::await_change());
            }
            Some(Note::warning(event::UNDO_REFUSED, why))
        }
        failed => {
            let why = match failed {
                Ok(Err(error)) => error.to_string(),
                _ => "the store does not answer".to_owned(),
            };
            if !finalizer::is_late(&object.metadata, Timestamp::now()) {
                tracing::warn!(
                    namespace = &*asked.named.namespace,
                    name = asked.named.name,
                    why,
                    "a deleted patch could not be undone yet"
                );
                return Ok(Action::requeue(AGAIN));
            }
            Some(Note::warning(event::LET_GO, format!("it was not undone: {why}")))
        }
    };
    context.notes.write(object, note.into_iter().collect()).await;
    finalizer::release(api, object, label::PATCH_CLEANUP).await?;
    Ok(Action::await_change())
}

/// Takes it out of its run again. Asked twice, it is the same patch and the same answer.
async fn undo(context: &Context, asked: &Asked) -> Result<Undone> {
    let facts = dereference(context, asked).await?;
    let (Some(run), Some(state), Some(record)) = (&facts.run, &facts.state, &facts.record) else {
        return Ok(Undone::Nothing);
    };
    let is_in_force = matches!(record.answer, Answer::Accepted(_)) && facts.undone_by.is_none();
    if state.is_ended() || !is_in_force {
        return Ok(Undone::Nothing);
    }
    let reason = Some(format!("RunPatch {} was deleted", asked.named.name));
    let ask = PatchAsk {
        id: patch_id(asked.named.derived_for("undo"), run).into(),
        what: What::Undo { patch: record.id.clone(), reason },
        by: asked.by.clone(),
        groups: asked.groups.clone(),
        approves: Vec::new(),
        dry_run: false,
    };
    let undone = context.runs.patch(run, &ask).await?;
    Ok(match undone.record.answer {
        Answer::Accepted(accepted) => Undone::Made(Note::normal(
            event::PATCH_UNDONE,
            format!("it made revision {}", accepted.revision),
        )),
        Answer::Refused(findings) => {
            let why = findings.first().map_or_else(String::new, |one| {
                format!("{}: {} (at {})", one.code, one.message, one.pointer)
            });
            let run = Some(run.to_string());
            let done =
                Done { run, record: facts.record, stays: Some(why.clone()), ..Done::default() };
            Undone::Refused(Box::new(done), why)
        }
    })
}
