//! Processors: snapshots of named machines, and laws on every machine of a few thousand.

use std::fmt::{Debug, Write as _};

use aob_node_tuning::division::{Division, divide};
use aob_node_tuning::machine::Machine;
use aob_node_tuning::profile::Profiles;
use aob_node_tuning::ranges::Ranges;
use aob_node_tuning::root::Root;

use crate::tree::{Shape, mission};

fn divided(machine: &Machine) -> String {
    aob_node_tuning::render::machine(&divide(machine, &Profiles::built_in().unwrap()))
}

#[test]
fn the_mission_s_machine() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let machine = Machine::read(&Root::new(folder.path())).unwrap();
    // The mission's plan but for processor 0, which it leaves to nobody: the system has to live too.
    assert_eq!(
        divided(&machine),
        "processors  system   0   memory of node 0\n\
         processors  control  1-7   memory of node 0\n\
         processors  runner   8-15   memory of node 1\n\
         processors  fanout   16-19   memory of node 0\n"
    );
}

/// As many real machines number them: the second threads after all the first ones. `machines/` has the other way.
#[test]
fn second_threads_after_the_first() {
    let mut text = String::new();
    for (cpus, nodes, offline) in
        [(8, 1, ""), (8, 4, ""), (20, 2, ""), (20, 2, "1,5,9"), (64, 1, ""), (64, 4, "")]
    {
        let shape = Shape { offline: offline.parse().unwrap(), ..Shape::new(cpus, nodes, true) };
        assert_eq!(shape.read(), shape.machine(), "{shape:?}");
        let _ = writeln!(text, "{cpus} CPUs, {nodes} node(s), offline: {offline}");
        let _ = writeln!(text, "{}", divided(&shape.read()));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn on_no_machine_is_a_part_empty_or_shared_or_a_core_torn() {
    let profiles = Profiles::built_in().unwrap();
    let subsets: Vec<Profiles> = [
        &["control", "runner", "fanout"][..],
        &["runner"],
        &["control", "fanout"],
        &["runner", "fanout"],
    ]
    .map(|names| {
        profiles
            .clone()
            .only(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
            .unwrap()
    })
    .into();
    let mut tried = 0;
    for cpus in (1..=40).chain([48, 64, 96, 128, 256]) {
        for nodes in [1, 2, 3, 4, 8] {
            for threads in [false, true] {
                for offline in ["", "0", "1-3", "2,7,11"] {
                    let offline: Ranges = offline.parse().unwrap();
                    let cores = if threads { cpus / 2 } else { cpus };
                    if (threads && cpus % 2 == 1) || cores < nodes || offline.len() as u32 >= cpus {
                        continue;
                    }
                    let shape = Shape { offline, ..Shape::new(cpus, nodes, threads) };
                    let machine = shape.machine();
                    for profiles in &subsets {
                        judge(&machine, profiles, &shape);
                        tried += 1;
                    }
                }
            }
        }
    }
    assert!(tried > 2_000, "only {tried} machines");
}

/// Nothing empty, shared, torn or lost, and something left to the system.
pub(crate) fn judge(machine: &Machine, profiles: &Profiles, shape: &dyn Debug) {
    let Division::Own { system, planes } = divide(machine, profiles) else {
        assert!(machine.cores.len() <= profiles.planes.len(), "{shape:?} is shared");
        return;
    };
    assert_eq!(planes.len(), profiles.planes.len());
    let parts: Vec<_> = std::iter::once(&system).chain(&planes).collect();
    let mut seen = Ranges::default();
    for part in &parts {
        assert!(!part.cpus.is_empty(), "{shape:?}: {} is empty", part.name);
        assert!(!part.cpus.meets(&seen), "{shape:?}: {} overlaps", part.name);
        seen.add(&part.cpus);
        for core in &machine.cores {
            assert!(
                part.cpus.covers(&core.cpus) || !part.cpus.meets(&core.cpus),
                "{shape:?}: {} has half of core {}",
                part.name,
                core.cpus
            );
        }
    }
    assert_eq!(seen, machine.cpus(), "{shape:?}: processors are lost");
    // No plane has less than a third of its share, however odd the nodes.
    let sum: usize = profiles.planes.iter().map(|plane| usize::from(plane.cpus.share)).sum();
    for (part, plane) in planes.iter().zip(&profiles.planes) {
        let share = machine.cores.len() * usize::from(plane.cpus.share) / sum;
        let cores = machine.cores.iter().filter(|core| part.cpus.covers(&core.cpus)).count();
        assert!(cores * 3 >= share, "{shape:?}: {} has {cores} of {share} cores", part.name);
    }
}

#[test]
fn control_and_runner_are_on_different_nodes_where_there_are_two() {
    for (cpus, threads) in [(8, false), (16, true), (20, false), (64, true), (128, true)] {
        let Division::Own { planes, .. } =
            divide(&Shape::new(cpus, 2, threads).machine(), &Profiles::built_in().unwrap())
        else {
            panic!("{cpus} are shared");
        };
        let memory: Vec<String> = planes.iter().map(|part| part.memory.to_string()).collect();
        assert_eq!(memory[..2], ["0", "1"], "{cpus} {threads}");
    }
}
