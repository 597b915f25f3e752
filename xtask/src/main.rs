//! The one entry to the project's tasks: `cargo xtask <task>`.
//!
//! This file only dispatches; each task is a module of its own with a `run`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod generate;

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
    /// Make the Rust types from the JSON Schemas in schema/.
    Generate(generate::Flags),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Generate(flags) => generate::run(&flags),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a task reports to the terminal")]
            {
                eprintln!("error: {error}");
            }
            ExitCode::FAILURE
        }
    }
}
