//! Whose a setting or a file is: what an administrator or another program set is not changed.

use std::collections::BTreeMap;

use crate::plan::Wanted;
use crate::problem::{Problem, Result};
use crate::profile::{Sysctl, plain};
use crate::render;
use crate::root::Root;

/// Folders with settings of administrators and programs, the strongest first. Those of distributions
/// (`/usr/lib/sysctl.d`) are defaults, there to be overridden.
const FOLDERS: [&str; 2] = ["etc/sysctl.d", "run/sysctl.d"];

/// The first line of every file that is written here.
pub(crate) const MARK: &str = "# Written by aob-node; `aob-node revert` removes it.";

/// Settings that other files make: key, file and value.
pub(crate) struct Settings(BTreeMap<String, (String, String)>);

/// Reads the files that systemd-sysctl would.
pub(crate) fn settings(root: &Root) -> Result<Settings> {
    let mut all = BTreeMap::new();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for folder in FOLDERS {
        for name in root.names(folder)? {
            if name.ends_with(".conf") {
                files.entry(name.clone()).or_insert_with(|| format!("{folder}/{name}"));
            }
        }
    }
    let plain_file = "etc/sysctl.conf".to_owned();
    for path in files.into_values().chain([plain_file]) {
        if path == render::SYSCTL_D {
            continue;
        }
        for (key, value) in root.read(&path)?.iter().flat_map(|text| text.lines()).filter_map(line)
        {
            all.insert(key, (format!("/{path}"), value));
        }
    }
    Ok(Settings(all))
}

/// `-net.core.somaxconn = 1` and `net/core/somaxconn=1`; patterns (`*`) name none of ours.
fn line(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (key, value) = line.split_once('=')?;
    let key = key.trim().trim_start_matches('-').replace('/', ".");
    Some((key, plain(value)))
}

impl Settings {
    /// The file that sets it, whatever the value.
    pub(crate) fn file(&self, key: &str) -> Option<String> {
        self.0.get(key).map(|(file, _)| file.clone())
    }

    /// The file that gives the setting another value than fits.
    pub(crate) fn owner(&self, sysctl: &Sysctl) -> Option<String> {
        let (file, value) = self.0.get(&sysctl.key)?;
        // What cannot be understood is somebody's all the same.
        let fits = sysctl.wanted(value).is_ok_and(|wanted| wanted.is_none());
        (!fits).then(|| file.clone())
    }
}

/// A file to be written, if nobody else's is there.
pub(crate) fn own_file(root: &Root, name: String, text: String) -> Result<Wanted> {
    match root.read(&name)? {
        Some(found) if !found.starts_with(MARK) => {
            Err(Problem::Owned { what: format!("/{name}"), owner: "somebody else".to_owned() })
        }
        found => {
            let present = found.is_some_and(|found| found.trim() == text.trim());
            Ok(Wanted { name, text, present })
        }
    }
}
