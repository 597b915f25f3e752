//! Files hold one idea each: their median length stays near 150 lines.

use std::fs;
use std::path::Path;

use crate::Outcome;
use crate::shell::{root, say};

/// Most lines of the median Rust file.
const MEDIAN: usize = 160;

pub(super) fn run() -> Outcome {
    let mut lengths = Vec::new();
    for member in [
        "schema",
        "engine",
        "store",
        "telemetry",
        "provider",
        "runner",
        "gateway",
        "cli",
        "crds",
        "operator",
        "node-tuning",
        "e2e",
        "xtask",
    ] {
        count(&root().join(member), &mut lengths)?;
    }
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
    say(&format!(
        "check: {} Rust files, median {median} lines, longest {}",
        lengths.len(),
        lengths.last().unwrap_or(&0)
    ));
    if median > MEDIAN {
        return Err(format!("the median file has {median} lines, more than {MEDIAN}: split what holds more than one idea").into());
    }
    Ok(())
}

fn count(folder: &Path, lengths: &mut Vec<usize>) -> Outcome {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("generated")
                && !path.ends_with("rivals")
                && !path.ends_with("target")
            {
                count(&path, lengths)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            lengths.push(fs::read_to_string(&path)?.lines().count());
        }
    }
    Ok(())
}
