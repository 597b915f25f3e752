//! Fragments for Kubernetes: what a pod sets for itself, and what a kubelet is told.

use std::fmt::Write as _;

use crate::division::Division;
use crate::profile::{List, Plane, Profiles, Sysctl};

const FRESH: &str = "# @generated from node-tuning/profiles (test `what_is_made_of_profiles_is_fresh`): edit those.\n";

/// Settings that pods of a plane set in their own network namespace, for `securityContext.sysctls`: a value set on
/// the node never reaches them.
pub fn pod_sysctls(profiles: &Profiles) -> String {
    let mut text = FRESH.to_owned();
    for Plane { name, .. } in &profiles.planes {
        let _ = writeln!(text, "{name}:");
        for (title, list) in [("safe", List::Safe), ("unsafe", List::Unsafe)] {
            let wanted: Vec<&Sysctl> = profiles
                .sysctls
                .iter()
                .filter(|one| one.on && one.pod.list == list && one.planes.contains(name))
                .collect();
            if wanted.is_empty() {
                let _ = writeln!(text, "  {title}: []");
                continue;
            }
            let _ = writeln!(text, "  {title}:");
            for sysctl in wanted {
                let since = sysctl
                    .pod
                    .since
                    .as_ref()
                    .map_or(String::new(), |since| format!("  # Kubernetes {since}"));
                let _ = writeln!(
                    text,
                    "    - {{name: {}, value: \"{}\"}}{since}",
                    sysctl.key, sysctl.value
                );
            }
        }
    }
    text
}

/// Part of a KubeletConfiguration: whole cores for pods that ask for them, and the system's processors kept free.
/// Without a machine the system's processors are left to be filled in.
pub fn kubelet(profiles: &Profiles, division: Option<&Division>) -> String {
    let mut text = if division.is_some() { String::new() } else { FRESH.to_owned() };
    text.push_str(
        "# Changing cpuManagerPolicy needs a drained node and /var/lib/kubelet/cpu_manager_state deleted.\n\
         cpuManagerPolicy: static\n\
         cpuManagerPolicyOptions:\n  full-pcpus-only: \"true\"\n  strict-cpu-reservation: \"true\"\n\
         topologyManagerPolicy: single-numa-node\ntopologyManagerScope: pod\n",
    );
    match division {
        Some(Division::Own { system, .. }) => {
            let _ = writeln!(text, "reservedSystemCPUs: \"{}\"", system.cpus);
        }
        Some(Division::Shared { why }) => {
            let _ = writeln!(text, "# reservedSystemCPUs: {why}");
        }
        None => text
            .push_str("# reservedSystemCPUs: as `aob-node render kubelet` prints it on the node\n"),
    }
    let unsafe_ones: Vec<&str> = profiles
        .sysctls
        .iter()
        .filter(|one| one.on && one.pod.list == List::Unsafe)
        .map(|one| one.key.as_str())
        .collect();
    if !unsafe_ones.is_empty() {
        text.push_str("allowedUnsafeSysctls:\n");
        for key in unsafe_ones {
            let _ = writeln!(text, "  - {key}");
        }
    }
    text
}
