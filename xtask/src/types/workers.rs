//! The workers of `examples/workers`: checked with the tools of their languages, and built where their test finds them.

use std::path::Path;

use crate::Outcome;
use crate::shell::{root, run_in};

/// Most lines of one: it has to be readable at a glance.
const LINES: usize = 60;

/// Checks and builds all of them, into `target/workers`.
pub(super) fn run(node: &Path, python: &Path) -> Outcome {
    let source = root().join("examples/workers");
    for name in ["worker.py", "worker.go", "worker.mts"] {
        let lines = std::fs::read_to_string(source.join(name))?.lines().count();
        if lines > LINES {
            return Err(
                format!("examples/workers/{name} has {lines} lines, {LINES} at most").into()
            );
        }
    }
    let target = root().join("target/workers");
    let built = |name: &str| target.join(name).to_string_lossy().into_owned();
    let compiler = node.join("node_modules/typescript/bin/tsc").to_string_lossy().into_owned();
    let strict = ["--strict", "--noUncheckedIndexedAccess", "--target", "es2022"];
    let libraries = ["--lib", "es2022,dom", "--types", "", "--module", "nodenext"];
    let out = built("");
    let files = ["--outDir", &out, "worker.mts"];
    let arguments = [&[compiler.as_str()][..], &strict, &libraries, &files].concat();
    run_in(&source, "node", &arguments, &[])?;
    run_in(&source, "go", &["vet", "worker.go"], &[])?;
    run_in(&source, "go", &["build", "-o", &built("worker-go"), "worker.go"], &[])?;
    let cache = root().join("target/mypy").to_string_lossy().into_owned();
    let mypy = ["-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", &cache, "worker.py"];
    run_in(&source, &python.to_string_lossy(), &mypy, &[])
}
