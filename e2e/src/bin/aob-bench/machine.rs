//! What the figures were made on.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;
use crate::cell::milliseconds;

/// Writes by which the disk is judged.
const WRITES: usize = 200;

/// Kernel, processor, memory, and the disk under `dir`.
pub(crate) fn description(dir: &Path) -> Result<Value> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let (system, device) = mount(&read("/proc/self/mounts"), &dir.canonicalize()?);
    let (p50, p99) = sync_times(dir)?;
    Ok(json!({
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "processor": field(&cpus, "model name"),
        "cores": std::thread::available_parallelism()?.get(),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "disk": {"device": device, "fileSystem": system, "sync256BytesP50Ms": p50, "sync256BytesP99Ms": p99},
    }))
}

/// Processes that ran or wanted to, on average over the last minute.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}

/// The commit of a work tree, `unknown` outside of one.
pub(crate) fn commit(workspace: &Path) -> String {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(workspace)
        .output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.map_or_else(
        || "unknown".to_owned(),
        |text| String::from_utf8_lossy(&text).trim().to_owned(),
    )
}

/// Type and device of the file system that holds a path.
fn mount(mounts: &str, path: &Path) -> (String, String) {
    let found = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (device, place, kind) = (words.next()?, words.next()?, words.next()?);
        path.starts_with(place).then_some((place.len(), kind, device))
    });
    found
        .max()
        .map_or_else(Default::default, |(_, kind, device)| (kind.to_owned(), device.to_owned()))
}

/// What appending 256 bytes and syncing them takes, in milliseconds.
fn sync_times(dir: &Path) -> Result<(f64, f64)> {
    let mut file = tempfile::tempfile_in(dir)?;
    let mut times: Vec<Duration> = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let begun = Instant::now();
        file.write_all(&[1; 256])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok((milliseconds(times[WRITES / 2]), milliseconds(times[WRITES * 99 / 100])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmpx xfs rw 0 0\n";
        assert_eq!(mount(mounts, Path::new("/tmp/x")), ("tmpfs".into(), "tmpfs".into()));
        assert_eq!(mount(mounts, Path::new("/tmpfoo")), ("ext4".into(), "/dev/a".into()));
    }
}
