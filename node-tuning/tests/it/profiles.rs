//! Profiles: the rules they keep, and that nothing without an effect is on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aob_node_tuning::profile::Profiles;
use aob_node_tuning::render::Measured;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles"))
}

/// The files with one replacement.
fn changed(file: &str, from: &str, to: &str) -> Result<Profiles, String> {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let mut text = fs::read_to_string(&path).unwrap();
        if path.ends_with(file) {
            assert!(text.contains(from), "{file} has no `{from}`");
            text = text.replacen(from, to, 1);
        }
        fs::write(copy.path().join(path.file_name().unwrap()), text).unwrap();
    }
    Profiles::of(copy.path()).map_err(|problem| problem.to_string())
}

#[test]
fn the_files_are_what_is_built_in() {
    assert_eq!(Profiles::of(folder()).unwrap().digest, Profiles::built_in().unwrap().digest);
    let other = changed("control.toml", "share = 8", "share = 9").unwrap();
    assert_ne!(other.digest, Profiles::built_in().unwrap().digest);
}

#[test]
fn a_wrong_profile_is_refused_as_a_whole() {
    for (file, from, to, expected) in [
        ("control.toml", "name = \"control\"", "name = \"con-trol\"", "lower-case"),
        ("control.toml", "name = \"control\"", "name = \"runner\"", "stands for one plane"),
        ("control.toml", "share = 8", "share = 0", "at least 1"),
        ("control.toml", "share = 8", "shares = 8", "unknown field"),
        ("control.toml", "low = 15", "low = 99", "low <= max"),
        ("control.toml", "low = 15", "low = 15\nhigh = 20", "high"),
        ("control.toml", "aob-gateway.service", "../evil.service", "a service with"),
        ("control.toml", "aob-gateway.service", "aob-runner.service", "is in two planes"),
        ("sysctls.toml", "net.core.somaxconn", "kernel.randomize_va_space", "may be set"),
        ("sysctls.toml", "net.core.somaxconn", "net.ipv4.ip_forward", "never"),
        ("sysctls.toml", "net.core.somaxconn", "net.core.../../etc", "words between dots"),
        ("sysctls.toml", "net.core.somaxconn", "net.ipv4.tcp_tw_reuse", "stands once"),
        ("sysctls.toml", "value = \"30\"", "value = \"300\"", "not within"),
        ("sysctls.toml", "value = \"30\"", "value = \"30; x\"", "not 1 number"),
        ("sysctls.toml", "value = \"20000 60999\"", "value = \"60999 20000\"", "backwards"),
        (
            "sysctls.toml",
            "needs = [\"net.ipv4.ip_local_reserved_ports\"]",
            "needs = []",
            "swallows NodePorts",
        ),
        (
            "sysctls.toml",
            "needs = [\"net.ipv4.ip_local_reserved_ports\"]",
            "needs = [\"net.ipv4.ip_local_reserved_ports\", \"net.core.x\"]",
            "no profile has",
        ),
        ("sysctls.toml", "planes = [\"fanout\"]", "planes = [\"nobody\"]", "no plane nobody"),
    ] {
        let refused = changed(file, from, to);
        let message = refused.err().unwrap_or_else(|| panic!("`{to}` is accepted"));
        assert!(message.contains(expected), "`{to}`: {message}");
    }
}

/// `AOB_WRITE=1` writes them: `AOB_WRITE=1 cargo test -p aob-node-tuning --test node fresh`.
#[test]
fn what_is_made_of_profiles_is_fresh() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut stale = Vec::new();
    for (name, text) in aob_node_tuning::render::repository(root).unwrap() {
        let path = root.join(&name);
        if fs::read_to_string(&path).unwrap_or_default() == text {
            continue;
        }
        if std::env::var_os("AOB_WRITE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        } else {
            stale.push(name);
        }
    }
    assert!(
        stale.is_empty(),
        "run `AOB_WRITE=1 cargo test -p aob-node-tuning --test node fresh`: {stale:?}"
    );
}

/// What was measured decides what is on.
#[test]
fn nothing_without_a_measured_effect_is_on() {
    let text = include_str!("../../evidence.json");
    let measured: BTreeMap<String, Measured> = serde_json::from_str(text).unwrap();
    for sysctl in Profiles::built_in().unwrap().sysctls {
        let effect = measured.get(&sysctl.measure).map(|one| one.effect);
        if sysctl.on {
            assert_eq!(effect, Some(true), "{} is on", sysctl.key);
        }
    }
    // What a plane's profile has beside them is always on.
    for name in
        ["cpuset", "memory low", "memory max", "memory nodes", "nofile", "nproc", "tasks", "weight"]
    {
        assert_eq!(measured.get(name).map(|one| one.effect), Some(true), "{name} is on");
    }
}
