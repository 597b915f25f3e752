//! The chart: linted, rendered for every scenario, taken by the real API server; what it refuses.

use std::fs;

use serde_json::Value;

use crate::place::{Space, fed, helm, kubectl, root, text};

const CHART: &str = "charts/aob";

fn scenarios() -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(root().join(CHART).join("ci"))
        .unwrap()
        .map(|entry| format!("{CHART}/ci/{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    found.sort();
    assert!(found.len() >= 4, "{found:?}");
    found
}

/// The objects of a scenario as the API server would keep them, pods' templates judged by the restricted profile.
fn taken(values: &str, space: &Space) -> Vec<Value> {
    let rendered = helm(&[
        "template",
        "aob",
        CHART,
        "--skip-tests",
        "--namespace",
        &space.name,
        "--values",
        values,
    ])
    .output();
    let rendered = rendered.unwrap();
    assert!(rendered.status.success(), "{values}: {}", text(&rendered));
    let documents = String::from_utf8(rendered.stdout).unwrap();
    // Kinds that only an extension knows are not judged here, nor what goes to namespaces that are not there.
    let own = format!("\n  namespace: {}", space.name);
    let documents: Vec<&str> = documents
        .split("\n---\n")
        .filter(|one| !one.contains("monitoring.coreos.com") && one.contains("kind:"))
        .filter(|one| !one.contains("\n  namespace: ") || one.contains(&own))
        .collect();
    let arguments =
        ["--namespace", &space.name, "apply", "--dry-run=server", "-o", "json", "-f", "-"];
    let output = fed(kubectl(&arguments), &documents.join("\n---\n"));
    let said = text(&output);
    assert!(output.status.success(), "{values}: {said}");
    // What the profile forbids is a warning of a Deployment: its pods would never be made.
    let warned = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!warned.contains("would violate PodSecurity"), "{values}: {warned}");
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list["items"].as_array().unwrap().clone()
}

#[test]
fn every_scenario_is_taken_by_the_api_server() {
    for values in scenarios() {
        let linted = helm(&["lint", "--strict", CHART, "--values", &values]).output().unwrap();
        assert!(linted.status.success(), "{values}: {}", text(&linted));
        let space = Space::new("chart");
        // The scenario with watched namespaces binds roles in them.
        for other in ["finance", "sales"] {
            drop(kubectl(&["create", "namespace", other]).output());
        }
        let objects = taken(&values, &space);
        let kinds: Vec<&str> = objects.iter().filter_map(|one| one["kind"].as_str()).collect();
        assert!(kinds.contains(&"Deployment"), "{values}: {kinds:?}");
        println!("{values}: {} objects", objects.len());
    }
}

#[test]
fn a_value_that_nobody_knows_is_refused() {
    for (set, word) in [
        ("runner.replica=3", "replica"),
        ("runner.pinning=Maybe", "pinning"),
        ("image.digests.runner=latest", "runner"),
        ("redis.bundled.enabled=false", "redis.external.url"),
        ("webhook.certificate=secret", "webhook.existingSecret"),
        ("gateway.oidc.issuer=https://login.example.org", "gateway.oidc.audiences"),
        ("archive.url=ftp://x", "archive"),
        ("archive.url=s3://b/f,archive.existingClaim=c", "one of them"),
    ] {
        let output = helm(&["template", "aob", CHART, "--set", set]).output().unwrap();
        let said = text(&output);
        assert!(!output.status.success() && said.contains(word), "{set}: {said}");
    }
}
