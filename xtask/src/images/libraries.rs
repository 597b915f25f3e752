//! Which libraries programs need: what the loader of this machine would load for them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Made;

/// Their paths, sorted, the loader among them.
pub(super) fn of(programs: &[&Path]) -> Made<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for program in programs {
        let done = Command::new("ldd").arg(program).env("LC_ALL", "C").output()?;
        let text = String::from_utf8(done.stdout)?;
        if !done.status.success() {
            return Err(format!("ldd {}: {}", program.display(), text.trim()).into());
        }
        for line in text.lines() {
            found.extend(library(line)?);
        }
    }
    Ok(found)
}

/// The library of a line: `libc.so.6 => /lib/libc.so.6 (0x7f)`, or the loader's, `/lib64/ld.so (0x7f)`.
fn library(line: &str) -> Result<Option<PathBuf>, String> {
    let line = line.trim();
    let path = match line.split_once(" => ") {
        Some((name, "not found")) => return Err(format!("the library {name} is not installed")),
        Some((_, path)) => path,
        None => line,
    };
    let path = path.split(" (").next().unwrap_or_default();
    Ok(path.starts_with('/').then(|| PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::library;

    #[test]
    fn a_line_names_a_library_or_none() {
        let of = |line| library(line).map(|path| path.map(|path| path.display().to_string()));
        assert_eq!(
            of("\tlibc.so.6 => /lib/x/libc.so.6 (0x1)"),
            Ok(Some("/lib/x/libc.so.6".into()))
        );
        assert_eq!(of("\t/lib64/ld.so.2 (0x1)"), Ok(Some("/lib64/ld.so.2".into())));
        assert_eq!(of("\tlinux-vdso.so.1 (0x1)"), Ok(None));
        assert!(of("\tlibz.so.1 => not found").is_err());
    }
}
