//! `cargo xtask types`: the language in Go, TypeScript and Python and in editors.
//!
//! Generated files are made again and compared, each package is built and tested with its own
//! tools, faults that the type checkers must find are given to them, and every document of the
//! corpus goes through every language. The example workers are checked and built for their test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::shell::{root, run_in, say};
use crate::{Outcome, generate, tools};

mod faults;
mod verdicts;
mod workers;

use faults::{Expected, expect};

/// Runs every step, and prints the time of each.
pub(crate) fn run() -> Outcome {
    let began = Instant::now();
    let mut times = Vec::new();
    let mut step = |name: &str, work: &dyn Fn() -> Outcome| -> Outcome {
        let began = Instant::now();
        work().map_err(|error| format!("{name}: {error}"))?;
        times.push(format!("{name} {:.1} s", began.elapsed().as_secs_f32()));
        Ok(())
    };
    let mut installed = Vec::new();
    step("install", &|| {
        tools::node()?;
        tools::python()?;
        tools::go()?;
        Ok(())
    })?;
    installed.extend([tools::node()?, tools::python()?, tools::go()?]);
    let [node, python, go] = installed.as_slice() else { return Err("a tool is missing".into()) };
    step("generate", &|| generate::check(true))?;
    step("typescript", &|| typescript(node))?;
    step("go", &|| golang(go))?;
    step("python", &|| python_package(python, node))?;
    step("corpus", &|| verdicts::run(python))?;
    step("editor", &|| editor(node))?;
    step("workers", &|| workers::run(node, python))?;
    say(&format!("types: {:.1} s ({})", began.elapsed().as_secs_f32(), times.join(", ")));
    Ok(())
}

/// The folder of a language's package.
fn package(language: &str) -> PathBuf {
    root().join("schema/gen").join(language)
}

fn typescript(node: &Path) -> Outcome {
    let folder = package("ts");
    let compiler = node.join("node_modules/typescript/bin/tsc").to_string_lossy().into_owned();
    run_in(&folder, "node", &[&compiler, "-p", "."], &[])?;
    run_in(&folder, "node", &["--test", "test/package.test.mjs"], &[])?;
    expect(&Expected {
        folder: &folder,
        program: Path::new("node"),
        arguments: &[&compiler, "-p", "test/types", "--pretty", "false"],
        files: &["good.ts", "typo.ts", "typo-literal.ts", "missing-arm.ts"],
        sources: "test/types",
    })
}

fn golang(tools: &Path) -> Outcome {
    let folder = package("go");
    let unformatted = Command::new("gofmt").args(["-l", "."]).current_dir(&folder).output()?;
    if !unformatted.status.success() || !unformatted.stdout.is_empty() {
        return Err(format!("gofmt -l: {}", String::from_utf8_lossy(&unformatted.stdout)).into());
    }
    run_in(&folder, "go", &["vet", "./..."], &[])?;
    run_in(&folder, "go", &["test", "-count=1", "./..."], &[])?;
    let sources = "testdata/types";
    expect(&Expected {
        folder: &folder,
        program: Path::new("go"),
        arguments: &["vet", "./testdata/types/good", "./testdata/types/typo"],
        files: &["good/good.go", "typo/typo.go"],
        sources,
    })?;
    expect(&Expected {
        folder: &folder,
        program: &tools.join("go-check-sumtype"),
        // The package that declares the closed interfaces has to be among what is checked.
        arguments: &[".", "./testdata/types/good", "./testdata/types/missingarm"],
        files: &["good/good.go", "missingarm/missingarm.go"],
        sources,
    })
}

fn python_package(python: &Path, node: &Path) -> Outcome {
    let folder = package("python");
    let program = python.to_string_lossy().into_owned();
    let environment = [("PYTHONPATH", "src"), ("PYTHONDONTWRITEBYTECODE", "1")];
    run_in(&folder, &program, &["-m", "unittest", "discover", "-q", "-s", "tests"], &environment)?;
    let cache = root().join("target/mypy").to_string_lossy().into_owned();
    let mypy = ["-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", &cache];
    run_in(&folder, &program, &[&mypy[..], &["src"]].concat(), &environment)?;
    let files = ["good.py", "typo.py", "typo_argument.py", "missing_arm.py"];
    expect(&Expected {
        folder: &folder,
        program: python,
        arguments: &[&mypy[..], &["tests/types"]].concat(),
        files: &files,
        sources: "tests/types",
    })?;
    let pyright = node.join("node_modules/pyright/index.js").to_string_lossy().into_owned();
    let pyright = [pyright.as_str(), "--pythonpath", &program];
    run_in(&folder, "node", &[&pyright[..], &["-p", "."]].concat(), &environment)?;
    expect(&Expected {
        folder: &folder,
        program: Path::new("node"),
        arguments: &[&pyright[..], &["-p", "tests/types"]].concat(),
        files: &files,
        sources: "tests/types",
    })
}

fn editor(node: &Path) -> Outcome {
    let folder = node.to_string_lossy().into_owned();
    run_in(
        &package("editor"),
        "node",
        &["--test", "server.test.mjs"],
        &[("AOB_NODE_TOOLS", &folder)],
    )
}
