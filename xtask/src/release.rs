//! `cargo xtask release`: everything that a release consists of, in one folder. Nothing is sent anywhere.
//!
//! Images, the Debian package, the chart, the definitions; what is in them (`sbom/`), what has changed (`CHANGELOG.md`),
//! and `SHA256SUMS` over all of it, which `sha256sum --check` reads.

mod changes;
mod parts;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::shell::{output, root, run, say};
use crate::{Outcome, cluster, images, package};

/// The chart of AOB, and that of the machines.
const CHARTS: [&str; 2] = ["charts/aob", "charts/aob-node-tuning"];
/// Crates whose programs are given away.
const GIVEN: [&str; 5] =
    ["aob-cli", "aob-runner", "aob-gateway", "aob-operator", "aob-node-tuning"];

/// Flags of `cargo xtask release`.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// A quick build for trying this itself, not optimised.
    #[arg(long)]
    quick: bool,
    /// Where to; it must not be there.
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Makes it and says where it is.
pub(crate) fn run_task(flags: &Flags) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("target/release-{version}");
    let folder = flags.output.clone().unwrap_or_else(|| root().join(name));
    if folder.exists() {
        return Err(format!("{} is there: a release is made once", folder.display()).into());
    }
    let unknown = output("git", &["status", "--porcelain"])?;
    if !unknown.is_empty() && !flags.quick {
        return Err("files differ from what is committed: a release is made of a commit".into());
    }
    let half = folder.with_extension("half");
    if half.exists() {
        fs::remove_dir_all(&half)?;
    }
    fs::create_dir_all(&half)?;
    programs(&half, flags.quick)?;
    for chart in CHARTS {
        let helm = cluster::helm()?;
        let to = half.to_string_lossy();
        run(&helm.to_string_lossy(), &["package", chart, "--destination", &to], &[])?;
    }
    for entry in fs::read_dir(root().join("crds/manifests"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::copy(&path, half.join(format!("crd-{name}")))?;
    }
    sbom(&half)?;
    fs::write(half.join("CHANGELOG.md"), changes::since_last(version)?)?;
    sums(&half)?;
    fs::rename(&half, &folder)?;
    say(&format!("the release is in {}", folder.display()));
    Ok(())
}

/// Images as archives with the values that name them, and the package.
fn programs(folder: &Path, quick: bool) -> Outcome {
    let images = images::all(!quick)?;
    for image in &images {
        fs::copy(&image.file, folder.join(format!("{}.oci.tar", image.name)))?;
    }
    fs::copy(images::values(&images)?, folder.join("values-images.json"))?;
    let deb = package::make(quick)?;
    let arch = output("dpkg", &["--print-architecture"])?;
    let name = format!("aob_{}_{}.deb", env!("CARGO_PKG_VERSION"), arch.trim());
    fs::copy(deb, folder.join(name))?;
    Ok(())
}

/// What each program is made of.
fn sbom(folder: &Path) -> Outcome {
    let parts = parts::Parts::of(&target()?)?;
    let folder = folder.join("sbom");
    fs::create_dir_all(&folder)?;
    for package in GIVEN {
        let bill = parts.bill(package)?;
        let components = bill["components"].as_array().map_or(0, Vec::len);
        say(&format!("{components:>6} components in {package}"));
        let text = serde_json::to_string_pretty(&bill)? + "\n";
        fs::write(folder.join(format!("{package}.cdx.json")), text)?;
    }
    Ok(())
}

/// What programs are built for here.
fn target() -> Result<String, Box<dyn std::error::Error>> {
    let said = output("rustc", &["-vV"])?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc does not say what it builds for")?.to_owned())
}

/// Writes `SHA256SUMS`.
fn sums(folder: &Path) -> Outcome {
    let mut paths = Vec::new();
    files(folder, &mut paths)?;
    paths.sort();
    let mut text = String::new();
    for path in paths {
        let name = path.strip_prefix(folder)?.display().to_string();
        text.push_str(&format!("{}  {name}\n", digest(&path)?));
    }
    Ok(fs::write(folder.join("SHA256SUMS"), text)?)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files(&entry.path(), found)?;
        } else {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// Of a file that need not fit into memory.
fn digest(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash) = (fs::File::open(path)?, Sha256::new());
    let mut part = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut part)?;
        if read == 0 {
            return Ok(data_encoding::HEXLOWER.encode(&hash.finalize()));
        }
        hash.update(part.get(..read).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_is_summed_is_what_others_check() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sbom")).unwrap();
        fs::write(folder.path().join("a b"), "one").unwrap();
        fs::write(folder.path().join("sbom/c"), vec![7; 100_000]).unwrap();
        sums(folder.path()).unwrap();
        let check = || {
            let mut command = Command::new("sha256sum");
            command.args(["--check", "--strict", "SHA256SUMS"]).current_dir(folder.path());
            command.output().unwrap().status.success()
        };
        assert!(check());
        fs::write(folder.path().join("sbom/c"), vec![8; 100_000]).unwrap();
        assert!(!check());
    }
}
