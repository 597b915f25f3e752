//! Keeps the version and moves the tag, if that was decided. The one step that writes to the store.

use aob_engine::timeline::{Move, MoveKind};
use aob_runner::clock;

use super::MAIN;
use super::build::{Plan, reason};
use super::dereference::{Facts, dereference};
use super::validate::Asked;
use crate::context::Context;
use crate::error::Result;

/// Does it; answers what is known then.
pub(super) async fn apply(
    context: &Context,
    asked: &Asked,
    facts: Facts,
    plan: &Plan,
) -> Result<Facts> {
    let Plan::Publish { known } = plan else { return Ok(facts) };
    context.lease.check()?;
    let (tenant, name) = (&*asked.named.namespace, &*asked.named.name);
    let kept = context.runs.publish(tenant, &asked.document, None).await?;
    let to = Move {
        kind: MoveKind::Set,
        digest: kept.digest,
        by: asked.by.clone(),
        time: clock::now(),
        reason: Some(reason(&asked.named.uid, asked.named.generation)),
    };
    // It moves from what was seen only; if somebody was faster, what they did is looked at first.
    if !context.runs.store().move_tag(tenant, name, MAIN, *known, &to).await? {
        tracing::debug!(namespace = tenant, name, "the tag was moved meanwhile");
    }
    dereference(context, asked).await
}
