//! Words that must not stand in the pure core.

use std::fs;
use std::path::Path;

use crate::Outcome;
use crate::shell::root;

/// Clocks, randomness, IO. Hash maps with random state would make the order of events random.
const WORDS: &[&str] = &[
    "SystemTime",
    "Instant::now",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "RandomState",
    "collections::HashMap",
    "collections::HashSet",
];

pub(super) fn run() -> Outcome {
    let mut faults = Vec::new();
    look(&root().join("engine/src"), &mut faults)?;
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!("the engine is pure: {}", faults.join(", ")).into())
    }
}

fn look(folder: &Path, faults: &mut Vec<String>) -> Outcome {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            look(&path, faults)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
            let text = fs::read_to_string(&path)?;
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for word in WORDS.iter().filter(|word| code.contains(**word)) {
                faults.push(format!("{} says {word}", path.display()));
            }
        }
    }
    Ok(())
}

/// Files of unit tests may read the clock for seeds and the environment for flags.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path.file_stem().is_some_and(|stem| stem == "tests" || stem == "properties")
}
