//! Layers: archives whose bytes depend on nothing but what is in them.

use std::collections::BTreeSet;
use std::fs;

use tar::{Builder, EntryType, Header};

use super::Made;
use crate::tools::sha256;

/// The user of every image, who owns nothing in it.
pub(super) const USER: &str = "65532:65532";

/// Bytes with their digest.
pub(super) struct Content {
    pub(super) digest: String,
    pub(super) bytes: Vec<u8>,
}

impl Content {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { digest: format!("sha256:{}", sha256(&bytes)), bytes }
    }
}

/// A layer that is being made.
pub(super) struct Layer {
    archive: Builder<Vec<u8>>,
    folders: BTreeSet<String>,
}

impl Default for Layer {
    fn default() -> Self {
        Self { archive: Builder::new(Vec::new()), folders: BTreeSet::new() }
    }
}

impl Layer {
    /// Adds a file and the folders above it.
    pub(super) fn file(&mut self, path: &str, bytes: &[u8], mode: u32) -> Made<()> {
        self.above(path)?;
        let mut about = header(EntryType::Regular, mode);
        about.set_size(bytes.len() as u64);
        Ok(self.archive.append_data(&mut about, path, bytes)?)
    }

    /// Adds a symbolic link.
    pub(super) fn link(&mut self, path: &str, to: &str) -> Made<()> {
        self.above(path)?;
        let mut about = header(EntryType::Symlink, 0o777);
        Ok(self.archive.append_link(&mut about, path, to)?)
    }

    /// Adds a folder and those above it.
    pub(super) fn folder(&mut self, path: &str, mode: u32) -> Made<()> {
        self.above(path)?;
        if self.folders.insert(path.to_owned()) {
            let mut about = header(EntryType::Directory, mode);
            self.archive.append_data(&mut about, format!("{path}/"), std::io::empty())?;
        }
        Ok(())
    }

    pub(super) fn end(self) -> Made<Content> {
        Ok(Content::of(self.archive.into_inner()?))
    }

    fn above(&mut self, path: &str) -> Made<()> {
        match path.rsplit_once('/') {
            Some((folder, _)) => self.folder(folder, 0o755),
            None => Ok(()),
        }
    }
}

/// What every image begins with: users, how names are looked up, whom TLS trusts, a place for temporary files.
pub(super) fn base() -> Made<Content> {
    let mut layer = Layer::default();
    let (user, _) = USER.split_once(':').unwrap_or((USER, USER));
    layer.file(
        "etc/passwd",
        format!("root:x:0:0:root:/:/sbin/nologin\naob:x:{user}:{user}:aob:/:/sbin/nologin\n")
            .as_bytes(),
        0o644,
    )?;
    layer.file("etc/group", format!("root:x:0:\naob:x:{user}:\n").as_bytes(), 0o644)?;
    layer.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n", 0o644)?;
    let trusted = fs::read("/etc/ssl/certs/ca-certificates.crt")?;
    layer.file("etc/ssl/certs/ca-certificates.crt", &trusted, 0o644)?;
    layer.folder("tmp", 0o1777)?;
    layer.end()
}

fn header(kind: EntryType, mode: u32) -> Header {
    let mut about = Header::new_ustar();
    about.set_entry_type(kind);
    about.set_mode(mode);
    about.set_uid(0);
    about.set_gid(0);
    about.set_mtime(0);
    about.set_size(0);
    about
}
