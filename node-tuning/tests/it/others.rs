//! What is somebody else's is refused, or left alone.

use aob_node_tuning::apply::{apply, revert};
use aob_node_tuning::machine::Machine;
use aob_node_tuning::plan::{Aim, Plan, Verdict};
use aob_node_tuning::problem::{Problem, Result};
use aob_node_tuning::profile::Profiles;
use aob_node_tuning::root::Root;
use aob_node_tuning::state::Lock;

use crate::tree::{all, get, mission, put};

fn quiet(_: &str) -> Result<()> {
    Ok(())
}

fn verdict(root: &Root, key: &str, aim: &Aim) -> Verdict {
    let machine = Machine::read(root).unwrap();
    let plan = Plan::make(root, &machine, &Profiles::built_in().unwrap(), aim).unwrap();
    plan.sysctls.into_iter().find(|one| one.key == key).unwrap().verdict
}

#[test]
fn a_setting_in_an_administrator_s_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let root = Root::new(folder.path());
    put(folder.path(), "etc/sysctl.d/10-site.conf", "# site\n-net/ipv4/tcp_fin_timeout = 90");
    let before = all(folder.path());
    let refused = apply(&root, &Profiles::built_in().unwrap(), &Aim::default(), false, &mut quiet);
    let Err(Problem::Owned { what, owner }) = refused else { panic!("{refused:?}") };
    assert_eq!(
        (what.as_str(), owner.as_str()),
        ("net.ipv4.tcp_fin_timeout = 60", "/etc/sysctl.d/10-site.conf")
    );
    assert_eq!(all(folder.path()), before, "refused, and something changed");
    // Asked to, it applies the rest.
    let done =
        apply(&root, &Profiles::built_in().unwrap(), &Aim::default(), true, &mut quiet).unwrap();
    assert_eq!(done.left, ["net.ipv4.tcp_fin_timeout = 60 belongs to /etc/sysctl.d/10-site.conf"]);
    assert_eq!(get(folder.path(), "proc/sys/net/ipv4/tcp_fin_timeout"), "60");
    assert_eq!(get(folder.path(), "proc/sys/net/ipv4/tcp_tw_reuse"), "1");
    revert(&root, &mut quiet).unwrap();
    assert_eq!(all(folder.path()), before);
}

#[test]
fn the_strongest_file_of_a_name_counts_and_a_distribution_s_does_not() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let root = Root::new(folder.path());
    let key = "net.ipv4.tcp_fin_timeout";
    put(folder.path(), "usr/lib/sysctl.d/50-default.conf", &format!("{key} = 90"));
    assert_eq!(verdict(&root, key, &Aim::default()), Verdict::Change);
    put(folder.path(), "run/sysctl.d/70-x.conf", &format!("{key} = 90"));
    assert_eq!(
        verdict(&root, key, &Aim::default()),
        Verdict::Owned("/run/sysctl.d/70-x.conf".to_owned())
    );
    // A file of the same name in /etc stands in its place; what it asks for fits.
    put(folder.path(), "etc/sysctl.d/70-x.conf", &format!("{key} = 20"));
    assert_eq!(verdict(&root, key, &Aim::default()), Verdict::Change);
    put(folder.path(), "etc/sysctl.conf", &format!("{key}=120"));
    assert_eq!(verdict(&root, key, &Aim::default()), Verdict::Owned("/etc/sysctl.conf".to_owned()));
}

#[test]
fn what_an_administrator_raised_keeps_its_file() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let root = Root::new(folder.path());
    put(folder.path(), "etc/sysctl.d/10-site.conf", "fs.inotify.max_user_instances = 65536");
    put(folder.path(), "proc/sys/fs/inotify/max_user_instances", "65536");
    apply(&root, &Profiles::built_in().unwrap(), &Aim::default(), false, &mut quiet).unwrap();
    assert!(!get(folder.path(), "etc/sysctl.d/99-zz-aob.conf").contains("inotify"));
}

#[test]
fn the_kubelet_s_settings_are_its_own() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    put(folder.path(), "var/lib/kubelet/config.yaml", "kind: KubeletConfiguration");
    let root = Root::new(folder.path());
    let aim = Aim { also: vec!["vm.overcommit_memory".to_owned()], ..Aim::default() };
    assert_eq!(verdict(&root, "vm.overcommit_memory", &aim), Verdict::Owned("kubelet".to_owned()));
    std::fs::remove_file(folder.path().join("var/lib/kubelet/config.yaml")).unwrap();
    assert_eq!(verdict(&root, "vm.overcommit_memory", &aim), Verdict::Change);
}

#[test]
fn on_a_node_network_namespaces_are_the_pods_and_processors_the_kubelet_s() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let root = Root::new(folder.path());
    let aim = Aim { kubernetes: true, ..Aim::default() };
    let machine = Machine::read(&root).unwrap();
    let plan = Plan::make(&root, &machine, &Profiles::built_in().unwrap(), &aim).unwrap();
    let changed: Vec<&str> = plan
        .sysctls
        .iter()
        .filter(|one| one.verdict == Verdict::Change)
        .map(|one| one.key.as_str())
        .collect();
    assert_eq!(changed, ["fs.inotify.max_user_instances"]);
    let files: Vec<&str> = plan.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(files, ["etc/sysctl.d/99-zz-aob.conf"]);
}

#[test]
fn a_range_without_its_reserved_ports_is_not_applied() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let root = Root::new(folder.path());
    std::fs::remove_file(folder.path().join("proc/sys/net/ipv4/ip_local_reserved_ports")).unwrap();
    let verdict = verdict(&root, "net.ipv4.ip_local_port_range", &Aim::default());
    let Verdict::Left(why) = verdict else { panic!("{verdict:?}") };
    assert!(why.contains("ip_local_reserved_ports"), "{why}");
}

#[test]
fn other_node_ports_are_reserved_instead() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let root = Root::new(folder.path());
    put(folder.path(), "proc/sys/net/ipv4/ip_local_reserved_ports", "8080");
    let aim = Aim { node_ports: Some("20000-22767".parse().unwrap()), ..Aim::default() };
    apply(&root, &Profiles::built_in().unwrap(), &aim, false, &mut quiet).unwrap();
    assert_eq!(get(folder.path(), "proc/sys/net/ipv4/ip_local_reserved_ports"), "8080,20000-22767");
}

#[test]
fn an_old_kernel_and_a_foreign_file() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let root = Root::new(folder.path());
    put(folder.path(), "proc/sys/kernel/osrelease", "4.18.0-500.el8");
    assert_eq!(
        verdict(&root, "net.ipv4.tcp_tw_reuse", &Aim::default()),
        Verdict::Left("needs Linux 4.19".to_owned())
    );
    put(folder.path(), "etc/sysctl.d/99-zz-aob.conf", "net.core.somaxconn = 1");
    let refused = apply(&root, &Profiles::built_in().unwrap(), &Aim::default(), true, &mut quiet);
    assert!(matches!(refused, Err(Problem::Owned { .. })), "{refused:?}");
}

#[test]
fn one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let root = Root::new(folder.path());
    let lock = Lock::take(&root).unwrap();
    let refused = apply(&root, &Profiles::built_in().unwrap(), &Aim::default(), false, &mut quiet);
    assert!(matches!(refused, Err(Problem::Busy { .. })), "{refused:?}");
    drop(lock);
    apply(&root, &Profiles::built_in().unwrap(), &Aim::default(), false, &mut quiet).unwrap();
}
