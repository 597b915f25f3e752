//! The machine's files below a root, so that a recorded tree can stand for a machine.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::problem::{Problem, Result};

/// The longest file that is read.
const LONGEST: u64 = 1 << 20;

/// A folder that stands for `/`.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

impl Root {
    /// This folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Whether it is the running machine's own.
    pub fn is_own(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// The path of a file that is named from the root.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name.trim_start_matches('/'))
    }

    /// Whether there is such a file or folder.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// A file's text without white space around it; none if there is no such file.
    ///
    /// # Errors
    /// If it is there and cannot be read as text of at most 1 MiB.
    pub fn read(&self, name: &str) -> Result<Option<String>> {
        let path = self.path(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if absent(&error) => return Ok(None),
            Err(error) => return Err(Problem::file(&path, error)),
        };
        let mut text = String::new();
        match file.take(LONGEST).read_to_string(&mut text) {
            Ok(length) if length as u64 == LONGEST => {
                Err(Problem::Machine { path, what: format!("longer than {LONGEST} bytes") })
            }
            Ok(_) => Ok(Some(text.trim().to_owned())),
            Err(error) => Err(Problem::file(&path, error)),
        }
    }

    /// Names in a folder, sorted; none if there is no such folder.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn names(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.path(folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(Problem::file(&path, error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| Problem::file(&path, error))?;
            names.extend(entry.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    /// Writes a value of the kernel's: the file must be there already.
    ///
    /// # Errors
    /// If the kernel refuses it.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        let path = self.path(name);
        let file = OpenOptions::new().write(true).truncate(true).open(&path);
        file.and_then(|mut file| file.write_all(format!("{value}\n").as_bytes()))
            .map_err(|error| Problem::file(&path, error))
    }

    /// Puts a file in its place as a whole: no reader and no crash sees half of it.
    ///
    /// # Errors
    /// If the folder cannot be made or the file not written.
    pub fn put(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.0);
        let fresh = path.with_extension("aob-new");
        let written = fs::create_dir_all(folder).and_then(|()| {
            let mut file = File::create(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(folder)?.sync_all()
        });
        written.map_err(|error| Problem::file(&path, error))
    }

    /// Removes a file, and its folder if that is a drop-in folder and empty now.
    ///
    /// # Errors
    /// If it is there and cannot be removed.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if !absent(&error) => return Err(Problem::file(&path, error)),
            _ => {}
        }
        if let Some(folder) = path.parent()
            && folder.extension().is_some_and(|extension| extension == "d")
            && !folder.ends_with("sysctl.d")
        {
            // Others' drop-ins keep it; that is no error.
            drop(fs::remove_dir(folder));
        }
        Ok(())
    }
}

fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
