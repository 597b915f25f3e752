//! Whatever happens between apply and revert, the machine is as it was found.

use std::path::Path;

use aob_node_tuning::apply::{apply, revert};
use aob_node_tuning::plan::Aim;
use aob_node_tuning::problem::{Problem, Result};
use aob_node_tuning::profile::Profiles;
use aob_node_tuning::root::Root;
use aob_node_tuning::status::Status;

use crate::tree::{all, get, mission, put};

fn quiet(_: &str) -> Result<()> {
    Ok(())
}

/// Ends before the step with this number, as a kill would.
fn until(last: usize) -> impl FnMut(&str) -> Result<()> {
    let mut step = 0;
    move |name| {
        step += 1;
        if step > last { Err(Problem::Stopped(name.to_owned())) } else { Ok(()) }
    }
}

fn profiles() -> Profiles {
    Profiles::built_in().unwrap()
}

fn tuned(folder: &Path) -> Status {
    Status::read(&Root::new(folder), &profiles(), &Aim::default()).unwrap()
}

#[test]
fn applied_is_seen_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let (root, before) = (Root::new(folder.path()), all(folder.path()));
    assert!(!tuned(folder.path()).tuned());
    let done = apply(&root, &profiles(), &Aim::default(), false, &mut quiet).unwrap();
    assert!(done.left.is_empty(), "{:?}", done.left);
    assert_eq!(get(folder.path(), "proc/sys/net/ipv4/ip_local_port_range"), "20000 60999");
    assert_eq!(get(folder.path(), "proc/sys/net/ipv4/ip_local_reserved_ports"), "30000-32767");
    // Off in the profiles: left alone.
    assert_eq!(get(folder.path(), "proc/sys/net/core/somaxconn"), "4096");
    assert!(
        get(folder.path(), "etc/systemd/system/aob-runner.slice.d/20-aob-node.conf")
            .contains("AllowedCPUs=8-15")
    );
    assert!(
        get(folder.path(), "etc/systemd/system/system.slice.d/20-aob-node.conf")
            .contains("AllowedCPUs=0")
    );
    // The ports are reserved before the range takes them in.
    let at = |word: &str| done.steps.iter().position(|step| step.contains(word)).unwrap();
    assert!(at("reserved_ports") < at("port_range"));
    assert!(tuned(folder.path()).tuned(), "{:?}", tuned(folder.path()));
    assert!(
        apply(&root, &profiles(), &Aim::default(), false, &mut quiet).unwrap().steps.is_empty(),
        "a second apply does something"
    );
    revert(&root, &mut quiet).unwrap();
    assert_eq!(all(folder.path()), before);
    assert!(revert(&root, &mut quiet).unwrap().steps.is_empty());
}

#[test]
fn a_kill_between_any_two_steps_loses_nothing() {
    let mut kills = 0;
    for last in 0.. {
        let folder = tempfile::tempdir().unwrap();
        mission(folder.path());
        let (root, before) = (Root::new(folder.path()), all(folder.path()));
        let applied = apply(&root, &profiles(), &Aim::default(), false, &mut until(last));
        // Half of the kills are followed by a second apply, which is killed too.
        if last % 2 == 1 && applied.is_err() {
            drop(apply(&root, &profiles(), &Aim::default(), false, &mut until(last / 2)));
        }
        // The revert is killed at every step as well, and called again until it is through.
        let mut longest = 0;
        while revert(&root, &mut until(longest)).is_err() {
            longest += 1;
            kills += 1;
        }
        assert_eq!(all(folder.path()), before, "killed before step {last}");
        if applied.is_ok() {
            break;
        }
        kills += 1;
    }
    assert!(kills > 100, "only {kills} kills");
}

#[test]
fn what_somebody_changed_since_is_left_to_them() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let root = Root::new(folder.path());
    apply(&root, &profiles(), &Aim::default(), false, &mut quiet).unwrap();
    put(folder.path(), "proc/sys/net/ipv4/tcp_fin_timeout", "45");
    put(folder.path(), "etc/systemd/system/user.slice.d/20-aob-node.conf", "# mine");
    let status = tuned(folder.path());
    assert!(!status.tuned());
    let drift: Vec<&str> = status.drift.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(
        drift,
        ["net.ipv4.tcp_fin_timeout", "/etc/systemd/system/user.slice.d/20-aob-node.conf"]
    );
    let done = revert(&root, &mut quiet).unwrap();
    assert_eq!(done.left.len(), 2, "{:?}", done.left);
    assert_eq!(get(folder.path(), "proc/sys/net/ipv4/tcp_fin_timeout"), "45");
    assert_eq!(get(folder.path(), "proc/sys/net/ipv4/tcp_tw_reuse"), "2");
}

#[test]
fn a_lower_value_than_wanted_is_no_drift() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let root = Root::new(folder.path());
    apply(&root, &profiles(), &Aim::default(), false, &mut quiet).unwrap();
    put(folder.path(), "proc/sys/net/ipv4/tcp_fin_timeout", "15");
    assert!(tuned(folder.path()).drift.is_empty());
}

#[test]
fn after_a_boot_what_was_found_first_stays() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let root = Root::new(folder.path());
    let before = all(folder.path());
    apply(&root, &profiles(), &Aim::default(), false, &mut quiet).unwrap();
    // A boot: the kernel's defaults; systemd-sysctl has applied our file but for one value, which is found anew.
    put(folder.path(), "proc/sys/kernel/random/boot_id", "8b3f0c5e-0000-4000-8000-000000000002");
    put(folder.path(), "proc/sys/fs/inotify/max_user_instances", "256");
    assert!(!tuned(folder.path()).tuned());
    apply(&root, &profiles(), &Aim::default(), false, &mut quiet).unwrap();
    assert!(tuned(folder.path()).tuned());
    revert(&root, &mut quiet).unwrap();
    let mut expected = before;
    expected.insert(
        "proc/sys/kernel/random/boot_id".to_owned(),
        "8b3f0c5e-0000-4000-8000-000000000002".to_owned(),
    );
    expected.insert("proc/sys/fs/inotify/max_user_instances".to_owned(), "256".to_owned());
    assert_eq!(all(folder.path()), expected);
}

#[test]
fn fewer_planes_put_back_what_only_the_others_wanted() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let root = Root::new(folder.path());
    apply(&root, &profiles(), &Aim::default(), false, &mut quiet).unwrap();
    let runner = profiles().only(&["runner".to_owned()]).unwrap();
    apply(&root, &runner, &Aim::default(), false, &mut quiet).unwrap();
    assert_eq!(
        get(folder.path(), "proc/sys/net/ipv4/tcp_fin_timeout"),
        "60",
        "only fan-out wanted it"
    );
    assert_eq!(get(folder.path(), "proc/sys/net/ipv4/tcp_tw_reuse"), "1");
    assert!(!folder.path().join("etc/systemd/system/aob-control.slice.d").exists());
    assert!(!get(folder.path(), "etc/sysctl.d/99-zz-aob.conf").contains("fin_timeout"));
}
