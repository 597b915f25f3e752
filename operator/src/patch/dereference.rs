//! What is to be known before anything is decided: the run, its answer if there is one, and older patches. Only reads.

use std::sync::Arc;

use aob_crds::{PatchPhase, RunPatch};
use aob_engine::patch::{Answer, Record};
use aob_engine::state::State;
use aob_runner::runs::Derived;
use aob_store::id;
use kube::ResourceExt as _;

use super::validate::Asked;
use crate::context::Context;
use crate::error::Result;
use crate::identity::Named;
use crate::run;

/// What is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// The run's id; none while there is no such Run.
    pub(super) run: Option<Arc<str>>,
    /// The run, while it is kept and is of the same tenant.
    pub(super) state: Option<Arc<State>>,
    /// Whether the Run is over, also where the store has dropped it.
    pub(super) is_over: bool,
    /// The answer.
    pub(super) record: Option<Record>,
    /// The accepted patch that took it out.
    pub(super) undone_by: Option<String>,
    /// An older patch of the same run that has no answer.
    pub(super) older: Option<String>,
}

pub(super) async fn dereference(context: &Context, asked: &Asked) -> Result<Facts> {
    let mut facts = run_of(context, asked).await?;
    let Some(run) = facts.run.clone() else { return Ok(facts) };
    let store = context.runs.store();
    let state = store.load(&run).await?;
    // A run of another tenant is one that is not there.
    facts.state = state.filter(|state| state.head.tenant == asked.named.namespace);
    if facts.state.is_none() {
        return Ok(facts);
    }
    let own = patch_id(asked.named.derived(), &run);
    facts.record = store.patch(&run, &own).await?;
    match &facts.record {
        Some(Record { answer: Answer::Accepted(_), .. }) => {
            facts.undone_by = undone_by(store.patches(&run).await?, &own);
        }
        Some(_) => {}
        None => facts.older = older(context, asked).await?,
    }
    Ok(facts)
}

/// The id of the patch that an object asks for.
pub(super) fn patch_id(derived: Derived, run: &str) -> String {
    format!("patch_{}", id::body(derived.time, derived.random, id::shard(run).unwrap_or(0)))
}

async fn run_of(context: &Context, asked: &Asked) -> Result<Facts> {
    if let Some(id) = &asked.run_id {
        return Ok(Facts { run: Some(id.as_str().into()), ..Facts::default() });
    }
    let name = asked.run_name.as_deref().unwrap_or_default();
    let Some(found) = context.objects.runs.get(&asked.named.namespace, name).await? else {
        return Ok(Facts::default());
    };
    let Ok(object) = &found.0 else { return Ok(Facts::default()) };
    let id = context.runs.id_of(Named::of(&object.metadata)?.derived());
    Ok(Facts { run: Some(id), is_over: run::is_latched(object), ..Facts::default() })
}

fn undone_by(records: Vec<Record>, own: &str) -> Option<String> {
    let undoes = |record: &Record| match &record.answer {
        Answer::Accepted(accepted) => accepted.undoes.as_deref() == Some(own),
        Answer::Refused(_) => false,
    };
    records.into_iter().find(undoes).map(|record| record.id)
}

/// The oldest patch that was made before this one for the same run and waits as well.
async fn older(context: &Context, asked: &Asked) -> Result<Option<String>> {
    let is_pending = |patch: &RunPatch| {
        patch.status.as_ref().is_none_or(|status| status.phase == PatchPhase::Pending)
            && patch.metadata.deletion_timestamp.is_none()
    };
    let same = |patch: &RunPatch| {
        patch.spec.run_ref.name == asked.run_name && patch.spec.run_ref.id == asked.run_id
    };
    let patches = &context.objects.patches;
    let all = patches.all(&asked.named.namespace, |one| is_pending(one) && same(one)).await?;
    let place = |created: u64, name: &str| (created, name.to_owned());
    let own = place(asked.named.created, &asked.named.name);
    let before = all.iter().filter_map(|one| {
        let created = one.metadata.creation_timestamp.as_ref()?.0.as_millisecond().max(0) as u64;
        Some(place(created, &one.name_any())).filter(|other| *other < own)
    });
    Ok(before.min().map(|(_, name)| name))
}
