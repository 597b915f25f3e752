//! What the operator may do, as data: the chart's roles are checked against it, and a test checks it against what the
//! API server saw.

use serde_json::{Value, json};

/// Verbs on resources of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// API group; empty for core.
    pub group: &'static str,
    /// Resources of it.
    pub resources: &'static [&'static str],
    /// What may be done.
    pub verbs: &'static [&'static str],
    /// Only these objects; empty for all.
    pub names: &'static [&'static str],
    /// What for.
    pub why: &'static str,
}

/// In every namespace that is watched.
pub const EVERYWHERE: &[Right] = &[
    Right {
        group: "aob.dev",
        resources: &["workflows", "runs", "runpatches"],
        verbs: &["list", "watch"],
        names: &[],
        why: "what is asked for",
    },
    Right {
        group: "aob.dev",
        resources: &["runs", "runpatches"],
        verbs: &["patch"],
        names: &[],
        why: "finalizers: never their specs",
    },
    Right {
        group: "aob.dev",
        resources: &["runs"],
        verbs: &["delete"],
        names: &[],
        why: "ttlAfterFinished",
    },
    Right {
        group: "aob.dev",
        resources: &["workflows/status", "runs/status", "runpatches/status"],
        verbs: &["patch"],
        names: &[],
        why: "what has become of it",
    },
    Right {
        group: "events.k8s.io",
        resources: &["events"],
        verbs: &["create", "patch"],
        names: &[],
        why: "what happened, for people",
    },
    Right {
        group: "batch",
        resources: &["jobs"],
        verbs: &["list", "watch", "create", "delete"],
        names: &[],
        why: "attempts of `job` nodes",
    },
    Right {
        group: "",
        resources: &["pods"],
        verbs: &["list"],
        names: &[],
        why: "how a Job's container ended",
    },
    Right {
        group: "",
        resources: &["pods/log"],
        verbs: &["get"],
        names: &[],
        why: "what it printed, into the run's log",
    },
];

/// In every namespace that is watched, where tenants have runner pods.
pub const POOLS: &[Right] = &[
    Right {
        group: "apps",
        resources: &["deployments"],
        verbs: &["list", "create", "patch", "delete"],
        names: &[],
        why: "runner pods of tenants",
    },
    Right {
        group: "policy",
        resources: &["poddisruptionbudgets"],
        verbs: &["create", "patch", "delete"],
        names: &[],
        why: "how many of them may be away at once",
    },
    Right {
        group: "",
        resources: &["serviceaccounts"],
        verbs: &["create", "patch"],
        names: &[],
        why: "who they are to the gateway; no right is bound to it",
    },
    Right {
        group: "networking.k8s.io",
        resources: &["networkpolicies"],
        verbs: &["create", "patch"],
        names: &[],
        why: "what they reach",
    },
    Right {
        group: "",
        resources: &["secrets"],
        verbs: &["get"],
        names: &[],
        why: "whether a Secret is labelled for workflows: only its metadata is asked for",
    },
];

/// On what belongs to no namespace.
pub const CLUSTER: &[Right] = &[
    Right {
        group: "aob.dev",
        resources: &["nodetypes"],
        verbs: &["list", "watch", "patch"],
        names: &[],
        why: "node types, and their finalizers",
    },
    Right {
        group: "aob.dev",
        resources: &["nodetypes/status"],
        verbs: &["patch"],
        names: &[],
        why: "what has become of them",
    },
    Right {
        group: "",
        resources: &["namespaces"],
        verbs: &["list", "watch"],
        names: &[],
        why: "what their annotations limit their tenants to",
    },
    Right {
        group: "apiextensions.k8s.io",
        resources: &["customresourcedefinitions"],
        verbs: &["get"],
        names: &["workflows.aob.dev", "runs.aob.dev", "runpatches.aob.dev", "nodetypes.aob.dev"],
        why: "it is not ready before they are there",
    },
    Right {
        group: "admissionregistration.k8s.io",
        resources: &["mutatingwebhookconfigurations"],
        verbs: &["get", "patch"],
        names: &[],
        why: "the authority of the webhook's certificate; a chart names the one it is about",
    },
];

/// In the operator's own namespace.
pub const HOME: &[Right] = &[
    Right {
        group: "coordination.k8s.io",
        resources: &["leases"],
        verbs: &["get", "create", "update"],
        names: &[],
        why: "one operator acts at a time",
    },
    Right {
        group: "",
        resources: &["secrets"],
        verbs: &["get", "create", "update"],
        names: &[],
        why: "the webhook's certificate",
    },
];

/// As rules of a role.
pub fn rules(rights: &[Right]) -> Value {
    let one = |right: &Right| {
        let mut rule = json!({
            "apiGroups": [right.group],
            "resources": right.resources,
            "verbs": right.verbs,
        });
        if !right.names.is_empty() {
            rule["resourceNames"] = json!(right.names);
        }
        rule
    };
    rights.iter().map(one).collect()
}
