//! Plans for machines as their kernels showed them: `machines/`, recorded by `cargo xtask machines --record`.
//!
//! The mission's machine is `guest.txt`, recorded by the boot test; `small.txt` is a virtual machine with control groups of
//! version 1. The others are named by processors, NUMA nodes and threads: `-smt` two a core, `-nosmt` the same with the
//! kernel's switch against them, `-bare` with a node that has no memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use aob_node_tuning::division::{Division, divide};
use aob_node_tuning::machine::{Groups, Machine};
use aob_node_tuning::profile::Profiles;
use aob_node_tuning::root::Root;

use crate::command::planned;
use crate::division::judge;
use crate::tree::put_all;

/// What a kernel showed: files by section, those of no section belong to each.
struct Record {
    name: String,
    sections: BTreeMap<String, Vec<String>>,
}

impl Record {
    /// The trees that can be made of it: what is online, and which control groups.
    fn trees(&self) -> Vec<(String, String)> {
        let of = |section: &str| self.sections.get(section).cloned().unwrap_or_default();
        let common = of("");
        if self.sections.len() == 1 {
            return vec![(self.name.clone(), common.join("\n"))];
        }
        let mut trees = Vec::new();
        for shown in ["online", "offline"] {
            for groups in ["v2", "v1"] {
                let text = [of(shown), of(groups)].concat().join("\n");
                trees.push((format!("{} {shown} {groups}", self.name), text));
            }
        }
        trees
    }
}

/// All of them, by size.
fn records() -> Vec<Record> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/machines");
    let mut records: Vec<Record> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
            let mut section = String::new();
            for line in fs::read_to_string(&path).unwrap().lines() {
                if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                    name.clone_into(&mut section);
                } else {
                    sections.entry(section.clone()).or_default().push(line.to_owned());
                }
            }
            Record { name: path.file_stem().unwrap().to_string_lossy().into_owned(), sections }
        })
        .collect();
    let number = |name: &str| name.split('-').next().and_then(|first| first.parse::<u32>().ok());
    records.sort_by_key(|record| (number(&record.name), record.name.clone()));
    records
}

#[test]
fn every_recorded_machine_is_planned() {
    let profiles = Profiles::built_in().unwrap();
    let mut text = String::new();
    let mut seen = BTreeMap::new();
    for record in records() {
        for (name, files) in record.trees() {
            let folder = tempfile::tempdir().unwrap();
            put_all(&files, folder.path());
            let machine = Machine::read(&Root::new(folder.path())).unwrap();
            judge(&machine, &profiles, &name);
            let (division, sets) = planned(folder.path());
            given(&machine, &sets, &name);
            // Most machines are planned alike whatever their control groups; what is said of these is added.
            if !name.ends_with("v1") || !text.ends_with(&format!("{division}\n")) {
                let _ = write!(text, "{name}\n{division}\n");
            }
            if let [cpus, nodes, ..] = record.name.split('-').collect::<Vec<_>>()[..] {
                let online = name.contains(" online ");
                assert_eq!(name.ends_with("v2"), machine.groups == Groups::V2, "{name}");
                let all: usize = cpus.parse().unwrap();
                let half = record.name.ends_with("-nosmt");
                assert!(
                    !online || machine.cpus().len() == if half { all / 2 } else { all },
                    "{name}: {machine:?}"
                );
                *seen.entry((all, nodes.to_owned())).or_insert(0) += 1;
            }
        }
    }
    // None is missing: a record that is not there would not be missed.
    let wanted = [1, 2, 4, 8, 20, 64].into_iter().flat_map(|cpus| {
        let nodes = [1, 2, 4].into_iter().filter(move |nodes| *nodes <= cpus);
        nodes.map(move |nodes| (cpus, nodes.to_string()))
    });
    assert!(wanted.into_iter().all(|one| seen.contains_key(&one)), "{seen:?}");
    insta::assert_snapshot!(text);
}

/// Systemd gets what the plan says: a set for each plane and the system's for the rest, or none.
fn given(machine: &Machine, sets: &[(String, String)], name: &str) {
    let profiles = Profiles::built_in().unwrap();
    let mut expected = Vec::new();
    if let (Division::Own { system, planes }, Groups::V2) =
        (divide(machine, &profiles), machine.groups)
    {
        for part in planes {
            expected.push((format!("aob-{}.slice.d", part.name), part.cpus.to_string()));
        }
        for rest in ["init.scope.d", "system.slice.d", "user.slice.d", "machine.slice.d"] {
            expected.push((rest.to_owned(), system.cpus.to_string()));
        }
    }
    assert_eq!(sets, expected, "{name}");
}
