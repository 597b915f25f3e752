//! Source files with one fault each, and the checker that must find it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::shell::say;

/// A checker and what it is given.
pub(super) struct Expected<'a> {
    /// Where it runs.
    pub(super) folder: &'a Path,
    pub(super) program: &'a Path,
    pub(super) arguments: &'a [&'a str],
    /// The files: the first has no fault, each other says after `expect:` what is said of it.
    pub(super) files: &'a [&'a str],
    /// Their folder.
    pub(super) sources: &'a str,
}

/// Runs the checker over all files at once: it must fail, say of each bad file what that expects,
/// and say nothing of the good one.
pub(super) fn expect(expected: &Expected<'_>) -> Outcome {
    let (program, arguments) = (expected.program.display(), expected.arguments.join(" "));
    say(&format!("$ {program} {arguments}  (must find faults)"));
    let output = Command::new(expected.program)
        .args(expected.arguments)
        .current_dir(expected.folder)
        .env("PYTHONPATH", "src")
        .env("MYPYPATH", "src")
        .output()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if output.status.success() {
        return Err(format!("{program} {arguments}: found no fault:\n{said}").into());
    }
    for (at, file) in expected.files.iter().enumerate() {
        let path = expected.folder.join(expected.sources).join(file);
        let source = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
        let lines = about(&said, file);
        match source.lines().find_map(|line| line.split_once("expect: ")) {
            _ if at == 0 => {
                if !lines.is_empty() {
                    return Err(format!("{file} has no fault, but {program} says {lines:?}").into());
                }
            }
            Some((_, words)) => {
                if !lines.iter().any(|line| line.contains(words)) {
                    return Err(format!("{file}: {program} does not say `{words}`:\n{said}").into());
                }
            }
            None => return Err(format!("{file} does not say what is expected").into()),
        }
    }
    Ok(())
}

/// The faults of a file: lines that name it and a place in it.
fn about<'a>(said: &'a str, file: &str) -> Vec<&'a str> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let names = |line: &&str| {
        line.match_indices(name).any(|(at, _)| {
            let before = line.get(..at).and_then(|text| text.chars().last());
            let after = line.get(at + name.len()..).and_then(|text| text.chars().next());
            before.is_none_or(|c| c == '/' || c == ' ')
                && after.is_some_and(|c| c == ':' || c == '(')
        })
    };
    said.lines().filter(names).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_of_the_file_and_of_no_other() {
        let said = "types/typo.ts(5,1): error: x\ntypes/typo-literal.ts(4,1): error: y\n  /a/typo.py:6:22 - error: z\n";
        assert_eq!(about(said, "typo.ts"), ["types/typo.ts(5,1): error: x"]);
        assert_eq!(about(said, "typo.py"), ["  /a/typo.py:6:22 - error: z"]);
        assert_eq!(about(said, "types/typo-literal.ts").len(), 1);
    }
}
