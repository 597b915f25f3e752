//! The data directory: `lock`, `journal-<n>`, `snapshot-<n>`. Snapshot n holds what the journals before n
//! said; journals from n on are read after it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// What is in a data directory.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Numbers of journals, ascending.
    pub(super) journals: Vec<u64>,
    /// Numbers of snapshots, ascending.
    pub(super) snapshots: Vec<u64>,
    /// Files that were never finished.
    pub(super) unfinished: Vec<PathBuf>,
}

/// Makes the directory, if need be, and takes it for this process until the file is closed.
pub(super) fn lock(dir: &Path) -> Result<File> {
    std::fs::create_dir_all(dir).map_err(|error| disk(dir, error))?;
    let path = dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| disk(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Owned(dir.display().to_string())),
        Err(TryLockError::Error(error)) => Err(disk(&path, error)),
    }
}

/// Lists the directory; other names are left alone.
pub(super) fn list(dir: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    for entry in std::fs::read_dir(dir).map_err(|error| disk(dir, error))? {
        let path = entry.map_err(|error| disk(dir, error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with("snapshot-") && name.ends_with(".new") {
            listing.unfinished.push(path);
        } else if let Some(number) =
            name.strip_prefix("journal-").and_then(|number| number.parse().ok())
        {
            listing.journals.push(number);
        } else if let Some(number) =
            name.strip_prefix("snapshot-").and_then(|number| number.parse().ok())
        {
            listing.snapshots.push(number);
        }
    }
    listing.journals.sort_unstable();
    listing.snapshots.sort_unstable();
    Ok(listing)
}

pub(super) fn journal(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("journal-{number}"))
}

pub(super) fn snapshot(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("snapshot-{number}"))
}

pub(super) fn unfinished_snapshot(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("snapshot-{number}.new"))
}

/// Makes names in the directory durable.
pub(super) fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| disk(dir, error))
}

/// Removes a file that is no longer needed. Should it stay, the next start removes it.
pub(super) fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "an old file could not be removed");
    }
}

pub(super) fn disk(path: &Path, error: std::io::Error) -> Error {
    Error::Disk(path.display().to_string(), error)
}
