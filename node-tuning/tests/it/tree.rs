//! Trees of files as the kernel shows them, for machines that are not at hand.

use std::fs;
use std::path::Path;

use aob_node_tuning::machine::{Core, Groups, Machine};
use aob_node_tuning::ranges::Ranges;
use aob_node_tuning::root::Root;

/// A machine.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Processors, hardware threads counted.
    pub(crate) cpus: u32,
    /// NUMA nodes; as many cores each, in blocks of consecutive numbers.
    pub(crate) nodes: u32,
    /// Two threads a core, numbered n and n + half.
    pub(crate) threads: bool,
    /// Processors that are offline.
    pub(crate) offline: Ranges,
    /// Control groups.
    pub(crate) groups: u8,
}

impl Shape {
    pub(crate) fn new(cpus: u32, nodes: u32, threads: bool) -> Self {
        Self { cpus, nodes, threads, offline: Ranges::default(), groups: 2 }
    }

    fn core(&self, cpu: u32) -> u32 {
        if self.threads { cpu % (self.cpus / 2).max(1) } else { cpu }
    }

    fn node(&self, cpu: u32) -> u32 {
        let cores = if self.threads { (self.cpus / 2).max(1) } else { self.cpus };
        self.core(cpu) * self.nodes / cores
    }

    /// Writes it below a folder.
    pub(crate) fn write(&self, folder: &Path) {
        let all: Ranges = (0..self.cpus).collect();
        let online = all.without(&self.offline);
        let put = |name: &str, text: String| put(folder, name, &text);
        put("sys/devices/system/cpu/online", online.to_string());
        for cpu in online.iter() {
            let siblings: Ranges =
                online.iter().filter(|one| self.core(*one) == self.core(cpu)).collect();
            let name = format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
            put(&name, siblings.to_string());
        }
        let nodes: Ranges = (0..self.nodes).collect();
        put("sys/devices/system/node/online", nodes.to_string());
        put("sys/devices/system/node/has_memory", nodes.to_string());
        for node in nodes.iter() {
            let cpus: Ranges = online.iter().filter(|cpu| self.node(*cpu) == node).collect();
            put(&format!("sys/devices/system/node/node{node}/cpulist"), cpus.to_string());
        }
        match self.groups {
            2 => put("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids".to_owned()),
            _ => put("sys/fs/cgroup/cpuset/tasks", String::new()),
        }
        kernel(folder);
    }

    /// The machine that such a tree shows, without the tree: thousands of them are tried.
    pub(crate) fn machine(&self) -> Machine {
        let all: Ranges = (0..self.cpus).collect();
        let online = all.without(&self.offline);
        let mut cores: Vec<Core> = Vec::new();
        for cpu in online.iter() {
            if cores.iter().any(|core| core.cpus.contains(cpu)) {
                continue;
            }
            let cpus = online.iter().filter(|one| self.core(*one) == self.core(cpu)).collect();
            cores.push(Core { cpus, node: self.node(cpu) });
        }
        Machine {
            kernel: (6, 1, 0),
            boot: "8b3f0c5e-0000-4000-8000-000000000001".to_owned(),
            cores,
            memory: (0..self.nodes).collect(),
            groups: if self.groups == 2 { Groups::V2 } else { Groups::V1 },
            kubelet: false,
        }
    }

    /// The same, read from a tree.
    pub(crate) fn read(&self) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path());
        Machine::read(&Root::new(folder.path())).unwrap()
    }
}

/// The mission's machine: node 0 has 0-7 and 16-19, node 1 has 8-15.
pub(crate) fn mission(folder: &Path) {
    Shape::new(20, 2, false).write(folder);
    put(folder, "sys/devices/system/node/node0/cpulist", "0-7,16-19");
    put(folder, "sys/devices/system/node/node1/cpulist", "8-15");
}

/// A recorded machine below a folder: lines `FILE=VALUE`.
pub(crate) fn put_all(text: &str, folder: &Path) {
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        put(folder, name, value);
    }
    kernel(folder);
}

/// Linux 6.1 with its defaults.
fn kernel(folder: &Path) {
    for (key, value) in [
        ("kernel/osrelease", "6.1.0-13-cloud-amd64"),
        ("kernel/random/boot_id", "8b3f0c5e-0000-4000-8000-000000000001"),
        ("net/ipv4/ip_local_port_range", "32768\t60999"),
        ("net/ipv4/ip_local_reserved_ports", ""),
        ("net/ipv4/tcp_fin_timeout", "60"),
        ("net/ipv4/tcp_tw_reuse", "2"),
        ("net/ipv4/tcp_max_syn_backlog", "512"),
        ("net/core/somaxconn", "4096"),
        ("net/core/netdev_max_backlog", "1000"),
        ("fs/inotify/max_user_instances", "128"),
        ("vm/overcommit_memory", "0"),
    ] {
        put(folder, &format!("proc/sys/{key}"), value);
    }
}

pub(crate) fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("{text}\n")).unwrap();
}

pub(crate) fn get(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default().trim().to_owned()
}

/// Every file below a folder with its text.
pub(crate) fn all(folder: &Path) -> std::collections::BTreeMap<String, String> {
    fn walk(base: &Path, folder: &Path, all: &mut std::collections::BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(base, &path, all);
            } else {
                let name = path.strip_prefix(base).unwrap().display().to_string();
                // The kernel shows a tab where a space was written.
                let text = fs::read_to_string(&path).unwrap().replace('\t', " ");
                all.insert(name, text.trim().to_owned());
            }
        }
    }
    let mut files = std::collections::BTreeMap::new();
    walk(folder, folder, &mut files);
    files.remove("var/lib/aob/node-tuning/lock");
    files
}
