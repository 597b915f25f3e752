//! What a kernel shows of many machines, recorded for the tests of plans.
//!
//! Every machine: `cargo xtask machines --record`. In each test run one is looked at again.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::qemu;

/// A boot of 64 emulated processors takes a minute, beside other work several.
const LIMIT: Duration = Duration::from_secs(600);

/// A machine, and the name of its record.
struct Machine {
    name: String,
    /// Hardware threads.
    cpus: u32,
    nodes: u32,
    /// Threads of a core.
    threads: u32,
    /// The kernel's switch against the second threads.
    nosmt: bool,
    /// The last node has processors only.
    bare: bool,
}

impl Machine {
    fn new(cpus: u32, nodes: u32, smt: &str) -> Self {
        Self {
            name: format!("{cpus}-{nodes}{smt}"),
            cpus,
            nodes,
            threads: if smt.is_empty() { 1 } else { 2 },
            nosmt: smt == "-nosmt",
            bare: false,
        }
    }

    /// Processors of a node: whole cores, in blocks.
    fn node(&self, node: u32) -> (u32, u32) {
        let cores = self.cpus / self.threads;
        let first = |node: u32| (cores * node).div_ceil(self.nodes) * self.threads;
        (first(node), first(node + 1) - 1)
    }

    fn arguments(&self) -> Vec<String> {
        let cores = self.cpus / self.threads;
        let sockets = if cores.is_multiple_of(self.nodes) { self.nodes } else { 1 };
        let shape = format!(
            "{},sockets={sockets},cores={},threads={}",
            self.cpus,
            cores / sockets,
            self.threads
        );
        // One thread of qemu for all: processors that wait cost nothing. An AMD would have no threads.
        let mut arguments = [
            "-accel",
            "tcg,thread=single",
            "-cpu",
            "max,vendor=GenuineIntel",
            "-m",
            "1024",
            "-smp",
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.push(shape);
        let with_memory = self.nodes - u32::from(self.bare);
        for node in 0..self.nodes {
            let (first, last) = self.node(node);
            let mut words = format!("node,nodeid={node},cpus={first}-{last}");
            if node < with_memory {
                let size = 1_024 / with_memory;
                arguments.push("-object".to_owned());
                arguments.push(format!("memory-backend-ram,id=m{node},size={size}M"));
                let _ = write!(words, ",memdev=m{node}");
            }
            arguments.extend(["-numa".to_owned(), words]);
        }
        arguments
    }

    /// Processors that go: the second, and the last quarter, which may be a whole node.
    fn offline(&self) -> String {
        let quarter = self.cpus - self.cpus / 4..self.cpus;
        let gone = std::iter::once(1).chain(quarter).filter(|cpu| *cpu > 0 && *cpu < self.cpus);
        gone.map(|cpu| cpu.to_string()).collect::<Vec<_>>().join(",")
    }

    /// What the kernel shows, in sections.
    fn shown(&self, image: &Path) -> String {
        let smt = if self.nosmt { "nosmt" } else { "" };
        let words = format!("rdinit=/trees.sh offline={} {smt}", self.offline());
        let said = qemu::boot(&self.arguments(), image, &words, LIMIT);
        let mut text = String::new();
        for section in ["online", "offline", "v1", "v2"] {
            let files = said.get(section).unwrap_or_else(|| panic!("{}: no {section}", self.name));
            let _ = write!(text, "[{section}]\n{}", files.replace(';', "\n"));
        }
        text
    }
}

fn every() -> Vec<Machine> {
    let mut machines = Vec::new();
    for cpus in [1, 2, 4, 8, 20, 64] {
        for nodes in [1, 2, 4] {
            for smt in ["", "-smt", "-nosmt"] {
                let machine = Machine::new(cpus, nodes, smt);
                if cpus / machine.threads >= nodes {
                    machines.push(machine);
                }
            }
        }
    }
    machines.push(Machine { bare: true, name: "8-2-bare".to_owned(), ..Machine::new(8, 2, "") });
    machines
}

#[test]
fn kernels_show_what_is_recorded() {
    let all = std::env::var_os("AOB_RECORD").is_some();
    let folder = tempfile::tempdir().unwrap();
    let image = qemu::bare(folder.path(), "trees.sh");
    let records = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/machines"));
    for machine in every().into_iter().filter(|machine| all || machine.name == "8-4-smt") {
        let path = records.join(format!("{}.txt", machine.name));
        let shown = machine.shown(&image);
        if all {
            fs::write(&path, &shown).unwrap();
        }
        assert_eq!(shown, fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
    }
}
