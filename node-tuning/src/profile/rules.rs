//! What a profile must keep, whoever wrote it: a wrong one is refused as a whole.

use std::collections::BTreeSet;

use super::sysctl::numbers;
use super::{Fit, List, Plane, Profiles, Sysctl};
use crate::machine::version;
use crate::problem::{Problem, Result};
use crate::ranges::Ranges;

/// Beginnings of the settings that a profile may name. All else is none of AOB's business: `kernel.*` decides about
/// security, `net.netfilter.*` belongs to kube-proxy, `vm.*` but for one to whoever runs the machine.
const ALLOWED: [&str; 4] = ["net.core.", "net.ipv4.", "fs.inotify.", "vm.overcommit_memory"];

/// Settings below these that others need as they are.
const NEVER: [&str; 3] = ["net.ipv4.ip_forward", "net.ipv4.conf.", "net.core.bpf_"];

const RESERVED: &str = "net.ipv4.ip_local_reserved_ports";

/// Checks all of it.
pub(super) fn check(all: &Profiles) -> Result<()> {
    let failed = |file: &str, what: String| Err(Problem::Profile { file: file.to_owned(), what });
    if all.planes.is_empty() {
        return failed("*.toml", "there must be at least one plane".to_owned());
    }
    let mut names = BTreeSet::new();
    let mut units = BTreeSet::new();
    for plane in &all.planes {
        if let Some(what) = plane_fault(plane) {
            return failed(&plane.name, what);
        }
        if !names.insert(plane.name.as_str()) {
            return failed(&plane.name, "a name stands for one plane".to_owned());
        }
        if let Some(unit) = plane.units.iter().find(|unit| !units.insert(unit.name.as_str())) {
            return failed(&plane.name, format!("{} is in two planes", unit.name));
        }
    }
    let sum: u32 = all.planes.iter().map(|plane| u32::from(plane.memory.low)).sum();
    if sum > 80 {
        return failed("*.toml", format!("memory.low is {sum} % in all, at most 80 may be held"));
    }
    let mut keys = BTreeSet::new();
    for sysctl in &all.sysctls {
        let fault = sysctl_fault(sysctl, &names).or_else(|| {
            let missing =
                sysctl.needs.iter().find(|key| !all.sysctls.iter().any(|one| one.key == **key));
            missing.map(|key| format!("needs {key}, which no profile has"))
        });
        if let Some(what) = fault {
            return failed(&sysctl.key, what);
        }
        if !keys.insert(sysctl.key.as_str()) {
            return failed(&sysctl.key, "a key stands once; planes share it".to_owned());
        }
    }
    Ok(())
}

fn plane_fault(plane: &Plane) -> Option<String> {
    // A dash would make another level of slices.
    let simple = |text: &str| {
        !text.is_empty() && text.len() <= 32 && text.bytes().all(|one| one.is_ascii_lowercase())
    };
    let memory = &plane.memory;
    if !simple(&plane.name) {
        return Some("a name is 1 to 32 lower-case letters".to_owned());
    }
    if plane.cpus.share == 0 || !(1..=10_000).contains(&plane.cpus.weight) {
        return Some("cpus.share is at least 1, cpus.weight 1 to 10000".to_owned());
    }
    if !(memory.low <= memory.max && (1..=100).contains(&memory.max)) {
        return Some("memory is low <= max <= 100 percent".to_owned());
    }
    let known = |unit: &str| {
        unit.strip_suffix(".service").is_some_and(|name| {
            !name.is_empty()
                && name.bytes().all(|one| one.is_ascii_alphanumeric() || b"-_@".contains(&one))
        })
    };
    let wrong = plane.units.iter().find(|unit| {
        !known(&unit.name) || unit.nofile < 1024 || unit.nproc < 16 || unit.tasks < 16
    });
    wrong.map(|unit| format!("{}: a service with nofile >= 1024, nproc and tasks >= 16", unit.name))
}

fn sysctl_fault(sysctl: &Sysctl, planes: &BTreeSet<&str>) -> Option<String> {
    let key = sysctl.key.as_str();
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|one| one.is_ascii_alphanumeric() || one == b'_')
    };
    if !key.split('.').all(part) || key.len() > 128 {
        return Some("a key is words between dots".to_owned());
    }
    if !ALLOWED.iter().any(|start| key.starts_with(start))
        || NEVER.iter().any(|start| key.starts_with(start))
    {
        return Some(format!(
            "only {} may be set, and never {}",
            ALLOWED.join("*, "),
            NEVER.join("*, ")
        ));
    }
    if let Some(plane) = sysctl.planes.iter().find(|plane| !planes.contains(plane.as_str())) {
        return Some(format!("there is no plane {plane}"));
    }
    if version(&sysctl.since).is_none() {
        return Some(format!("since: `{}` is no version of a kernel", sysctl.since));
    }
    if sysctl.pod.list == List::Safe && sysctl.scope == super::Scope::Host {
        return Some("what reaches the whole machine is nothing a pod may set".to_owned());
    }
    let values: std::result::Result<Vec<u64>, String> = match sysctl.fit {
        Fit::Exactly | Fit::AtLeast | Fit::AtMost => numbers::<1>(&sysctl.value).map(Vec::from),
        Fit::Spans => numbers::<2>(&sysctl.value).and_then(|ends| {
            if ends[0] < ends[1] { Ok(Vec::from(ends)) } else { Err("runs backwards".to_owned()) }
        }),
        Fit::Includes => {
            sysctl.value.parse::<Ranges>().map(|set| set.iter().map(u64::from).collect())
        }
    };
    if key == "net.ipv4.ip_local_port_range" && !sysctl.needs.iter().any(|key| key == RESERVED) {
        return Some(format!(
            "a range of local ports must need {RESERVED}, or it swallows NodePorts"
        ));
    }
    match values {
        Err(what) => Some(format!("value: {what}")),
        Ok(values) => values
            .iter()
            .any(|value| !(u64::from(sysctl.least)..=u64::from(sysctl.most)).contains(value))
            .then(|| {
                format!(
                    "value: `{}` is not within {} to {}",
                    sysctl.value, sysctl.least, sysctl.most
                )
            }),
    }
}
