//! The running systemd: told of new files, asked what became of them.

use std::process::Command;

use crate::problem::{Problem, Result};
use crate::ranges::Ranges;
use crate::root::Root;

/// Lets systemd read its units again, which also gives running slices their new processors.
///
/// # Errors
/// If it runs and refuses.
pub(crate) fn reload(root: &Root) -> Result<()> {
    // A recorded tree has no systemd, nor has a container; then there is nobody to tell.
    if !root.is_own() || !root.has("run/systemd/system") {
        return Ok(());
    }
    let failed =
        |what: String| Problem::Program { program: "systemctl daemon-reload".to_owned(), what };
    let output = Command::new("systemctl")
        .arg("daemon-reload")
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// The processors a slice has, if it is there: `cpuset.cpus.effective` of its control group.
///
/// # Errors
/// If the kernel's file cannot be understood.
pub(crate) fn effective(root: &Root, slice: &str) -> Result<Option<Ranges>> {
    let name = format!("sys/fs/cgroup/aob.slice/{slice}/cpuset.cpus.effective");
    let Some(text) = root.read(&name)? else { return Ok(None) };
    text.parse().map(Some).map_err(|what| Problem::Machine { path: root.path(&name), what })
}
