//! What Flux is told of our kinds. Argo CD's scripts are `crds/health/*.lua`.

use serde_json::{Value, json};

/// Expressions over an object: `spec.healthCheckExprs` of a Kustomization. Workflow and NodeType follow kstatus and need
/// none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expressions {
    /// The kind.
    pub kind: &'static str,
    /// Nothing is decided.
    pub in_progress: &'static str,
    /// Somebody has to look.
    pub failed: &'static str,
    /// It is as it should be. Nothing waits for a person: a run counts as current once it is admitted.
    pub current: &'static str,
}

/// Of each kind that needs them.
pub const FLUX: &[Expressions] = &[
    Expressions {
        kind: "Run",
        in_progress: "!has(status.conditions) || status.conditions.exists(e, e.type == 'Admitted' && e.status != 'True') && status.conditions.exists(e, e.type == 'Complete' && e.status == 'False')",
        failed: "has(status.conditions) && status.conditions.exists(e, e.type == 'Complete' && e.status == 'True') && status.conditions.exists(e, e.type == 'Succeeded' && e.status == 'False')",
        current: "has(status.conditions) && status.conditions.exists(e, e.type == 'Admitted' && e.status == 'True')",
    },
    Expressions {
        kind: "RunPatch",
        in_progress: "!has(status.conditions) || status.conditions.exists(e, e.type == 'Applied' && e.status == 'Unknown')",
        failed: "has(status.conditions) && status.conditions.exists(e, e.type == 'Applied' && e.status == 'False' && e.reason != 'Undone')",
        current: "has(status.conditions) && status.conditions.exists(e, e.type == 'Applied' && (e.status == 'True' || e.reason == 'Undone'))",
    },
];

/// As a Kustomization has them.
pub(crate) fn flux() -> Value {
    let one = |of: &Expressions| {
        json!({
            "apiVersion": crate::API_VERSION,
            "kind": of.kind,
            "inProgress": of.in_progress,
            "failed": of.failed,
            "current": of.current,
        })
    };
    FLUX.iter().map(one).collect()
}
