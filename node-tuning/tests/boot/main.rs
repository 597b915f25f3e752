//! The Debian package on a whole system: 20 processors on two NUMA nodes, control groups of version 2, systemd.
//!
//! `cargo xtask machines` makes what it needs: `AOB_DEB`, the package; `AOB_GUEST`, a folder with a Debian's `root/`
//! and its kernel `vmlinuz`.

mod guest;

use std::collections::BTreeMap;

/// What the guest said.
struct Said(BTreeMap<String, String>);

impl Said {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("the guest said nothing of `{name}`"))
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

/// One boot, for it takes a minute; each part says what it proves.
#[test]
fn the_package_on_a_whole_system() {
    let said = Said(guest::boot());
    said.is("cpus", "0-19 0-7,16-19 8-15 ");
    said.is("found", FOUND);
    assert!(said.get("install").starts_with("0 "), "{}", said.get("install"));

    // Units: nothing unknown, nothing missing, and closed.
    said.is("verify", "");
    for unit in [
        "aob-gateway.service",
        "aob-coordinator.service",
        "aob-runner.service",
        "aob-runner@agent.service",
        "aob-node.service",
    ] {
        let exposure: f64 = said.get(&format!("{unit} security")).parse().unwrap();
        assert!(exposure <= 2.0, "{unit}: {exposure}");
    }

    // Settings: applied, still so after systemd-sysctl has written all files again, drift seen.
    said.is("start", "");
    said.is("applied", APPLIED);
    said.is("after_sysctl", APPLIED);
    assert!(said.get("status").starts_with("tuned "), "{}", said.get("status"));
    said.is("applied_slices", "init.scope=0;system.slice=0;user.slice=0;");
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
    assert!(drained[1].parse::<u32>().unwrap() < 60 && drained.len() == 2, "{drained:?}");
    assert!(!said.get("stopped_run").contains("succeeded"), "{}", said.get("stopped_run"));
    assert!(said.get("resumed").contains("\"outcome\":\"succeeded\""), "{}", said.get("resumed"));

    let watchdog = said.get("watchdog");
    assert!(watchdog.starts_with("restarted ") && !watchdog.ends_with(" 0"), "{watchdog}");

    // The hog is killed; nobody in the control plane noticed more than a slow moment.
    assert!(said.get("hog").ends_with("oom-kill"), "{}", said.get("hog"));
    let ping: Vec<u32> =
        said.get("ping").split_whitespace().map(|number| number.parse().unwrap()).collect();
    assert_eq!(ping[0], 0, "Redis did not answer");
    assert!(ping[1] < 5_000, "Redis took {} ms", ping[1]);
    said.is("after_hog", "active active active active ");

    // Removing the package leaves the machine as it was found.
    assert!(said.get("remove").starts_with("0 "), "{}", said.get("remove"));
    said.is("reverted", FOUND);
    said.is("reverted_slices", said.get("found_slices"));
    said.is("reverted_files", said.get("found_files"));
    said.is("survivor", "yes active");
}

/// Processors, memory nodes and limits of the processes themselves.
fn processes(said: &Said) {
    for (unit, plane, cpus, node, nofile) in [
        ("aob-gateway.service", "control", "1-7", "0", "524288"),
        ("aob-coordinator.service", "control", "1-7", "0", "65536"),
        ("aob-runner.service", "runner", "8-15", "1", "262144"),
        ("redis-server.service", "control", "1-7", "0", "65536"),
    ] {
        let of = |what: &str| said.get(&format!("{unit} {what}")).to_owned();
        assert_eq!(of("active"), "active", "{unit}");
        assert_eq!(of("cpus"), cpus, "{unit}");
        assert_eq!(of("mems"), node, "{unit}");
        assert_eq!(of("policy"), format!("bind:{node}"), "{unit}");
        assert_eq!(of("nofile"), format!("{nofile} {nofile}"), "{unit}");
        assert_eq!(of("nproc"), "8192 8192", "{unit}");
        assert_eq!(of("group"), format!("/aob.slice/aob-{plane}.slice/{unit}"));
    }
    assert_eq!(said.get("aob-runner.service tasks"), "8192");
    said.is("aob-control.slice effective", "1-7 0");
    said.is("aob-runner.slice effective", "8-15 1");
}

/// Limits of slices, in bytes: the profile's percent of the machine's memory.
fn memory(said: &Said) {
    let total: f64 = said.get("total").parse().unwrap();
    for (slice, percents) in
        [("aob-control", [15.0, 35.0, 45.0]), ("aob-runner", [0.0, 40.0, 50.0])]
    {
        let values: Vec<f64> = said
            .get(&format!("{slice}.slice memory"))
            .split_whitespace()
            .map(|value| value.parse().unwrap())
            .collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        assert_eq!(values.len(), 3, "{values:?}");
        for (value, percent) in sorted.iter().zip(percents) {
            let off = (value - total * percent / 100.0).abs();
            assert!(off < total * 0.02, "{slice}: {value} is not {percent} % of {total}");
        }
    }
}
