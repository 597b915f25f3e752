//! Versions of workflows: kept, named, pointed at.

use aob_engine::catalogue;
use aob_runner::runs::{Runs, TagMove};
use serde_json::Value;

use super::{Failed, Outcome};
use crate::caller::Caller;
use crate::operation::{Published, Version, WorkflowRow};
use crate::problem::Problem;

/// Keeps a workflow, and points a tag at it.
pub(super) async fn publish(
    runs: &Runs,
    caller: &Caller,
    document: &Value,
    tag: Option<&str>,
    reason: Option<String>,
) -> Outcome<Published> {
    let tenant = &*caller.tenant;
    let kept = runs.publish(tenant, document, None).await?;
    if let Some(tag) = tag {
        let to = TagMove::Set(kept.digest.clone());
        runs.move_tag(tenant, &kept.name, tag, &to, &caller.name, reason).await?;
    }
    Ok(Published { workflow: kept.name, digest: kept.digest })
}

/// The version behind a tag, with its document; none if there is no such tag.
pub(super) async fn behind(
    runs: &Runs,
    tenant: &str,
    workflow: String,
    tag: String,
) -> Outcome<Option<Version>> {
    let Some(digest) = runs.store().tag(tenant, &workflow, &tag).await? else { return Ok(None) };
    let document = document(runs, &digest).await?;
    Ok(Some(Version { workflow, tag, digest, document }))
}

/// A kept document; null if there is none.
pub(super) async fn document(runs: &Runs, digest: &str) -> Outcome<Value> {
    Ok(match runs.store().artifact(digest).await? {
        None => Value::Null,
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| aob_store::Error::Corrupt(format!("{digest}: {error}")))?,
    })
}

/// Moves a tag.
pub(super) async fn moved(
    runs: &Runs,
    caller: &Caller,
    workflow: String,
    tag: String,
    to: TagMove,
    reason: Option<String>,
) -> Outcome<WorkflowRow> {
    let by = &caller.name;
    let digest = runs.move_tag(&caller.tenant, &workflow, &tag, &to, by, reason).await?;
    Ok(WorkflowRow { workflow, tag, digest })
}

/// The digest of a version of a workflow: a tag, or a digest itself.
pub(super) async fn of(
    runs: &Runs,
    tenant: &str,
    workflow: &str,
    version: &str,
) -> Outcome<String> {
    if version.starts_with("sha256:") {
        return Ok(version.to_owned());
    }
    Ok(runs.resolve(tenant, workflow, Some(version)).await?)
}

/// The digest behind `name`, `name:tag` or a digest.
pub(super) async fn named(runs: &Runs, tenant: &str, given: &str) -> Outcome<String> {
    if given.starts_with("sha256:") {
        return Ok(given.to_owned());
    }
    let (name, tag) = given.split_once(':').map_or((given, None), |(name, tag)| (name, Some(tag)));
    Ok(runs.resolve(tenant, name, tag).await?)
}

/// The digest of the workflow that a start means: a kept one, or one that comes along.
pub(super) async fn meant(
    runs: &Runs,
    tenant: &str,
    workflow: Option<String>,
    inline: Option<Value>,
) -> Outcome<String> {
    match (workflow, inline) {
        (Some(given), None) => named(runs, tenant, &given).await,
        (None, Some(document)) => Ok(runs.publish(tenant, &document, None).await?.digest),
        _ => {
            let message =
                "a start names a kept workflow or brings one along: `workflow` or `inline`";
            let problem = Problem::new(&catalogue::BAD_REQUEST, "the request", message);
            Err(Failed::Problem(problem))
        }
    }
}

/// The digest of a set of patches: by itself, or by its name among those of the workflow.
pub(super) async fn set(
    runs: &Runs,
    tenant: &str,
    digest: &str,
    given: Option<String>,
) -> Outcome<Option<String>> {
    let given = match given {
        Some(given) if !given.starts_with("sha256:") => given,
        digest => return Ok(digest),
    };
    let workflow = runs.ir_for(Some(tenant), digest).await?.name.clone();
    match runs.store().patch_set(tenant, &workflow, &given).await? {
        Some(set) => Ok(Some(set)),
        None => {
            let given = aob_engine::issue::excerpt(&given);
            let message = format!("{workflow} has no set of patches of the name {given}");
            Err(Failed::Problem(Problem::new(&catalogue::NO_PATCH_SET, "patchSet", message)))
        }
    }
}
