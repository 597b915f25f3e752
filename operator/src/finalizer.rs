//! Finalizers: there for as long as a deletion has something to do in the store, and no longer, so that an object
//! whose work is over can be deleted when no operator runs.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::error::{Error, Result, is_gone};

/// How long a deletion waits for what it should do; then the object goes all the same.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The finalizers that an object should have, if not those it has.
pub fn wanted(meta: &ObjectMeta, name: &str, is_wanted: bool) -> Option<Vec<String>> {
    let has = meta.finalizers.iter().flatten().any(|one| one == name);
    // Nothing can be added to what is being deleted.
    let add = is_wanted && !has && meta.deletion_timestamp.is_none();
    let remove = !is_wanted && has;
    if !add && !remove {
        return None;
    }
    let others = meta.finalizers.iter().flatten().filter(|one| *one != name).cloned();
    Some(others.chain(add.then(|| name.to_owned())).collect())
}

/// Whether a deletion has waited long enough.
pub fn is_late(meta: &ObjectMeta, now: Timestamp) -> bool {
    let since = meta.deletion_timestamp.as_ref().map(|time| now.duration_since(time.0));
    since.is_some_and(|since| since.as_secs() >= PATIENCE.as_secs() as i64)
}

/// Has an object keep a finalizer; true if it could not be, since the object is gone. The object is then as it was
/// written, so that whoever holds it goes on at once: it need not wait for the watch.
///
/// # Errors
/// [`Error::Changed`] if somebody has written the object since it was read; the API server's.
pub async fn hold<K>(api: &Api<K>, object: &mut K, name: &str) -> Result<bool>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let Some(finalizers) = wanted(object.meta(), name, true) else { return Ok(false) };
    let Some(written) = write(api, object, finalizers).await? else { return Ok(true) };
    *object.meta_mut() = written;
    Ok(false)
}

/// Lets go of an object, if it is held; true if that was written, or if the object is gone.
///
/// # Errors
/// [`Error::Changed`] if somebody has written the object since it was read; the API server's.
pub async fn release<K>(api: &Api<K>, object: &K, name: &str) -> Result<bool>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let Some(finalizers) = wanted(object.meta(), name, false) else { return Ok(false) };
    write(api, object, finalizers).await?;
    Ok(true)
}

/// Writes finalizers; what the object is named and marked by then, unless it is gone.
async fn write<K>(api: &Api<K>, object: &K, finalizers: Vec<String>) -> Result<Option<ObjectMeta>>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let meta = object.meta();
    let patch = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": meta.resource_version,
    }});
    let named = meta.name.as_deref().unwrap_or_default();
    match api.patch_metadata(named, &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(written) => Ok(Some(written.metadata)),
        Err(error) if is_gone(&error) => Ok(None),
        // The watch brings what it is now, unless whoever said so was wrong: either way it is looked at again.
        Err(kube::Error::Api(status)) if status.code == 409 => Err(Error::Changed),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn meta(finalizers: &[&str], deleted: Option<i64>) -> ObjectMeta {
        ObjectMeta {
            finalizers: Some(finalizers.iter().map(|&one| one.to_owned()).collect()),
            deletion_timestamp: deleted.map(|at| Time(Timestamp::from_second(at).unwrap())),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn ours_comes_and_goes_and_others_stay() {
        let added = wanted(&meta(&["other"], None), "ours", true);
        assert_eq!(added, Some(vec!["other".to_owned(), "ours".to_owned()]));
        assert_eq!(wanted(&meta(&["other", "ours"], None), "ours", true), None);
        let gone = wanted(&meta(&["other", "ours"], Some(1)), "ours", false);
        assert_eq!(gone, Some(vec!["other".to_owned()]));
        assert_eq!(
            wanted(&meta(&[], Some(1)), "ours", true),
            None,
            "nothing can be added any more"
        );
        assert_eq!(wanted(&meta(&[], None), "ours", false), None);
    }

    #[test]
    fn a_deletion_waits_thirty_seconds() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(!is_late(&meta(&[], Some(100)), at(129)));
        assert!(is_late(&meta(&[], Some(100)), at(130)));
        assert!(!is_late(&meta(&[], None), at(1_000)));
    }
}
