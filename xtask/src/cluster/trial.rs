//! The tests that need a cluster: begun for them, ended after them, whatever they say.

use std::path::Path;

use super::place::Place;
use super::{Chart, Up, begin, inside};
use crate::Outcome;
use crate::shell::{run, say};

/// Begins a cluster in a folder of its own, runs the tests on it, and ends it.
pub(crate) fn run_tests() -> Outcome {
    let folder = tempfile::Builder::new().prefix("aob-cluster-").tempdir()?;
    let place = Place::at(folder.path())?;
    let tried = tests(&place, folder.path());
    if tried.is_err() {
        let kept = std::env::temp_dir().join("aob-cluster-log");
        say(&format!("what the cluster's parts said is in {}", kept.display()));
        keep(&place.path("log"), &kept)?;
    }
    let ended = inside::end(&place);
    tried.and(ended)
}

/// Tests that others would not survive, each alone and in this order: modules of `e2e/tests/cluster`.
const ALONE: &[&str] = &["faults::", "upgrade::", "audit::", "drill::"];

fn tests(place: &Place, folder: &Path) -> Outcome {
    let chart = Chart { values: vec!["charts/aob/ci/small-values.yaml".into()], release: false };
    // A case of its own asks for a core; nothing else asks for whole ones.
    begin(place, &Up { pinning: true, bare: false, chart })?;
    // The node is small, and so is this machine.
    let mut beside = vec!["--test-threads=2"];
    beside.extend(ALONE.iter().flat_map(|module| ["--skip", *module]));
    let mut tried = cargo(folder, &beside);
    for module in ALONE {
        tried = tried.and_then(|()| cargo(folder, &["--test-threads=1", module]));
    }
    tried
}

/// Tests of the cluster, all or those that the flags of the test program choose.
fn cargo(folder: &Path, flags: &[&str]) -> Outcome {
    // Features as everything else is built with, so that nothing is built twice.
    let mut arguments = vec!["test", "--workspace", "--features", "aob-e2e/cluster"];
    arguments.extend(["--test", "cluster", "--no-fail-fast", "--", "--show-output"]);
    arguments.extend(flags);
    run("cargo", &arguments, &[("AOB_CLUSTER", &folder.to_string_lossy())])
}

fn keep(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
