//! `cargo xtask soak`: the long forms, run before an issue is closed.

use crate::shell;
use crate::{Outcome, fuzz, install};

/// How long.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// Random workflows for the laws of the engine.
    #[arg(long, default_value = "1000000")]
    cases: u64,
    /// Seconds for each kind of crash test.
    #[arg(long, default_value = "60")]
    seconds: u64,
    /// Seconds for each fuzz target.
    #[arg(long, default_value = "600")]
    fuzz: u64,
}

/// Runs the long forms one after the other; their figures go to the terminal.
pub(crate) fn run(flags: &Flags) -> Outcome {
    install::packages(&[("redis-server", "redis-server"), ("strace", "strace")])?;
    install::python(install::TELEMETRY)?;
    install::python(install::MOTO)?;
    let cases = flags.cases.to_string();
    let seconds = flags.seconds.to_string();
    let seed =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs().to_string();
    shell::run(
        "cargo",
        &["test", "--release", "-p", "aob-engine", "--test", "it", "laws", "--", "--nocapture"],
        &[("AOB_CASES", &cases), ("AOB_SEED", &seed)],
    )?;
    shell::run(
        "cargo",
        &["test", "--release", "-p", "aob-model", "--test", "it", "--", "--nocapture"],
        &[("AOB_MODEL", "long")],
    )?;
    shell::run(
        "cargo",
        &["test", "--release", "-p", "aob-engine", "--test", "it", "patched", "--", "--nocapture"],
        &[("AOB_CASES", &cases), ("AOB_SEED", &seed)],
    )?;
    // Its tests start the runner beside their own process.
    shell::run("cargo", &["build", "--release", "-p", "aob-runner", "--bins"], &[])?;
    shell::run(
        "cargo",
        &["test", "--release", "-p", "aob-e2e", "--test", "it", "--", "--nocapture"],
        &[
            ("AOB_CRASH_SECONDS", &seconds),
            ("AOB_CRASH_RUNS", "1000"),
            ("AOB_SHORT_RUNS", "100000"),
            ("AOB_AOF_ALL", "1"),
            ("AOB_FOLLOWERS", "10000"),
        ],
    )?;
    crate::cluster::kubernetes()?;
    shell::run(
        "cargo",
        &["build", "--release", "-p", "aob-operator", "-p", "aob-runner", "--bins"],
        &[],
    )?;
    shell::run(
        "cargo",
        &["test", "--release", "-p", "aob-operator", "--test", "it", "--", "--nocapture", "many::"],
        &[("AOB_MANY", "5000")],
    )?;
    fuzz::run(flags.fuzz)
}
