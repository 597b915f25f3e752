//! Workflows: each changed spec makes a version in the store and moves the tag `main` to it.
//!
//! That `main` was moved for a generation of an object is written into the tag's own line of moves. So it is moved
//! once for each, also by a process that comes late, and whoever moves it by hand is not overruled.

mod apply;
mod build;
mod dereference;
mod status;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use aob_crds::{Workflow, label};
use futures::FutureExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;

use crate::context::Context;
use crate::drive::{Kind, SLOW};
use crate::error::Result;
use crate::pool::{Pinned, Want};
use crate::waiting::{For, Who};
use crate::write;

/// The tag that follows the spec.
pub(crate) const MAIN: &str = "main";
/// How often a workflow with unknown types is looked at again.
const UNKNOWN: Duration = Duration::from_secs(60);

/// This kind's controller.
pub fn kind() -> Kind<Workflow> {
    Kind { reconcile: |object, context| reconcile(object, context).boxed(), trim: |_| {} }
}

async fn reconcile(object: Arc<Workflow>, context: Arc<Context>) -> Result<Action> {
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let asked = validate::validate(&object)?;
    let facts = dereference::dereference(&context, &asked).await?;
    let plan = build::build(&asked, &facts);
    let facts = apply::apply(&context, &asked, facts, &plan).await?;
    let before = object.status.as_ref();
    let want = facts.judged.as_ref().ok().and_then(|ir| Want::of(ir, &asked.document));
    let (space, name) = (&*asked.named.namespace, &*asked.named.name);
    // A spec that is refused changes nothing about what its last valid one has.
    if facts.judged.is_ok() {
        context.pools.want(space, name, want.as_ref());
    }
    let pinned = match &want {
        None => Some(Pinned::not_asked("none of its nodes runs on pods of its own")),
        Some(want) => context.pools.pinned(space, &want.runners),
    };
    let after = status::status(&asked, &facts, pinned.as_ref(), before, Timestamp::now());
    let api = context.api::<Workflow>(&asked.named.namespace);
    let manager = label::manager::WORKFLOW;
    if write::status(&context.lease, &api, manager, &*object, before, &after).await? {
        context.notes.write(&*object, status::notes(before, &after)).await;
    }
    let (namespace, name) = (asked.named.namespace.to_string(), asked.named.name.clone());
    let is_unresolved = status::is_unresolved(&after);
    if is_unresolved {
        context.waiting.add(For::Types, Who::Workflow(namespace.clone(), name.clone()));
    }
    context.wake(&For::Workflow(namespace, name)).await;
    Ok(Action::requeue(if is_unresolved { UNKNOWN } else { SLOW }))
}
