//! Writing a status: by server-side apply, whole, and only when it differs.

use std::fmt::Debug;

use aob_telemetry::metrics::metrics;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::{Error, Result, is_gone};
use crate::lease::Leadership;

/// Writes `after` unless the object says so already; true if it was written. What is gone needs no status.
///
/// # Errors
/// [`Error::NotLeader`]; [`Error::Changed`] if somebody has written the object since it was read; the API server's.
pub async fn status<K, S>(
    lease: &Leadership,
    api: &Api<K>,
    manager: &str,
    object: &K,
    before: Option<&S>,
    after: &S,
) -> Result<bool>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    S: Serialize,
{
    if same(before, after) {
        return Ok(false);
    }
    lease.check()?;
    let name = object.meta().name.as_deref().unwrap_or_default();
    let applied = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        // Not an object of the same name that was made since, nor over what somebody has written since: a process that
        // was stopped before this line may have lost the lease by now.
        "metadata": {
            "name": name,
            "uid": object.meta().uid,
            "resourceVersion": object.meta().resource_version,
        },
        "status": after,
    });
    let kind = K::kind(&());
    match api
        .patch_status(name, &PatchParams::apply(manager).force(), &Patch::Apply(&applied))
        .await
    {
        Ok(_) => {
            metrics().operator_status_writes.one([&*kind]);
            Ok(true)
        }
        Err(error) if is_gone(&error) => Ok(false),
        Err(kube::Error::Api(status)) if status.code == 409 => Err(Error::Changed),
        Err(error) => Err(error.into()),
    }
}

/// Whether two statuses say the same.
fn same<S: Serialize>(before: Option<&S>, after: &S) -> bool {
    let value = |status: &S| serde_json::to_value(status).unwrap_or(Value::Null);
    before.is_some_and(|before| value(before) == value(after))
}
