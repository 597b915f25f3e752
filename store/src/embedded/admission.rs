//! Whether new runs are taken: not when memory or disk run short. Runs that are there go on.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::Options;
use crate::{Error, Result};

/// How often free space is looked up, in milliseconds.
const EVERY: u64 = 1_000;

/// Watches over room for new runs.
pub(super) struct Admission {
    dir: Option<PathBuf>,
    memory: u64,
    disk: u64,
    since: Instant,
    /// When free space was last looked up, in milliseconds from `since`, plus 1.
    looked: AtomicU64,
    free: AtomicU64,
}

impl Admission {
    pub(super) fn new(dir: Option<PathBuf>, options: &Options) -> Self {
        let (memory, disk) = (options.memory, options.free_disk);
        Self {
            dir,
            memory,
            disk,
            since: Instant::now(),
            looked: AtomicU64::new(0),
            free: AtomicU64::new(u64::MAX),
        }
    }

    /// Whether a run may start while `live` bytes are kept.
    pub(super) fn admit(&self, live: u64) -> Result<()> {
        if live > self.memory {
            let most = self.memory;
            return Err(Error::Full(format!(
                "{live} bytes of runs are kept, at most {most}: let runs end or expire"
            )));
        }
        let Some(dir) = &self.dir else { return Ok(()) };
        let now = self.since.elapsed().as_millis() as u64 + 1;
        let looked = self.looked.load(Ordering::Relaxed);
        if looked == 0 || now.saturating_sub(looked) >= EVERY {
            self.looked.store(now, Ordering::Relaxed);
            if let Ok(space) = rustix::fs::statvfs(dir) {
                self.free.store(space.f_bavail.saturating_mul(space.f_frsize), Ordering::Relaxed);
            }
        }
        let free = self.free.load(Ordering::Relaxed);
        if free < self.disk {
            let (dir, least) = (dir.display(), self.disk);
            return Err(Error::Full(format!(
                "{free} bytes are free at {dir}, at least {least} are needed: make room"
            )));
        }
        Ok(())
    }
}
