//! What is to be known before anything is decided: how the document is judged, and the tag's line. Only reads.

use std::sync::Arc;

use aob_engine::ir::Ir;
use aob_engine::issue::Issue;
use aob_engine::timeline::Move;

use super::MAIN;
use super::validate::Asked;
use crate::context::Context;
use crate::error::Result;

/// What is known.
pub(super) struct Facts {
    /// The compiled graph, or every finding.
    pub(super) judged: std::result::Result<Arc<Ir>, Vec<Issue>>,
    /// Every move of `main`.
    pub(super) line: Vec<Move>,
    /// Tags with their digests.
    pub(super) tags: Vec<(String, String)>,
}

pub(super) async fn dereference(context: &Context, asked: &Asked) -> Result<Facts> {
    let (tenant, name) = (&*asked.named.namespace, &*asked.named.name);
    let judged = context.runs.judge_for(Some(tenant), &asked.document).await?;
    let store = context.runs.store();
    let line = store.timeline(tenant, name, MAIN).await?;
    let all = store.workflows(tenant).await?.into_iter().filter(|version| version.workflow == name);
    let tags = all.map(|version| (version.tag, version.digest)).collect();
    Ok(Facts { judged, line, tags })
}
