//! What the kernel says of this process.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Metrics;

/// Notes when the process began to count.
pub(super) fn begin(metrics: &Metrics) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    metrics.started.set([], now);
}

/// Reads `/proc`; what cannot be read stays as it was.
pub(super) fn look(metrics: &Metrics) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    if let Some(kib) = field("VmRSS:") {
        metrics.memory.set([], kib * 1_024);
    }
    if let Some(threads) = field("Threads:") {
        metrics.threads.set([], threads);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        metrics.files.set([], files.count() as u64);
    }
}
