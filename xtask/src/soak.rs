//! `cargo xtask soak`: the long forms, run before an issue is closed.

use crate::shell;
use crate::{Outcome, fuzz, install};

/// How long.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// Which of them; all without it.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Random runs for each law of the engine; a tenth of it for laws that play many runs a case.
    #[arg(long, default_value = "1000000")]
    cases: u64,
    /// Seconds for each kind of crash test.
    #[arg(long, default_value = "60")]
    seconds: u64,
    /// Seconds for each fuzz target.
    #[arg(long, default_value = "600")]
    fuzz: u64,
}

/// A long form.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The laws of the engine, on random graphs, patches and orders.
    Laws,
    /// The model of the protocol, to the end of its scenarios.
    Model,
    /// Processes that are killed, files that are cut, many runs and many followers.
    Crash,
    /// The operator with 5,000 runs at once, and with an API server that is five seconds late.
    Many,
    /// Every fuzz target.
    Fuzz,
}

/// Laws that play about one run a case.
const QUICK: &[&str] = &["patched::", "laws::", "laws_cancel::"];
/// Laws that play a hundred runs a case.
const SLOW: &[&str] = &["laws_bodies::", "laws_edits::", "laws_gates::"];

/// Runs the long forms one after the other; their figures go to the terminal.
pub(crate) fn run(flags: &Flags) -> Outcome {
    let wanted = |part| flags.parts.is_empty() || flags.parts.contains(&part);
    if wanted(Part::Laws) {
        laws(flags.cases)?;
    }
    if wanted(Part::Model) {
        let test = ["test", "--release", "-p", "aob-model", "--test", "it", "--", "--nocapture"];
        shell::run("cargo", &test, &[("AOB_MODEL", "long")])?;
    }
    if wanted(Part::Crash) {
        crash(flags.seconds)?;
    }
    if wanted(Part::Many) {
        many()?;
    }
    if wanted(Part::Fuzz) {
        fuzz::run(flags.fuzz)?;
    }
    Ok(())
}

fn laws(cases: u64) -> Outcome {
    let seed =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs().to_string();
    let all = QUICK.iter().map(|law| (law, cases)).chain(SLOW.iter().map(|law| (law, cases / 10)));
    for (law, cases) in all {
        let test =
            ["test", "--release", "-p", "aob-engine", "--test", "it", law, "--", "--nocapture"];
        let cases = cases.to_string();
        shell::run("cargo", &test, &[("AOB_CASES", &cases), ("AOB_SEED", &seed)])?;
    }
    Ok(())
}

/// On the builds that `cargo xtask test` makes: what is counted here are losses, not seconds.
fn crash(seconds: u64) -> Outcome {
    install::packages(&[("redis-server", "redis-server"), ("strace", "strace")])?;
    install::python(install::TELEMETRY)?;
    install::python(install::MOTO)?;
    install::python(install::MCP)?;
    shell::run("cargo", &["build", "--workspace", "--bins"], &[])?;
    let seconds = seconds.to_string();
    let long = [
        ("AOB_CRASH_SECONDS", seconds.as_str()),
        ("AOB_CRASH_RUNS", "1000"),
        ("AOB_SHORT_RUNS", "100000"),
        ("AOB_AOF_ALL", "1"),
        ("AOB_FOLLOWERS", "10000"),
        ("AOB_HAMMER_SECONDS", "600"),
    ];
    // The same set of packages as in the tests, so that nothing is built anew.
    let test = ["test", "--workspace", "--test", "it", "--no-run"];
    shell::run("cargo", &test, &[])?;
    let only = ["crash", "aof", "counts", "followers", "hammer"];
    let test =
        [&["test", "--workspace", "--test", "it", "--"][..], &only, &["--nocapture"]].concat();
    shell::run("cargo", &test, &long)
}

/// On the same builds: what is counted here are objects, writes and bytes.
fn many() -> Outcome {
    install::packages(&[("redis-server", "redis-server")])?;
    crate::cluster::kubernetes()?;
    shell::run("cargo", &["build", "--workspace", "--bins"], &[])?;
    let test =
        ["test", "--workspace", "--test", "it", "--", "many::", "seconds_late", "--nocapture"];
    shell::run("cargo", &test, &[("AOB_MANY", "5000"), ("AOB_LATE", "5")])
}
