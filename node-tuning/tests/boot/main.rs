//! The Debian package on a whole system: 20 processors on two NUMA nodes, control groups of version 2, systemd.
//!
//! `cargo xtask machines` makes what it needs: `AOB_DEB`, the package; `AOB_GUEST`, a folder with a Debian's `root/`
//! and its kernel `vmlinuz`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what it expects, and panics"
)]

mod guest;
mod memory;
mod qemu;
mod trees;

use std::collections::BTreeMap;

/// What the guest said.
struct Said(BTreeMap<String, String>);

impl Said {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("the guest said nothing of `{name}`"))
    }

    fn has(&self, name: &str, parts: &[&str]) {
        let text = self.get(name);
        assert!(parts.iter().all(|part| text.contains(part)), "{name}: {parts:?}: {text}");
    }

    fn is(&self, name: &str, expected: &str) {
        assert_eq!(self.get(name), expected, "{name}");
    }
}

const FOUND: &str = "net.ipv4.ip_local_port_range=32768 60999;net.ipv4.ip_local_reserved_ports=;\
    net.ipv4.tcp_fin_timeout=60;net.ipv4.tcp_tw_reuse=2;net.core.somaxconn=4096;\
    fs.inotify.max_user_instances=128;vm.overcommit_memory=0;";
const APPLIED: &str = "net.ipv4.ip_local_port_range=20000 60999;net.ipv4.ip_local_reserved_ports=30000-32767;\
    net.ipv4.tcp_fin_timeout=30;net.ipv4.tcp_tw_reuse=1;net.core.somaxconn=4096;\
    fs.inotify.max_user_instances=8192;vm.overcommit_memory=0;";

const UNITS: [(&str, &str, &str, &str, &str, &str); 6] = [
    ("aob-gateway.service", "control", "1-7", "0", "524288", "1024"),
    ("aob-coordinator.service", "control", "1-7", "0", "65536", "1024"),
    ("redis-server.service", "control", "1-7", "0", "65536", "1024"),
    ("aob-runner.service", "runner", "8-15", "1", "262144", "8192"),
    ("aob-runner@agent.service", "runner", "8-15", "1", "65536", "8192"),
    ("aob-fanout.service", "fanout", "16-19", "0", "524288", "1024"),
];

/// One boot, for it takes minutes; each part says what it proves.
#[test]
fn the_package_on_a_whole_system() {
    let said = Said(guest::boot());
    said.is("cpus", "0-19 0-7,16-19 8-15 ");
    recorded(said.get("tree"));
    said.is("found", FOUND);
    assert!(said.get("install").starts_with("0 "), "{}", said.get("install"));
    said.is("pages", "7");

    // Units: nothing unknown, nothing missing, and closed.
    said.is("verify", "");
    let packaged = UNITS.iter().map(|unit| unit.0).filter(|unit| unit.starts_with("aob"));
    for unit in packaged.chain(["aob-node.service"]) {
        let exposure: f64 = said.get(&format!("{unit} security")).parse().unwrap();
        assert!(exposure <= 2.0, "{unit}: {exposure}");
    }

    // Settings: applied, still so after systemd-sysctl has written all files again, drift seen.
    said.is("node_start", " active");
    said.is("start", "");
    said.is("applied", APPLIED);
    said.is("after_sysctl", APPLIED);
    assert!(said.get("status").starts_with("0 tuned "), "{}", said.get("status"));
    assert_eq!(said.get("applied_slices").matches("AllowedCPUs=0 ").count(), 3);
    let drift = said.get("drift");
    assert!(
        drift.starts_with("3 degraded") && drift.contains("tcp_fin_timeout is 45, should be 30"),
        "{drift}"
    );

    processes(&said);
    memory(&said);

    // A live run: drained by the stop, nothing left behind, resumed by the start.
    said.is("busy", "yes");
    let drained: Vec<&str> = said.get("drained").split_whitespace().collect();
    assert_eq!(drained[0], "success");
    assert!(drained[1].parse::<u32>().unwrap() < 100 && drained.len() == 2, "{drained:?}");
    said.has("stopped_run", &["\"settled\":1,", "\"status\":\"running\""]);
    // What was done before is not done again.
    let once = "\"attempts\":1 ".repeat(3) + "\"done\",";
    said.has("resumed", &[&once, "\"settled\":3,", "\"status\":\"succeeded\""]);

    said.has("watchdog", &["restarted ", "NRestarts=1 ", "ActiveState=active"]);

    // The hog dies of the slice's own limit; nobody in the control plane noticed more than a slow moment.
    assert!(said.get("hog").ends_with("oom-kill"), "{}", said.get("hog"));
    let events = said.get("hog_events");
    assert!(events.contains("oom_kill 1 ") && !events.contains(" max 0 "), "{events}");
    let ping = said.get("ping");
    let [lost, worst, asked] =
        ping.split(' ').map(|one| one.parse::<u32>().unwrap()).collect::<Vec<_>>()[..]
    else {
        panic!("{ping}");
    };
    assert!(lost == 0 && asked >= 5, "lost, worst in ms, asked: {ping}");
    assert!(worst < 10_000, "the control plane took {worst} ms");
    said.is("after_hog", &"active ".repeat(UNITS.len()));

    // Removing the package leaves the machine as it was found.
    assert!(said.get("remove").starts_with("0 "), "{}", said.get("remove"));
    said.is("reverted", FOUND);
    said.is("reverted_slices", said.get("found_slices"));
    said.is("reverted_files", "");
    said.is("survivor", "yes active");
}

/// The tree that tests of plans read is what this kernel shows. `AOB_WRITE` records it anew.
fn recorded(tree: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/machines/guest.txt");
    let tree = tree.replace(';', "\n");
    if std::env::var_os("AOB_WRITE").is_some() {
        std::fs::write(path, &tree).unwrap();
    }
    assert_eq!(tree, std::fs::read_to_string(path).unwrap(), "{path}");
}

/// Processors, memory nodes and limits: as systemd shows them, and as the processes themselves have them.
fn processes(said: &Said) {
    for (unit, plane, cpus, node, nofile, tasks) in UNITS {
        let of = |what: &str| said.get(&format!("{unit} {what}"));
        let has = |what: &str, expected: &str| {
            let found = of(what);
            assert!(found.split(' ').any(|one| one == expected), "{unit}: {expected}: {found}");
        };
        for expected in [
            "ActiveState=active".to_owned(),
            format!("Slice=aob-{plane}.slice"),
            "NUMAPolicy=bind".to_owned(),
            format!("NUMAMask={node}"),
            format!("LimitNOFILE={nofile}"),
            "LimitNPROC=8192".to_owned(),
            format!("TasksMax={tasks}"),
        ] {
            has("show", &expected);
        }
        has("status", &format!("Cpus_allowed_list:{cpus}"));
        has("status", &format!("Mems_allowed_list:{node}"));
        if unit.starts_with("aob") {
            has("status", "NoNewPrivs:1");
            has("status", "Seccomp:2");
        }
        assert_eq!(of("policy"), format!("bind:{node}"), "{unit}");
        has("limits", &format!("NOFILE:{nofile}:{nofile}"));
        has("limits", "NPROC:8192:8192");
        let group = of("group");
        let (first, last) = (format!("/aob.slice/aob-{plane}.slice/"), format!("/{unit}"));
        // Instances of a template lie in a slice of the template's name.
        assert!(group.starts_with(&first) && group.ends_with(&last), "{unit}: {group}");
    }
}

/// Limits of slices, in bytes: the profile's percent of the machine's memory, in systemd and in the kernel.
fn memory(said: &Said) {
    let total: f64 = said.get("total").parse().unwrap();
    for (slice, cpus, node, low, max, weight, tasks) in [
        ("aob-control", "1-7", "0", 15.0, 45.0, "400", "4096"),
        ("aob-runner", "8-15", "1", 0.0, 45.0, "100", "16384"),
        ("aob-fanout", "16-19", "0", 5.0, 20.0, "200", "1024"),
    ] {
        let near = |found: &str, percent: f64| {
            let off = (found.parse::<f64>().unwrap() - total * percent / 100.0).abs();
            assert!(off < total * 0.01, "{slice}: {found} is not {percent} % of {total}");
        };
        let kernel = said.get(&format!("{slice}.slice kernel"));
        let [its_cpus, its_node, its_low, its_high, its_max, its_weight, its_tasks] =
            kernel.split_whitespace().collect::<Vec<_>>()[..]
        else {
            panic!("{slice}: {kernel}");
        };
        assert_eq!((its_cpus, its_node, its_weight, its_tasks), (cpus, node, weight, tasks));
        assert_eq!(its_high, "max", "{slice}: nothing is held up before it is killed");
        near(its_low, low);
        near(its_max, max);
        let shown = said.get(&format!("{slice}.slice memory"));
        let value = |key: &str| {
            shown.split(' ').find_map(|one| one.strip_prefix(key)?.strip_prefix('=')).unwrap()
        };
        near(value("MemoryLow"), low);
        near(value("MemoryMax"), max);
        assert_eq!((value("MemoryHigh"), value("MemorySwapMax")), ("infinity", "0"));
    }
}
