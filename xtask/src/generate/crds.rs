//! What the API server is told of our kinds. `aob-crds` prints all of it, so that Kubernetes is compiled in no other
//! tool.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Flags, settle as settle_file};
use crate::Outcome;

/// Writes what `crds/` makes, or notes what is stale.
pub(super) fn settle(root: &Path, flags: &Flags, stale: &mut Vec<String>) -> Outcome {
    let printed = super::program("aob-crds", &[])?;
    let files: BTreeMap<PathBuf, String> = serde_json::from_str(&printed)?;
    for (path, text) in files {
        if let Some(copy) = in_chart(&path) {
            settle_file(root, flags, copy, &text, stale)?;
        }
        settle_file(root, flags, path, &text, stale)?;
    }
    Ok(())
}

/// Where the chart has the same file: it reads nothing outside itself.
fn in_chart(path: &Path) -> Option<PathBuf> {
    let (name, files) = (path.file_name()?, Path::new("charts/aob/files"));
    match path.parent()?.to_str()? {
        "crds/manifests" => Some(files.join("crds").join(name)),
        "crds" => Some(files.join(name)),
        _ => None,
    }
}
