//! Slices and drop-ins. A slice carries keys of control groups only; limits of processes belong to services.

use std::fmt::Write as _;

use crate::division::Part;
use crate::owner::MARK;
use crate::profile::{Plane, Profiles};

/// Units that must stay off the planes' processors. A slice's processors are not its own until the others keep out.
const OTHERS: [&str; 4] = ["init.scope", "system.slice", "user.slice", "machine.slice"];

const FRESH: &str = "# @generated from node-tuning/profiles (test `what_is_made_of_profiles_is_fresh`): edit those.";

/// Units of the package: the slices, and limits of each service. Paths are below the folder of units.
pub fn package(profiles: &Profiles) -> Vec<(String, String)> {
    let low: u32 = profiles.planes.iter().map(|plane| u32::from(plane.memory.low)).sum();
    let mut files = vec![(
        "aob.slice".to_owned(),
        // A slice's MemoryLow protects as far as every slice above it grants as much.
        format!(
            "{FRESH}\n[Unit]\nDescription=AOB\nDocumentation=man:aob-node(1)\nBefore=slices.target\n\n\
             [Slice]\nMemoryAccounting=yes\nCPUAccounting=yes\nTasksAccounting=yes\nMemoryLow={low}%\n"
        ),
    )];
    for plane in &profiles.planes {
        files.push((plane.slice(), slice(plane)));
        for unit in &plane.units {
            let text = format!(
                "{FRESH}\n[Service]\nSlice={}\nLimitNOFILE={}\nLimitNPROC={}\nTasksMax={}\n",
                plane.slice(),
                unit.nofile,
                unit.nproc,
                unit.tasks
            );
            files.push((format!("{}.d/10-aob-profile.conf", unit.name), text));
        }
    }
    files
}

fn slice(plane: &Plane) -> String {
    let Plane { about, cpus, memory, tasks, .. } = plane;
    let mut text = format!(
        "{FRESH}\n[Unit]\nDescription=AOB: {about}\nDocumentation=man:aob-node(1)\nBefore=slices.target\n\n\
         [Slice]\nCPUWeight={}\n",
        cpus.weight
    );
    if memory.low > 0 {
        let _ = writeln!(text, "MemoryLow={}%", memory.low);
    }
    // No MemoryHigh: without swap it holds up all of the slice for hours where MemoryMax would kill one (measured).
    let _ = write!(text, "MemoryMax={}%\nMemorySwapMax=0\nTasksMax={}\n", memory.max, tasks.max);
    text
}

/// Drop-ins of one machine: processors for each slice, a NUMA policy for services on one node, and the rest of the
/// system kept off. Paths are from the root.
pub fn drop_ins(system: &Part, parts: &[Part], profiles: &Profiles) -> Vec<(String, String)> {
    let folder = "etc/systemd/system";
    let mut files = Vec::new();
    for (part, plane) in parts.iter().zip(&profiles.planes) {
        let mut text = format!("{MARK}\n[Slice]\nAllowedCPUs={}\n", part.cpus);
        if !part.memory.is_empty() {
            let _ = writeln!(text, "AllowedMemoryNodes={}", part.memory);
        }
        files.push((format!("{folder}/{}.d/20-aob-node.conf", plane.slice()), text));
        if part.memory.len() == 1 {
            for unit in &plane.units {
                // A mask is a list of nodes, and one outside the slice's nodes would keep the service from starting.
                let text =
                    format!("{MARK}\n[Service]\nNUMAPolicy=bind\nNUMAMask={}\n", part.memory);
                files.push((format!("{folder}/{}.d/20-aob-node.conf", unit.name), text));
            }
        }
    }
    for unit in OTHERS {
        let section = if unit.ends_with(".scope") { "Scope" } else { "Slice" };
        let text = format!("{MARK}\n[{section}]\nAllowedCPUs={}\n", system.cpus);
        files.push((format!("{folder}/{unit}.d/20-aob-node.conf"), text));
    }
    files
}
