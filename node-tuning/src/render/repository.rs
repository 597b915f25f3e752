//! Files of this repository that are made of the profiles.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Measured, kubelet, package, pod_sysctls, settings};
use crate::problem::{Problem, Result};
use crate::profile::Profiles;

const CHART: &str = "charts/aob-node-tuning/files";

/// Every such file, by its path below the repository's root. The test `what_is_made_of_profiles_is_fresh` compares, or writes them.
///
/// # Errors
/// If the profiles or the evidence cannot be read.
pub fn repository(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| Problem::file(path, error));
    let folder = root.join("node-tuning/profiles");
    let profiles = Profiles::of(&folder)?;
    let mut files: Vec<(PathBuf, String)> = package(&profiles)
        .into_iter()
        .map(|(name, text)| (Path::new("systemd").join(name), text))
        .collect();
    let chart = Path::new(CHART);
    files.push((PathBuf::from("charts/aob/files/pod-sysctls.yaml"), pod_sysctls(&profiles)));
    files.push((chart.join("kubelet.yaml"), kubelet(&profiles, None)));
    // Helm reads nothing outside a chart: the agent's ConfigMap is made of this copy.
    let mut names: Vec<String> =
        profiles.planes.iter().map(|plane| format!("{}.toml", plane.name)).collect();
    names.push("sysctls.toml".to_owned());
    for name in names {
        let text = read(&folder.join(&name))?;
        files.push((chart.join("profiles").join(name), text));
    }
    let path = root.join("node-tuning/evidence.json");
    let measured: BTreeMap<String, Measured> = serde_json::from_str(&read(&path)?)
        .map_err(|error| Problem::Machine { path, what: error.to_string() })?;
    let page = settings(&profiles, &measured);
    files.push((PathBuf::from("docs/reference/node-settings.md"), page));
    Ok(files)
}
