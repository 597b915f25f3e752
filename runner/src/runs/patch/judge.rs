//! A request judged on the documents of a run, before its marking is seen.

use std::sync::Arc;

use aob_engine::issue::Issue;
use aob_engine::patch::{
    Checked, Ground, OnConflict, Overlay, PatchLimits, Record, Request, canonical, check_patch,
    read, undo,
};
use aob_engine::registry::TypeInfo;
use aob_engine::state::State;

use super::super::agent::receive;
use super::approves::approvable;
use super::{Error, PatchAsk, Runs, What};

impl Runs {
    /// Judges what is asked on the run's graph as it is, or says everything that is wrong with it.
    pub(in crate::runs) async fn judge_request(
        &self,
        state: &Arc<State>,
        ask: &PatchAsk,
    ) -> Result<Result<Checked, Vec<Issue>>, Error> {
        let request = match &ask.what {
            What::Request(request) => match read(request, &PatchLimits::default()) {
                Ok(request) => Some(request),
                Err(issues) => return Ok(Err(issues)),
            },
            What::Undo { .. } => None,
        };
        let base = self.document(state, 0).await?;
        let overlays = self.known_overlays(state).await?;
        let current = self.document(state, state.head.revision).await?;
        let ir = self.ir_of(state).await?;
        let (base, current) = (&*base, &*current);
        let ground = Ground { base, first: 0, overlays: &overlays, current, ir: Some(&ir) };
        let (request, undoes) = match (request, &ask.what) {
            (Some(request), _) => (request, None),
            (None, What::Undo { patch, reason }) => {
                let operations = match undo(base, &overlays, patch, current) {
                    Ok(operations) => operations,
                    Err(error) => return Ok(Err(vec![error.into()])),
                };
                let request = Request {
                    operations,
                    base: None,
                    on_conflict: OnConflict::Strict,
                    cancel: Vec::new(),
                    reason: reason.clone(),
                    dry_run: ask.dry_run,
                };
                (request, Some(patch.as_str()))
            }
            (None, What::Request(_)) => return Ok(Err(Vec::new())),
        };
        let registry = self.registry_for_patch(state).await?;
        if let Some(agent) = ask.by.strip_prefix("agent:") {
            // What it means is told by name where it can be; where not, `check_patch` says why.
            if let Ok(operations) = canonical(&request.operations, Some(current)) {
                let most = self.ceiling.agents.most;
                let is_agent = |name: &str| registry.get(name).is_some_and(TypeInfo::is_agent);
                let issues = receive(state, agent, current, &operations, most, &is_agent);
                if !issues.is_empty() {
                    return Ok(Err(issues));
                }
            }
        }
        let checked = check_patch(&request, undoes, ground, &registry, &self.ceiling);
        if let Ok(checked) = &checked {
            // Whoever decides after this patch is written compiles it to the same.
            self.keep_used(&checked.ir).await?;
        }
        Ok(checked)
    }

    /// The same as [`Runs::overlays`], from memory where they are known.
    async fn known_overlays(&self, state: &State) -> Result<Arc<Vec<Overlay>>, Error> {
        if let Some(known) = self.trails.of(&state.head) {
            return Ok(known);
        }
        let read = Arc::new(self.overlays(state).await?);
        self.trails.keep(&state.head, &read);
        Ok(read)
    }

    /// The accepted patches that lead to the revision of a state, in order, as the store has them.
    pub(in crate::runs) async fn overlays(&self, state: &State) -> Result<Vec<Overlay>, Error> {
        if state.head.base.is_none() {
            return Ok(Vec::new());
        }
        let records = self.store.patches(&state.head.run).await?;
        let until = state.head.revision;
        let mut accepted: Vec<(u32, Overlay)> = records
            .iter()
            .filter_map(|record: &Record| Some((record.accepted()?.revision, record.overlay()?)))
            .filter(|(revision, _)| *revision <= until)
            .collect();
        accepted.sort_by_key(|(revision, _)| *revision);
        Ok(accepted.into_iter().map(|(_, overlay)| overlay).collect())
    }

    /// The gates that whoever asks may change.
    pub(super) async fn approvable(
        &self,
        state: &State,
        ask: &PatchAsk,
    ) -> Result<Vec<String>, Error> {
        if ask.approves.is_empty() {
            return Ok(Vec::new());
        }
        let current = self.document(state, state.head.revision).await?;
        let head = &state.head;
        let (approves, groups) = (&ask.approves, &ask.groups);
        Ok(approvable(&current, approves, &ask.by, groups, &head.by, &head.patchers))
    }
}
