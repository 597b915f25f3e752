//! The end of a journal: where frames are appended.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::folder;
use super::frame::{FILE_HEADER, FileKind, file_header};
use crate::Result;

/// First and largest piece by which a file grows ahead of its content.
const PIECES: (u64, u64) = (256 * 1024, 4 * 1024 * 1024);

/// A journal being written.
pub(super) struct Tail {
    path: PathBuf,
    file: File,
    /// Where the next frame goes.
    at: u64,
    /// Up to where there are zeros.
    ready: u64,
    sync: bool,
}

impl Tail {
    /// A new journal after record `base`, durable with its name.
    pub(super) fn create(dir: &Path, number: u64, base: u64, sync: bool) -> Result<Self> {
        let path = folder::journal(dir, number);
        let file =
            OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&path);
        let file = file.map_err(|error| folder::disk(&path, error))?;
        let mut tail = Self { path, file, at: FILE_HEADER, ready: FILE_HEADER, sync };
        let made = tail
            .file
            .write_all_at(&file_header(FileKind::Journal, base), 0)
            .and_then(|()| tail.make_room(1));
        made.and_then(|()| tail.flush_all()).map_err(|error| folder::disk(&tail.path, error))?;
        if sync {
            folder::sync(dir)?;
        }
        Ok(tail)
    }

    /// Goes on with a journal whose content ends at `at`. What is behind it is cut off, unless it is `zeros`.
    pub(super) fn resume(path: PathBuf, at: u64, zeros: bool, sync: bool) -> Result<Self> {
        let open = || {
            let file = OpenOptions::new().read(true).write(true).open(&path)?;
            let mut ready = file.metadata()?.len();
            if !zeros {
                file.set_len(at)?;
                ready = at;
            }
            if sync {
                file.sync_all()?;
            }
            Ok((file, ready))
        };
        let (file, ready) = open().map_err(|error| folder::disk(&path, error))?;
        Ok(Self { path, file, at, ready, sync })
    }

    /// Appends a frame; it is on disk afterwards, where the store syncs.
    pub(super) fn append(&mut self, frame: &[u8]) -> Result<()> {
        let length = frame.len() as u64;
        let write = |tail: &mut Self| {
            tail.make_room(length)?;
            tail.file.write_all_at(frame, tail.at)?;
            if tail.sync { tail.file.sync_data() } else { Ok(()) }
        };
        write(self).map_err(|error| folder::disk(&self.path, error))?;
        self.at += length;
        Ok(())
    }

    /// Fills the file with zeros ahead of its content: a write into blocks that exist changes no metadata,
    /// so that syncing it is one write. (Reserved but unwritten blocks would have to be marked as written.)
    fn make_room(&mut self, length: u64) -> std::io::Result<()> {
        let end = self.at + length;
        if !self.sync || end <= self.ready {
            return Ok(());
        }
        let piece = self.ready.clamp(PIECES.0, PIECES.1);
        let goal = end.next_multiple_of(piece);
        // Not every file system can reserve; the zeros do.
        let _ = rustix::fs::fallocate(
            &self.file,
            rustix::fs::FallocateFlags::empty(),
            self.ready,
            goal - self.ready,
        );
        let zeros = vec![0; PIECES.0 as usize];
        while self.ready < goal {
            let some = (goal - self.ready).min(PIECES.0);
            self.file.write_all_at(&zeros[..some as usize], self.ready)?;
            self.ready += some;
        }
        Ok(())
    }

    fn flush_all(&self) -> std::io::Result<()> {
        if self.sync { self.file.sync_all() } else { Ok(()) }
    }
}
