//! Labels, annotations, finalizers and field managers.

use std::collections::BTreeMap;

/// Annotation: who made the object, as the API server knows them. Stamped by the admission webhook.
pub const CREATED_BY: &str = "aob.dev/created-by";
/// Annotation: who changed the spec last. Stamped by the admission webhook.
pub const CHANGED_BY: &str = "aob.dev/changed-by";
/// Annotation: the groups of whoever made the object, as a JSON list. Stamped by the admission webhook.
pub const GROUPS: &str = "aob.dev/created-by-groups";
/// Label: the run that something belongs to, by its id.
pub const RUN: &str = "aob.dev/run";
/// Label: the node that a Job belongs to.
pub const NODE: &str = "aob.dev/node";
/// Label: which pool a pod belongs to.
pub const POOL: &str = "aob.dev/pool";
/// Label of Secrets that nodes of their namespace's workflows may read: `true`.
pub const USABLE: &str = "aob.dev/usable";
/// Label of namespaces and machines that are prepared.
pub const TUNED: &str = "aob.dev/tuned";
/// Annotation of Deployments: what they were built from.
pub const BUILT_FROM: &str = "aob.dev/built-from";

/// Annotations of a Namespace: what its tenant is limited to.
pub mod limit {
    /// What they begin with.
    pub const PREFIX: &str = "limits.aob.dev/";
    /// Every one: agents of a run; US dollars that agents may cost in a day of UTC; runs started in a minute.
    pub const ALL: &[&str] =
        &["limits.aob.dev/agents", "limits.aob.dev/usd-per-day", "limits.aob.dev/runs-per-minute"];
}

/// Finalizer: a run that still goes is cancelled first.
pub const RUN_CLEANUP: &str = "aob.dev/run-cleanup";
/// Finalizer: an applied patch is undone first.
pub const PATCH_CLEANUP: &str = "aob.dev/patch-cleanup";
/// Finalizer: the type is taken out of the store first.
pub const NODE_TYPE_CLEANUP: &str = "aob.dev/node-type-cleanup";

/// Field managers: one for each controller.
pub mod manager {
    /// Of Workflows.
    pub const WORKFLOW: &str = "aob-workflow";
    /// Of Runs.
    pub const RUN: &str = "aob-run";
    /// Of RunPatches.
    pub const PATCH: &str = "aob-patch";
    /// Of NodeTypes.
    pub const NODE_TYPE: &str = "aob-node-type";
    /// Of runner pods.
    pub const POOL: &str = "aob-pool";
    /// Of the webhook's own configuration and certificate.
    pub const WEBHOOK: &str = "aob-webhook";
}

/// The labels that every object of ours has.
pub fn of(component: &str, instance: &str, version: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", "aob"),
        ("app.kubernetes.io/component", component),
        ("app.kubernetes.io/instance", instance),
        ("app.kubernetes.io/version", version),
        ("app.kubernetes.io/part-of", "aob"),
        ("app.kubernetes.io/managed-by", "aob-operator"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}
