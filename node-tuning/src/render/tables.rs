//! Tables for people: every setting with its measurement, and how a machine is divided.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::division::Division;
use crate::profile::{List, Profiles, Scope};

/// What a measurement gave.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// What was counted, with its unit.
    pub what: String,
    /// With the kernel's default.
    pub before: f64,
    /// With the profile's value.
    pub after: f64,
    /// Whether the difference is more than noise, by the measurement's own rule.
    pub effect: bool,
    /// On which machine and when.
    pub machine: String,
}

/// The page of settings.
pub fn settings(profiles: &Profiles, measured: &BTreeMap<String, Measured>) -> String {
    let mut page = String::from(
        "<!-- Generated from node-tuning/profiles and node-tuning/evidence.json (test `what_is_made_of_profiles_is_fresh`). -->\n\n\
         # Settings of nodes\n\n\
         How and why: [node tuning](../node-tuning.md). Measured by\n\
         `cargo run --release -p aob-node-tuning --example evidence`, each value in a namespace of its own;\n\
         what was counted in a guest by `cargo xtask machines --record`.\n\n\
         ## Kernel settings\n\n\
         | setting | value | planes | reach | in a pod | on | before | with it | what was measured |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for one in &profiles.sysctls {
        let reach = match one.scope {
            Scope::Host => "machine",
            Scope::Netns => "network namespace",
        };
        let pod = match (one.pod.list, &one.pod.since) {
            (List::Safe, Some(since)) => format!("safe since {since}"),
            (List::Safe, None) => "safe".to_owned(),
            (List::Unsafe, _) => "must be allowed".to_owned(),
            (List::None, _) => "no".to_owned(),
        };
        let result = measured.get(&one.measure).map_or_else(
            || " | | not measured".to_owned(),
            |result| {
                let effect = if result.effect { "" } else { ": **no effect**" };
                format!("{} | {} | {}{effect}", result.before, result.after, result.what)
            },
        );
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {reach} | {pod} | {} | {result} |",
            one.key,
            one.value,
            one.planes.join(", "),
            if one.on { "yes" } else { "no" },
        );
    }
    page.push_str("\n## Why, and what it does not go together with\n\n");
    for one in &profiles.sysctls {
        let _ = writeln!(page, "- `{}` (Linux {}): {}", one.key, one.since, one.why);
        for conflict in &one.conflicts {
            let _ = writeln!(page, "  - {conflict}");
        }
    }
    planes(profiles, &mut page);
    others(profiles, measured, &mut page);
    page
}

fn planes(profiles: &Profiles, page: &mut String) {
    page.push_str(
        "\n## Planes\n\n| plane | what | share of cores | weight | MemoryLow, Max | tasks |\n|---|---|---|---|---|---|\n",
    );
    let sum: u32 = profiles.planes.iter().map(|plane| u32::from(plane.cpus.share)).sum();
    for plane in &profiles.planes {
        let memory = &plane.memory;
        let _ = writeln!(
            page,
            "| {} | {} | {} of {sum} | {} | {} %, {} % | {} |",
            plane.name,
            plane.about,
            plane.cpus.share,
            plane.cpus.weight,
            memory.low,
            memory.max,
            plane.tasks.max
        );
    }
    page.push_str("\n| service | plane | open files | processes of the user | tasks |\n|---|---|---|---|---|\n");
    for plane in &profiles.planes {
        for unit in &plane.units {
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {} |",
                unit.name, plane.name, unit.nofile, unit.nproc, unit.tasks
            );
        }
    }
}

/// Measurements that belong to no kernel setting.
fn others(profiles: &Profiles, measured: &BTreeMap<String, Measured>, page: &mut String) {
    let mut rows = measured
        .iter()
        .filter(|(name, _)| !profiles.sysctls.iter().any(|one| one.measure == **name))
        .peekable();
    if rows.peek().is_some() {
        page.push_str("\n## Limits and processors\n\n| measurement | before | with it | what was measured |\n|---|---|---|---|\n");
    }
    for (name, one) in rows {
        let effect = if one.effect { "" } else { ": **no effect**" };
        let _ =
            writeln!(page, "| {name} | {} | {} | {}{effect} |", one.before, one.after, one.what);
    }
    let machines: std::collections::BTreeSet<&str> =
        measured.values().map(|one| one.machine.as_str()).collect();
    for machine in machines {
        let _ = writeln!(page, "\nMeasured on: {machine}.");
    }
}

/// How a machine is divided, for a terminal.
pub fn machine(division: &Division) -> String {
    match division {
        Division::Shared { why } => format!("processors  shared by weight: {why}\n"),
        Division::Own { system, planes } => {
            let mut text = String::new();
            for part in std::iter::once(system).chain(planes) {
                let memory = if part.memory.is_empty() {
                    String::new()
                } else {
                    format!("   memory of node {}", part.memory)
                };
                let _ = writeln!(text, "processors  {:<8} {}{memory}", part.name, part.cpus);
            }
            text
        }
    }
}
