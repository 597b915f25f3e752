//! `cargo xtask test`: everything that has to hold before a change lands.

use crate::shell;
use crate::{Outcome, check, cluster, fuzz, install, machines, types};

/// Installs what is missing, checks, and runs every test.
pub(crate) fn run() -> Outcome {
    install::packages(&[
        ("redis-server", "redis-server"),
        ("strace", "strace"),
        ("g++", "g++"),
        ("openssl", "openssl"),
        ("node", "nodejs"),
        ("npm", "npm"),
        ("go", "golang-go"),
        ("python3", "python3-venv"),
        ("lua5.4", "lua5.4"),
    ])?;
    install::python(install::SCHEMATHESIS)?;
    install::python(install::TELEMETRY)?;
    install::python(install::MOTO)?;
    install::python(install::MCP)?;
    cluster::kubernetes()?;
    cluster::dex()?;
    install::python(install::MODELS)?;
    check::run()?;
    types::run()?;
    // Tests start the binaries, so these are built before any of them runs.
    shell::run("cargo", &["build", "--workspace", "--bins"], &[])?;
    shell::run("cargo", &["test", "--workspace", "--no-fail-fast"], &[])?;
    shell::run(
        "cargo",
        &[
            "test",
            "--workspace",
            "--features",
            "aob-engine/mutants,aob-runner/layers",
            "--test",
            "mutants",
            "--test",
            "layers",
        ],
        &[],
    )?;
    cluster::run_tests()?;
    machines::run(&machines::Flags::default())?;
    fuzz::run(20)
}
