//! NodeTypes: kept in the store's registry for as long as their object is there. What runs keeps what it was told.

mod status;

use std::sync::Arc;
use std::time::Duration;

use aob_crds::{NodeType, event, label};
use aob_runner::runs::{Error as RunsError, TypeView};
use futures::FutureExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::context::Context;
use crate::drive::{Kind, SLOW};
use crate::error::Result;
use crate::finalizer;
use crate::identity::Named;
use crate::note::Note;
use crate::waiting::For;
use crate::write;
use status::Registered;

/// How often a deletion is tried within the time that it waits.
const AGAIN: Duration = Duration::from_secs(3);
/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// This kind's controller.
pub fn kind() -> Kind<NodeType> {
    Kind { reconcile: |object, context| reconcile(object, context).boxed(), trim: |_| {} }
}

async fn reconcile(object: Arc<NodeType>, context: Arc<Context>) -> Result<Action> {
    let named = Named::of(&object.metadata)?;
    let api = Api::<NodeType>::all(context.client.clone());
    if object.metadata.deletion_timestamp.is_some() {
        return cleanup(&context, &api, &object).await;
    }
    let wanted = document(&object);
    let registered = registered(&context, &named, &wanted).await?;
    // What never was in the store has nothing to clean up.
    let is_there = !matches!(registered, Registered::Refused(_));
    let mut object = Arc::unwrap_or_clone(object);
    if is_there && finalizer::hold(&api, &mut object, label::NODE_TYPE_CLEANUP).await? {
        return Ok(Action::await_change());
    }
    let registered = match registered {
        Registered::Absent => put(&context, &wanted).await?,
        other => other,
    };
    let before = object.status.as_ref();
    let after = status::status(&named, &registered, before, Timestamp::now());
    let manager = label::manager::NODE_TYPE;
    if write::status(&context.lease, &api, manager, &object, before, &after).await? {
        context.notes.write(&object, status::notes(before, &after)).await;
        context.wake(&For::Types).await;
    }
    Ok(Action::requeue(SLOW))
}

/// As the language writes it.
fn document(object: &NodeType) -> Value {
    json!({
        "apiVersion": aob_crds::API_VERSION,
        "kind": "NodeType",
        "metadata": {"name": object.name_any()},
        "spec": object.spec.0,
    })
}

/// How the store knows it now.
async fn registered(context: &Context, named: &Named, wanted: &Value) -> Result<Registered> {
    match context.runs.type_named(&named.name).await {
        Ok(view) if view.document == *wanted => Ok(known(&view)),
        Ok(_) | Err(RunsError::NoType(_)) => {
            Ok(match aob_engine::registry::KeptType::read(wanted) {
                Ok(_) => Registered::Absent,
                Err(issues) => Registered::Refused(issues),
            })
        }
        Err(error) => Err(error.into()),
    }
}

async fn put(context: &Context, wanted: &Value) -> Result<Registered> {
    context.lease.check()?;
    match context.runs.put_type(wanted, None).await {
        Ok(view) => Ok(known(&view)),
        Err(RunsError::BadType(issues)) => Ok(Registered::Refused(issues)),
        Err(error) => Err(error.into()),
    }
}

fn known(view: &TypeView) -> Registered {
    Registered::As { version: view.version, run: status::word(&view.kept.run) }
}

async fn cleanup(context: &Context, api: &Api<NodeType>, object: &NodeType) -> Result<Action> {
    if !object.finalizers().iter().any(|one| one == label::NODE_TYPE_CLEANUP) {
        return Ok(Action::await_change());
    }
    context.lease.check()?;
    let name = object.name_any();
    let why = match tokio::time::timeout(PATIENCE, context.runs.drop_type(&name, None)).await {
        Ok(Ok(()) | Err(RunsError::NoType(_))) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("the store does not answer".to_owned()),
    };
    if let Some(why) = why {
        if !finalizer::is_late(&object.metadata, Timestamp::now()) {
            tracing::warn!(name, why, "a deleted node type could not be taken out yet");
            return Ok(Action::requeue(AGAIN));
        }
        let note = Note::warning(event::LET_GO, format!("it stays registered: {why}"));
        context.notes.write(object, vec![note]).await;
    }
    finalizer::release(api, object, label::NODE_TYPE_CLEANUP).await?;
    context.wake(&For::Types).await;
    Ok(Action::await_change())
}
