//! Running other programs, with what is run on the terminal.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Writes a line to stderr.
#[expect(clippy::print_stderr, reason = "a task reports to the terminal")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

/// Runs a program in the workspace's root and fails if it does.
pub(crate) fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    run_in(&root(), program, arguments, environment)
}

/// Runs a program in a folder and fails if it does.
pub(crate) fn run_in(
    folder: &Path,
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Outcome {
    say(&format!("$ {program} {}", arguments.join(" ")));
    // A program that is named by a path is looked up from the folder.
    let named = if program.contains('/') { folder.join(program) } else { PathBuf::from(program) };
    let status = Command::new(named)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(folder)
        .status()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{program} {}` failed ({status})", arguments.join(" ")).into())
    }
}

/// Runs a program in the workspace's root and gives what it prints.
pub(crate) fn output(
    program: &str,
    arguments: &[&str],
) -> Result<String, Box<dyn std::error::Error>> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(
            format!("`{program} {}` failed ({})", arguments.join(" "), output.status).into()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Whether a program is on the PATH, or a file is where an absolute path says.
pub(crate) fn has(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}
