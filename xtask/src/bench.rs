//! `cargo xtask bench`: builds everything in release and hands over to the driver in `e2e/bench`.

use crate::shell::{self, root};
use crate::{Outcome, install};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// Seconds of each cell.
    #[arg(long, default_value = "5")]
    seconds: u64,
    /// Clients at once, by comma.
    #[arg(long, default_value = "1,16,64,200")]
    clients: String,
    /// Shapes, by comma: chain:N, fan:N.
    #[arg(long, default_value = "chain:1,chain:3,chain:10,chain:40,fan:100")]
    cells: String,
    /// Systems, by comma; all without it.
    #[arg(long)]
    systems: Option<String>,
    /// Where rivals' servers are kept between runs.
    #[arg(long, env = "AOB_CACHE", default_value = "/var/cache/aob")]
    cache: String,
}

/// Builds, measures, writes `docs/benchmarks.{md,json}`.
pub(crate) fn run(flags: &Flags) -> Outcome {
    install::packages(&[("redis-server", "redis-server")])?;
    shell::run("cargo", &["build", "--release", "-p", "aob-e2e", "--bin", "aob-bench"], &[])?;
    let rivals = root().join("e2e/bench/rivals/Cargo.toml");
    shell::run(
        "cargo",
        &["build", "--release", "--manifest-path", &rivals.to_string_lossy()],
        &[],
    )?;
    let seconds = flags.seconds.to_string();
    let mut arguments = vec![
        "run",
        "--release",
        "-q",
        "-p",
        "aob-e2e",
        "--bin",
        "aob-bench",
        "--",
        "--seconds",
        &seconds,
        "--clients",
        &flags.clients,
        "--cells",
        &flags.cells,
        "--cache",
        &flags.cache,
    ];
    if let Some(systems) = &flags.systems {
        arguments.extend(["--systems", systems]);
    }
    shell::run("cargo", &arguments, &[])
}
