//! A worker's answer that brings a patch: judged like an agent's of our own, by the same three layers.

use std::sync::Arc;

use aob_engine::canonical::digest;
use aob_engine::catalogue::PATCH_WORD;
use aob_engine::ir::{Kind, Node};
use aob_engine::patch::{Answer as PatchAnswer, Finding};
use aob_engine::state::split_instance;
use aob_engine::step::{Answer, Input};
use aob_store::TaskRef;
use serde_json::{Value, json};

use super::consult::as_asked;
use super::{Error, Remote, Taken};
use crate::node::{Closing, Desk as _, Finished, before_answer};
use crate::runs::{self, PatchAsk, What};

impl Remote {
    /// Commits an answer with a patch, in the name of the node that gives it. One that needs a person's word is kept with
    /// the answer until somebody has decided.
    pub(super) async fn settle_with(
        self: &Arc<Self>,
        task: &TaskRef,
        output: &Arc<Value>,
        patch: &Value,
    ) -> Result<Taken, Error> {
        let (instance, fence) = (task.instance.clone(), task.fence);
        // The same answer has the same id, so that asking again is asking once.
        let content = json!([instance, fence.to_string(), patch]);
        let id = digest(&content);
        let id = id.trim_start_matches("sha256:").get(..26).unwrap_or_default();
        let ask = PatchAsk {
            id: format!("patch_{id}").into(),
            what: What::Request(patch.clone()),
            by: format!("agent:{instance}"),
            groups: Vec::new(),
            approves: Vec::new(),
            dry_run: false,
        };
        let found = self.before(task, patch).await?;
        if !found.is_empty() {
            return Err(Error::Patch(found));
        }
        let then = [Input::Settled { instance, fence, result: Answer::Output(output.clone()) }];
        let patched = match self.runs.patch_with(&task.run, &ask, &then).await {
            Ok(patched) => patched,
            Err(runs::Error::NoRun(_)) => return Ok(Taken::Superseded),
            Err(error) => return Err(error.into()),
        };
        let findings = match patched.record.answer {
            PatchAnswer::Accepted(_) if patched.existing => return Ok(Taken::Same),
            PatchAnswer::Accepted(_) => return Ok(Taken::Recorded),
            PatchAnswer::Refused(findings) => findings,
        };
        if !findings.is_empty() && findings.iter().all(|found| found.code == PATCH_WORD.code) {
            let closing =
                Closing { output: Value::clone(output), request: patch.clone(), word: true };
            return match self.runs.finish(&as_asked(task), &closing).await {
                Ok(Finished::Applied | Finished::Waits) => Ok(Taken::Recorded),
                Ok(Finished::Refused(findings)) => Err(Error::Patch(findings)),
                Ok(Finished::Gone) => Ok(Taken::Superseded),
                Err(_) => Err(runs::Error::Busy(task.run.to_string()).into()),
            };
        }
        Err(Error::Patch(findings))
    }

    /// What the first layer says: the request as it was sent, and the run as it stands. Nothing of who is no agent, which
    /// the next one refuses.
    async fn before(&self, task: &TaskRef, patch: &Value) -> Result<Vec<Finding>, Error> {
        let Some(policy) = self.policy_of(task).await? else { return Ok(Vec::new()) };
        let asked = as_asked(task);
        let busy = |_| Error::from(runs::Error::Busy(task.run.to_string()));
        let scene = self.runs.scene(&asked).await.map_err(busy)?;
        let found = before_answer(&scene, Some(&policy), patch);
        if !found.is_empty() {
            self.runs.refused(&asked, patch, &found).await.map_err(busy)?;
        }
        Ok(found)
    }

    /// What the `patch` of an agent's config says, if the attempt is that of one and the current one.
    async fn policy_of(&self, task: &TaskRef) -> Result<Option<Value>, Error> {
        let Some(state) = self.runs.store().load(&task.run).await? else { return Ok(None) };
        let (scope, id) = split_instance(&task.instance);
        let Some(ir) = self.ir_of_scope(&state, scope).await? else { return Ok(None) };
        let Some(ix) = ir.find(id) else { return Ok(None) };
        let live =
            state.scopes.get(scope).and_then(|marking| marking.live.get(&(ir.slot(ix) as u32)));
        if live.is_none_or(|live| live.fence != task.fence) {
            return Ok(None);
        }
        let policy = |node: &Node| match &node.kind {
            Kind::Task { config, agent: true, .. } => config.source().get("patch").cloned(),
            _ => None,
        };
        Ok(policy(ir.node(ix)))
    }
}
