//! What was found on the machine and what was written: kept so that it can be put back.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::problem::{Problem, Result};
use crate::root::Root;

const FOLDER: &str = "var/lib/aob/node-tuning";
const FILE: &str = "var/lib/aob/node-tuning/state.json";

/// The form of the file.
const FORM: u32 = 1;

/// What was done to a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    form: u32,
    /// Digest of the profiles it was done for.
    pub profiles: String,
    /// Whether all of it was done.
    pub complete: bool,
    /// Settings, in the order they are written.
    pub sysctls: Vec<Kept>,
    /// Files.
    pub files: Vec<Written>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Its key.
    pub key: String,
    /// What was found before it was first written.
    pub before: String,
    /// What is written.
    pub wrote: String,
}

/// A file that was not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Its path from the root.
    pub name: String,
    /// `sha256:` of its text; while it is being changed, of the old one and of the new.
    pub digests: Vec<String>,
}

impl Written {
    /// Whether it is as it was written.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.digests.contains(&digest(text))
    }
}

impl State {
    /// Reads it; none if nothing was ever done, or all of it put back.
    ///
    /// # Errors
    /// If it cannot be read, or another version of this program wrote it.
    pub fn read(root: &Root) -> Result<Option<Self>> {
        let Some(text) = root.read(FILE)? else { return Ok(None) };
        let wrong = |what: String| Problem::Machine { path: root.path(FILE), what };
        let state: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if state.form != FORM {
            return Err(wrong(format!("is of form {}, this program knows {FORM}", state.form)));
        }
        Ok(Some(state))
    }

    /// Writes it, as a whole and down to the disk.
    ///
    /// # Errors
    /// If that fails.
    pub fn write(&mut self, root: &Root) -> Result<()> {
        self.form = FORM;
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Problem::Machine { path: root.path(FILE), what: error.to_string() })?;
        root.put(FILE, &text)
    }

    /// Forgets it: everything is as it was found.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn forget(root: &Root) -> Result<()> {
        root.remove(FILE)
    }

    /// What is known about a setting.
    pub fn kept(&self, key: &str) -> Option<&Kept> {
        self.sysctls.iter().find(|kept| kept.key == key)
    }

    /// Notes that `found` will become `wanted`. What was found first stays, unless somebody has changed it since.
    pub(crate) fn note(&mut self, key: &str, found: &str, wanted: &str) {
        match self.sysctls.iter_mut().find(|kept| kept.key == key) {
            Some(kept) => {
                if kept.wrote != found {
                    found.clone_into(&mut kept.before);
                }
                wanted.clone_into(&mut kept.wrote);
            }
            None => self.sysctls.push(Kept {
                key: key.to_owned(),
                before: found.to_owned(),
                wrote: wanted.to_owned(),
            }),
        }
    }

    /// Notes that a file will have this text.
    pub(crate) fn note_file(&mut self, name: &str, text: &str) {
        let digest = digest(text);
        match self.files.iter_mut().find(|file| file.name == name) {
            Some(file) => file.digests.push(digest),
            None => self.files.push(Written { name: name.to_owned(), digests: vec![digest] }),
        }
    }

    /// Notes that all is done.
    pub(crate) fn finish(&mut self, profiles: &str) {
        for file in &mut self.files {
            file.digests = file.digests.pop().into_iter().collect();
        }
        self.complete = true;
        profiles.clone_into(&mut self.profiles);
    }
}

/// The digest of a file's text without white space around it.
pub(crate) fn digest(text: &str) -> String {
    format!("sha256:{}", data_encoding::HEXLOWER.encode(&Sha256::digest(text.trim())))
}

/// Keeps others from changing the machine until it is dropped, or the process ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the open file is the lock")] std::fs::File);

impl Lock {
    /// Takes it.
    ///
    /// # Errors
    /// If another process has it.
    pub fn take(root: &Root) -> Result<Self> {
        let path = root.path(&format!("{FOLDER}/lock"));
        let open = std::fs::create_dir_all(root.path(FOLDER)).and_then(|()| {
            std::fs::OpenOptions::new().create(true).write(true).truncate(false).open(&path)
        });
        let file = open.map_err(|error| Problem::file(&path, error))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Problem::Busy { path }),
            Err(error) => Err(Problem::file(&path, error.into())),
        }
    }
}
