//! Programs in Python that tests talk to, with the packages that `cargo xtask test` has installed for them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A script of `e2e/tests/python`, with the packages of this name.
pub(crate) fn script(packages: &str, name: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name);
    let mut command = Command::new(interpreter(packages));
    command.arg(script);
    command
}

/// The Python that has the packages of this name.
pub(crate) fn interpreter(packages: &str) -> PathBuf {
    let cache =
        std::env::var_os("AOB_CACHE").map_or_else(|| "/var/cache/aob".into(), PathBuf::from);
    let python = cache.join("python").join(packages).join("bin/python3");
    assert!(python.exists(), "{} is not there; cargo xtask test installs it", python.display());
    python
}
