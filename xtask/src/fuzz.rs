//! Fuzz targets of `e2e/fuzz`, each for a while. They are built on the stable compiler with its own coverage counters.

use std::fs;

use crate::Outcome;
use crate::shell::{self, root};

/// The targets: every reader of outside data.
const TARGETS: [&str; 4] = ["workflow", "expression", "journal", "arguments"];

/// What libFuzzer needs of the compiler. The unwinding of panics stays: a panic is a finding.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=4 --cfg fuzzing";

/// Runs each target for `seconds`; a finding fails, and its file says how to see it again.
pub(crate) fn run(seconds: u64) -> Outcome {
    let target = root().join("target/fuzz");
    let target_dir = target.to_string_lossy().into_owned();
    // With a target named, build scripts and macros are built without the flags.
    let triple = "x86_64-unknown-linux-gnu";
    let environment = [("RUSTFLAGS", FLAGS), ("CARGO_TARGET_DIR", target_dir.as_str())];
    let build = [
        "build",
        "--release",
        "--manifest-path",
        "e2e/fuzz/Cargo.toml",
        "--target",
        triple,
        "--bins",
    ];
    shell::run("cargo", &build, &environment)?;
    let time = format!("-max_total_time={seconds}");
    for name in TARGETS {
        let corpus = target.join("corpus").join(name);
        let findings = target.join("findings").join(name);
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&findings)?;
        seed(name, &corpus)?;
        let program = target.join(triple).join("release").join(name);
        let artifacts = format!("-artifact_prefix={}/", findings.display());
        let (program, corpus) =
            (program.to_string_lossy().into_owned(), corpus.to_string_lossy().into_owned());
        // The alarm of a time limit would interrupt the reads of the target that talks to a server.
        let limit = if name == "arguments" { "-timeout=0" } else { "-timeout=10" };
        let limits =
            ["-rss_limit_mb=2048", limit, "-max_len=4096", "-print_final_stats=1", "-verbosity=0"];
        let mut arguments: Vec<&str> = vec![&corpus, &time, &artifacts];
        arguments.extend(limits);
        shell::run(&program, &arguments, &[])?;
    }
    Ok(())
}

/// Begins with what is known to be good: the examples, and documents of the corpus.
fn seed(name: &str, corpus: &std::path::Path) -> Outcome {
    if name != "workflow" {
        return Ok(());
    }
    for folder in ["examples", "schema/testdata/valid"] {
        for entry in fs::read_dir(root().join(folder))? {
            let path = entry?.path();
            if let (true, Some(file)) = (path.is_file(), path.file_name()) {
                fs::copy(&path, corpus.join(file))?;
            }
        }
    }
    Ok(())
}
