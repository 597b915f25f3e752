//! The chart, rendered by a real helm (`AOB_HELM`; `cargo xtask machines` builds it) for every file of `ci/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what it expects, and panics"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/aob-node-tuning")
}

fn helm(arguments: &[&str]) -> Output {
    let program = std::env::var("AOB_HELM").expect("AOB_HELM: run `cargo xtask machines`");
    Command::new(program).args(arguments).current_dir(chart()).output().unwrap()
}

fn rendered(values: &str) -> String {
    let output = helm(&["template", "tuning", ".", "--namespace", "aob", "--values", values]);
    assert!(output.status.success(), "{values}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_scenario_is_linted_and_rendered() {
    for scenario in ["default", "all", "bare"] {
        let values = format!("ci/{scenario}-values.yaml");
        let lint = helm(&["lint", "--strict", ".", "--values", &values]);
        assert!(lint.status.success(), "{values}: {}", String::from_utf8_lossy(&lint.stdout));
        insta::with_settings!({snapshot_suffix => scenario}, {
            insta::assert_snapshot!(without_profiles(&rendered(&values)));
        });
    }
}

/// The profiles stand in the snapshot of nothing: their numbers change in one place.
fn without_profiles(text: &str) -> String {
    let documents: Vec<String> = text
        .split("\n---\n")
        .map(|document| match document.split_once("  control.toml: |") {
            Some((head, _)) => format!("{head}  (profiles)"),
            None => document.to_owned(),
        })
        .collect();
    let text = documents.join("\n---\n");
    let line = |line: &str| match line.split_once("aob.dev/profiles: ") {
        Some((head, _)) => format!("{head}aob.dev/profiles: (digest)"),
        None => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_agent_gets_the_profiles_of_this_repository() {
    let text = rendered("ci/default-values.yaml");
    for file in ["control", "runner", "fanout", "sysctls"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("profiles/{file}.toml"));
        for line in std::fs::read_to_string(source).unwrap().lines().filter(|line| !line.is_empty())
        {
            assert!(text.contains(line), "{file}.toml: `{line}` is not in the ConfigMap");
        }
    }
}

#[test]
fn no_container_has_a_right_it_does_not_need() {
    for scenario in ["default", "all", "bare"] {
        let text = rendered(&format!("ci/{scenario}-values.yaml"));
        let containers = text.matches("image: ").count();
        for needed in [
            "capabilities: {drop: [ALL]}",
            "allowPrivilegeEscalation: false",
            "readOnlyRootFilesystem: true",
        ] {
            assert_eq!(text.matches(needed).count(), containers, "{scenario}: {needed}");
        }
        assert!(!text.contains("privileged: true"), "{scenario}");
        assert_eq!(text.matches("hostNetwork: true").count(), 1);
        assert!(!text.contains("hostPID") && !text.contains("hostIPC"));
        assert!(!text.contains("\"*\""), "{scenario}: a rule with a star");
    }
}

#[test]
fn unknown_and_wrong_values_are_refused() {
    for (wrong, expected) in [
        ("image.tagg=1", "tagg"),
        ("every=0", "every"),
        ("nodePorts=abc", "nodePorts"),
        ("image.digest=sha256:1", "digest"),
        ("planes=", "planes"),
    ] {
        let output = helm(&["template", "tuning", ".", "--set", wrong]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(expected), "{wrong}: {said}");
    }
}
