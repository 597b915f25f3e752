//! The program itself: what it prints, how it ends, and on this machine's kernel within a network namespace.

use std::path::Path;
use std::process::{Command, Output};

use crate::tree::{all, get, mission, put};

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aob-node"));
    command.env_remove("RUST_LOG");
    command
}

fn run(root: &Path, arguments: &[&str]) -> Output {
    program().arg("--root").arg(root).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What `plan` says of a machine's processors: its division, then the sets that systemd gets of it, by file.
pub(crate) fn planned(root: &Path) -> (String, Vec<(String, String)>) {
    let plan = run(root, &["plan"]);
    assert!(plan.status.success(), "{}", text(&plan.stderr));
    let plan = text(&plan.stdout);
    let (mut division, mut sets, mut file) = (String::new(), Vec::new(), "");
    for line in plan.lines() {
        if let Some(path) = line.strip_prefix("/etc/systemd/system/") {
            file = path.split('/').next().unwrap();
        } else if line.starts_with("processors") || line.contains("not written") {
            division.push_str(line.trim_start());
            division.push('\n');
        } else if let Some(set) = line.strip_prefix("+ AllowedCPUs=") {
            sets.push((file.to_owned(), set.to_owned()));
        }
    }
    (division, sets)
}

#[test]
fn the_difference_is_shown_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    mission(folder.path());
    let before = all(folder.path());
    let plan = run(folder.path(), &["plan", "--check"]);
    assert_eq!(plan.status.code(), Some(3));
    insta::assert_snapshot!(text(&plan.stdout));
    assert_eq!(all(folder.path()), before);
    let applied = run(folder.path(), &["apply"]);
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    let said = text(&applied.stderr);
    let shown = said.find("+ net.ipv4.tcp_fin_timeout = 30").unwrap();
    let done = said.find("net.ipv4.tcp_fin_timeout: 60 -> 30").unwrap();
    assert!(shown < done, "{said}");
    let status = run(folder.path(), &["status"]);
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stdout));
    assert!(text(&status.stdout).starts_with("tuned   profiles sha256:"));
    assert_eq!(run(folder.path(), &["plan", "--check"]).status.code(), Some(0));
    let reverted = run(folder.path(), &["revert"]);
    assert!(reverted.status.success());
    assert_eq!(all(folder.path()), before);
    let status = run(folder.path(), &["status", "-o", "json"]);
    assert_eq!(status.status.code(), Some(3));
    let value: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(value["applied"], false);
}

#[test]
fn errors_say_the_rule_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let empty = run(folder.path(), &["plan"]);
    assert_eq!(empty.status.code(), Some(1));
    let said = text(&empty.stderr);
    assert!(
        said.starts_with("error: ") && said.contains("rule: ") && said.contains("help: "),
        "{said}"
    );
    mission(folder.path());
    let unknown = run(folder.path(), &["plan", "--planes", "runner,nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        text(&unknown.stderr).contains("only control, runner, fanout"),
        "{}",
        text(&unknown.stderr)
    );
    put(folder.path(), "sys/devices/system/cpu/online", "0-x");
    let odd = run(folder.path(), &["plan"]);
    assert!(
        text(&odd.stderr).contains("sys/devices/system/cpu/online: `x` is no number"),
        "{}",
        text(&odd.stderr)
    );
    assert_eq!(run(folder.path(), &["frobnicate"]).status.code(), Some(2));
}

#[test]
fn a_small_machine_and_one_with_old_control_groups_say_why() {
    let folder = tempfile::tempdir().unwrap();
    crate::tree::Shape { groups: 1, ..crate::tree::Shape::new(8, 1, false) }.write(folder.path());
    let plan = text(&run(folder.path(), &["plan"]).stdout);
    assert!(
        plan.contains(
            "not written: slices have processors of their own in control groups of version 2 only"
        ),
        "{plan}"
    );
    assert!(!plan.contains("AllowedCPUs"), "{plan}");
    let small = tempfile::tempdir().unwrap();
    crate::tree::Shape::new(2, 1, false).write(small.path());
    let plan = text(&run(small.path(), &["plan"]).stdout);
    assert!(
        plan.contains("shared by weight: 2 core(s) are too few for 3 plane(s) and the system"),
        "{plan}"
    );
}

/// The real kernel: in a network namespace of its own, with settings of network namespaces only.
#[test]
fn this_kernel_takes_them_and_gives_them_back() {
    let folder = tempfile::tempdir().unwrap();
    let profiles = folder.path().join("profiles");
    std::fs::create_dir(&profiles).unwrap();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles")).unwrap() {
        let path = entry.unwrap().path();
        let mut text = std::fs::read_to_string(&path).unwrap();
        if path.ends_with("sysctls.toml") {
            // What reaches the whole machine stays out of this test.
            let parts = text.split("[[sysctl]]").filter(|part| !part.contains("scope = \"host\""));
            text = parts.collect::<Vec<_>>().join("[[sysctl]]");
        }
        std::fs::write(profiles.join(path.file_name().unwrap()), text).unwrap();
    }
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("etc/sysctl.d")).unwrap();
    std::os::unix::fs::symlink("/proc", root.join("proc")).unwrap();
    std::os::unix::fs::symlink("/sys", root.join("sys")).unwrap();
    let script = r#"
        set -e
        node="$1 --root $2 --profiles $3 --also net.core.somaxconn,net.ipv4.tcp_max_syn_backlog"
        values() { cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/net/ipv4/ip_local_reserved_ports \
            /proc/sys/net/ipv4/tcp_fin_timeout /proc/sys/net/ipv4/tcp_tw_reuse /proc/sys/net/core/somaxconn \
            /proc/sys/net/ipv4/tcp_max_syn_backlog | tr '\t\n' ' ;'; echo; }
        values
        $node apply >&2
        values
        $node status >&2
        $node revert >&2
        values
    "#;
    let output = Command::new("unshare")
        .args(["--net", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_aob-node")])
        .args([&root, &profiles])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert_eq!(lines[1], "20000 60999;30000-32767;30;1;16384;8192;");
    assert_ne!(lines[0], lines[1]);
    assert_eq!(lines[0], lines[2], "not as found");
    assert_eq!(get(&root, "etc/sysctl.d/99-zz-aob.conf"), "");
}
