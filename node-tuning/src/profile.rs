//! Profiles: the planes of a machine and the kernel settings they want. The only place of every number.

mod rules;
mod sysctl;

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::problem::{Problem, Result};

pub(crate) use sysctl::plain;
pub use sysctl::{Fit, List, Pod, Scope, Sysctl};

/// The files of the profiles that are built in.
const BUILT_IN: [(&str, &str); 4] = [
    ("control.toml", include_str!("../profiles/control.toml")),
    ("runner.toml", include_str!("../profiles/runner.toml")),
    ("fanout.toml", include_str!("../profiles/fanout.toml")),
    (SYSCTLS, include_str!("../profiles/sysctls.toml")),
];

const SYSCTLS: &str = "sysctls.toml";

/// The longest profile file.
const LONGEST: u64 = 256 << 10;

/// All planes, in the order they are placed, and all settings.
#[derive(Debug, Clone)]
pub struct Profiles {
    /// At least one.
    pub planes: Vec<Plane>,
    /// Settings in the order of their file.
    pub sysctls: Vec<Sysctl>,
    /// `sha256:` over the files.
    pub digest: String,
}

/// One plane: programs that share cores and memory.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plane {
    /// Its name; its slice is `aob-NAME.slice`.
    pub name: String,
    /// What it does, for people.
    pub about: String,
    /// Its turn when cores are given out.
    pub order: u8,
    /// Its processors.
    pub cpus: Cpus,
    /// Its memory.
    pub memory: Memory,
    /// Its processes and threads.
    pub tasks: Tasks,
    /// Its services.
    #[serde(rename = "unit")]
    pub units: Vec<Unit>,
}

/// A plane's processors.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cpus {
    /// Its part of the sum of all shares.
    pub share: u16,
    /// Where it begins.
    pub home: Home,
    /// `CPUWeight` of its slice.
    pub weight: u16,
}

/// The end of the list of NUMA nodes at which a plane begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Home {
    /// At node 0.
    First,
    /// At the highest.
    Last,
}

/// A plane's memory, in percent of the machine's.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// `MemoryLow`.
    pub low: u8,
    /// `MemoryMax`.
    pub max: u8,
}

/// Processes and threads.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tasks {
    /// `TasksMax` of the slice.
    pub max: u32,
}

/// Limits of a service.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// `aob-gateway.service`.
    pub name: String,
    /// `LimitNOFILE`, soft and hard: a slice has no such limit.
    pub nofile: u32,
    /// `LimitNPROC`.
    pub nproc: u32,
    /// `TasksMax` of the service.
    pub tasks: u32,
}

impl Plane {
    /// Its slice.
    pub fn slice(&self) -> String {
        format!("aob-{}.slice", self.name)
    }
}

impl Profiles {
    /// Those that are built in.
    ///
    /// # Errors
    /// Never, as the tests prove; a changed file may break a rule.
    pub fn built_in() -> Result<Self> {
        Self::parse(&BUILT_IN.map(|(name, text)| (name.to_owned(), text.to_owned())))
    }

    /// Those of a folder: `sysctls.toml`, and a file for each plane.
    ///
    /// # Errors
    /// If a file cannot be read or breaks a rule.
    pub fn of(folder: &Path) -> Result<Self> {
        let failed = |path: &Path, source| Problem::file(path, source);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| failed(folder, error))? {
            let path = entry.map_err(|error| failed(folder, error))?.path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let length = path.metadata().map_err(|error| failed(&path, error))?.len();
            if length > LONGEST {
                let what = format!("{length} bytes, at most {LONGEST} are read");
                return Err(Problem::Profile { file: name, what });
            }
            let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
            files.push((name, text));
        }
        files.sort();
        Self::parse(&files)
    }

    fn parse(files: &[(String, String)]) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Sysctls {
            #[serde(default)]
            sysctl: Vec<Sysctl>,
        }
        let wrong = |file: &str, error: &toml::de::Error| Problem::Profile {
            file: file.to_owned(),
            what: error.to_string().trim().replace('\n', " "),
        };
        let mut digest = Sha256::new();
        let mut all = Self { planes: Vec::new(), sysctls: Vec::new(), digest: String::new() };
        let mut sorted: Vec<&(String, String)> = files.iter().collect();
        sorted.sort();
        for (name, text) in sorted {
            digest.update((name.len() as u64).to_le_bytes());
            digest.update(name);
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
            if name == SYSCTLS {
                let read: Sysctls = toml::from_str(text).map_err(|error| wrong(name, &error))?;
                all.sysctls = read.sysctl;
            } else {
                all.planes.push(toml::from_str(text).map_err(|error| wrong(name, &error))?);
            }
        }
        all.planes.sort_by(|left, right| (left.order, &left.name).cmp(&(right.order, &right.name)));
        all.digest = format!("sha256:{}", data_encoding::HEXLOWER.encode(&digest.finalize()));
        rules::check(&all)?;
        Ok(all)
    }

    /// These planes only, with the settings that one of them wants. No name: all.
    ///
    /// # Errors
    /// If there is no plane of a name.
    pub fn only(mut self, names: &[String]) -> Result<Self> {
        if names.is_empty() {
            return Ok(self);
        }
        if let Some(name) =
            names.iter().find(|name| !self.planes.iter().any(|one| one.name == **name))
        {
            let known: Vec<&str> = self.planes.iter().map(|plane| plane.name.as_str()).collect();
            let what = format!("there is no such plane, only {}", known.join(", "));
            return Err(Problem::Profile { file: name.clone(), what });
        }
        self.planes.retain(|plane| names.contains(&plane.name));
        self.sysctls.retain(|sysctl| sysctl.planes.iter().any(|plane| names.contains(plane)));
        Ok(self)
    }
}
