//! The one entry to the project's tasks: `cargo xtask <task>`.
//!
//! This file only dispatches; each task is a module of its own with a `run`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod check;
mod cluster;
mod compat;
mod fuzz;
mod generate;
mod images;
mod install;
mod machines;
mod package;
mod release;
mod shell;
mod soak;
mod test;
mod tools;
mod types;

/// What a task ends with; an error's text is all that is printed of it.
type Outcome = Result<(), Box<dyn std::error::Error>>;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's tasks", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Make what is made from the JSON Schemas and the error catalogue.
    Generate(generate::Flags),
    /// Compare the schemas with the released ones: nothing removed, required or narrowed.
    Compat(compat::Flags),
    /// The packages of Go, TypeScript and Python and the editor schemas: make, check and test them.
    Types,
    /// Formatting, lints, layers, generated files, documentation.
    Check,
    /// Install what the tests need, check, and run every test.
    Test,
    /// The images of AOB, without a container engine.
    Images(images::Flags),
    /// A real Kubernetes of one node on this machine, with AOB in it.
    Cluster(cluster::Flags),
    /// Make the Debian package.
    Package(package::Flags),
    /// Everything that a release consists of, with checksums, lists of what is in it, and what has changed.
    Release(release::Flags),
    /// Boot the package in a virtual machine and render the chart of node tuning: part of `test`, minutes, as root.
    Machines(machines::Flags),
    /// Measure against Restate and DBOS in the same minutes; writes docs/benchmarks.md.
    Bench(bench::Flags),
    /// The long forms of the tests: millions of runs, minutes of fuzzing and of faults.
    Soak(soak::Flags),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Generate(flags) => generate::run(&flags),
        Task::Compat(flags) => compat::run(&flags),
        Task::Types => types::run(),
        Task::Check => check::run(),
        Task::Test => test::run(),
        Task::Images(flags) => images::run_task(&flags),
        Task::Cluster(flags) => cluster::run(&flags),
        Task::Package(flags) => package::run(&flags),
        Task::Release(flags) => release::run_task(&flags),
        Task::Machines(flags) => machines::run(&flags),
        Task::Bench(flags) => bench::run(&flags),
        Task::Soak(flags) => soak::run(&flags),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            shell::say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}
