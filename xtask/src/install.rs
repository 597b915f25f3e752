//! What the tests need beside Rust: Debian packages, installed when they are missing.

use crate::Outcome;
use crate::shell::{has, run, say};

/// Installs the package of each missing program.
pub(crate) fn packages(wanted: &[(&str, &str)]) -> Outcome {
    let missing: Vec<&str> =
        wanted.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    say(&format!("installing {}", missing.join(", ")));
    // A service that the package starts would only be in the way: every test starts its own.
    let environment = [("DEBIAN_FRONTEND", "noninteractive"), ("RUNLEVEL", "1")];
    run("apt-get", &["update", "-qq"], &environment)?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(missing);
    run("apt-get", &arguments, &environment)
}
