//! Which crate may depend on which, and what must never reach the engine.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand, PackageId};

use crate::Outcome;
use crate::shell::root;

/// Each member with the members it may use; development dependencies of tests are free.
const ALLOWED: &[(&str, &[&str])] = &[
    ("aob-schema", &[]),
    ("aob-engine", &["aob-schema"]),
    ("aob-store", &["aob-engine"]),
    ("aob-telemetry", &[]),
    ("aob-node-tuning", &["aob-telemetry"]),
    ("aob-provider", &["aob-telemetry"]),
    ("aob-runner", &["aob-engine", "aob-store", "aob-provider", "aob-telemetry"]),
    ("aob-gateway", &["aob-schema", "aob-engine", "aob-store", "aob-runner", "aob-telemetry"]),
    (
        "aob-cli",
        &[
            "aob-schema",
            "aob-engine",
            "aob-store",
            "aob-provider",
            "aob-runner",
            "aob-telemetry",
            "aob-gateway",
        ],
    ),
    ("aob-crds", &["aob-schema"]),
    ("aob-operator", &["aob-crds", "aob-engine", "aob-store", "aob-runner", "aob-telemetry"]),
    (
        "aob-e2e",
        &[
            "aob-schema",
            "aob-engine",
            "aob-store",
            "aob-provider",
            "aob-runner",
            "aob-telemetry",
            "aob-gateway",
            "aob-cli",
        ],
    ),
    ("aob-model", &[]),
    ("xtask", &["aob-schema", "aob-engine"]),
];

/// What would bring IO, a clock or an outside system into the engine.
const NOT_IN_ENGINE: &[&str] = &[
    "tokio",
    "redis",
    "kube",
    "reqwest",
    "hyper",
    "axum",
    "rand",
    "chrono",
    "jiff",
    "mio",
    "socket2",
    "async-std",
];

/// Kubernetes is for the operator's side only.
const KUBE_ONLY_IN: &[&str] = &["aob-crds", "aob-operator", "aob-e2e"];

pub(super) fn run() -> Outcome {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec()?;
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut faults = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let Some(may) = allowed.get(name) else {
            faults.push(format!(
                "{name} has no place among the layers: add it to xtask/src/check/layers.rs"
            ));
            continue;
        };
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
        {
            let used = dependency.name.as_str();
            if (used.starts_with("aob-") || used == "xtask") && !may.contains(&used) {
                faults.push(format!("{name} must not depend on {used}"));
            }
            if (used.starts_with("kube") || used == "k8s-openapi") && !KUBE_ONLY_IN.contains(&name)
            {
                faults.push(format!(
                    "{name} must not depend on {used}: only {} may",
                    KUBE_ONLY_IN.join(", ")
                ));
            }
        }
    }
    let resolve = metadata.resolve.as_ref().ok_or("cargo gave no dependency graph")?;
    let names: BTreeMap<&PackageId, &str> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let edges: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|node| {
            let normal = |kinds: &[cargo_metadata::DepKindInfo]| {
                kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
            };
            (
                &node.id,
                node.deps.iter().filter(|dep| normal(&dep.dep_kinds)).map(|dep| &dep.pkg).collect(),
            )
        })
        .collect();
    let engine = names
        .iter()
        .find(|(_, name)| **name == "aob-engine")
        .map(|(id, _)| *id)
        .ok_or("there is no aob-engine")?;
    let mut seen = BTreeSet::from([engine]);
    let mut open = vec![engine];
    while let Some(id) = open.pop() {
        for next in edges.get(id).into_iter().flatten() {
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    for name in seen.iter().filter_map(|id| names.get(id)) {
        if NOT_IN_ENGINE.contains(name) {
            faults.push(format!("{name} has reached aob-engine: the core does no IO, sees no clock, draws no numbers"));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n       ").into()) }
}
