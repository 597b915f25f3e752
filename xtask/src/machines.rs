//! `cargo xtask machines`: the package on a whole system in qemu, and the chart with a real helm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::shell::{self, say};
use crate::{Outcome, install, package};

/// helm, as a Go module.
const HELM: (&str, &str) = ("helm.sh/helm/v3/cmd/helm", "v3.19.5");

/// What the guest has beside the smallest Debian.
const GUEST: &str = "systemd,systemd-sysv,dbus,procps,iproute2,redis-server";

/// Installs, builds the package and the guest, runs the tests, says how long it took.
pub(crate) fn run() -> Outcome {
    let start = Instant::now();
    install::packages(&[
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("debootstrap", "debootstrap"),
        ("cpio", "cpio"),
    ])?;
    let deb = package::make(true)?;
    let guest = guest()?;
    let helm = install::go("helm", HELM)?;
    let environment = [
        ("AOB_DEB", deb.display().to_string()),
        ("AOB_GUEST", guest.display().to_string()),
        ("AOB_HELM", helm.display().to_string()),
    ];
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let arguments = [
        "test",
        "-p",
        "aob-node-tuning",
        "--features",
        "system",
        "--test",
        "boot",
        "--test",
        "chart",
    ];
    let prepared = start.elapsed().as_secs();
    shell::run("cargo", &[&arguments[..], &["--", "--nocapture"]].concat(), &environment)?;
    say(&format!("machines: {} s, {prepared} s of them to prepare", start.elapsed().as_secs()));
    Ok(())
}

/// A folder with `root/`, a Debian, and `vmlinuz`, its kernel. Made once.
fn guest() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let folder = install::cache().join("guest-bookworm-1");
    if folder.join("vmlinuz").exists() {
        return Ok(folder);
    }
    let fresh = folder.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    let root = fresh.join("root").display().to_string();
    let include = format!("--include={GUEST}");
    shell::run("debootstrap", &["--variant=minbase", &include, "bookworm", &root], &[])?;
    kernel(&fresh)?;
    fs::rename(&fresh, &folder)?;
    Ok(folder)
}

/// The newest kernel for virtual machines of the distribution. Only its image: all that is needed is built in.
fn kernel(folder: &Path) -> Outcome {
    let output = Command::new("apt-cache").args(["depends", "linux-image-cloud-amd64"]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let name = text.split_whitespace().find(|word| word.starts_with("linux-image-6"));
    let name = name.ok_or("apt knows no linux-image-cloud-amd64")?.to_owned();
    let script = format!(
        "cd \"$0\" && apt-get download {name} && dpkg-deb -x {name}_*.deb k && mv k/boot/vmlinuz-* vmlinuz && rm -r k {name}_*.deb"
    );
    shell::run("sh", &["-c", &script, &folder.display().to_string()], &[])
}
