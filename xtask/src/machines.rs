//! `cargo xtask machines`: the package on a whole system in qemu, and the chart with a real helm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::shell::{self, say};
use crate::{Outcome, cluster, install, package, tools};

/// What the guest has beside the smallest Debian.
const GUEST: &str = "systemd,systemd-sysv,dbus,procps,iproute2,redis-server";

/// What of it is left out: it would only fill the guest's memory, and take time to unpack.
const WITHOUT: [&str; 9] = [
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/zoneinfo",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/udev/hwdb.d",
    "usr/lib/udev/hwdb.bin",
    "var/cache/apt",
    "var/lib/apt/lists",
];

/// As everything else is built, so that nothing is built twice.
const TESTS: [&str; 4] = ["test", "--workspace", "--features", "aob-node-tuning/system"];

/// Two guests at once would starve each other.
const ALONE: [&str; 2] = ["--nocapture", "--test-threads=1"];

/// Another recipe of the guest is another guest.
const RECIPE: &str = "1";

#[derive(clap::Args, Default)]
pub(crate) struct Flags {
    /// Look at every kind of machine anew instead, and write what its kernel shows and what memory settings do there:
    /// node-tuning/tests/it/machines and evidence.json. A quarter of an hour.
    #[arg(long)]
    record: bool,
}

/// Installs, builds the package and the guest, runs the tests, says how long it took.
pub(crate) fn run(flags: &Flags) -> Outcome {
    let start = Instant::now();
    install::packages(&[
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("debootstrap", "debootstrap"),
        ("cpio", "cpio"),
    ])?;
    let guest = guest()?;
    if flags.record {
        let environment = [("AOB_RECORD", "1"), ("AOB_GUEST", &guest.display().to_string())];
        let only = ["--test", "boot", "--", "kernels", "memory"];
        return shell::run("cargo", &[&TESTS[..], &only, &ALONE].concat(), &environment);
    }
    let deb = package::make(true)?;
    let helm = cluster::helm()?;
    let environment = [
        ("AOB_DEB", deb.display().to_string()),
        ("AOB_GUEST", guest.display().to_string()),
        ("AOB_HELM", helm.display().to_string()),
    ];
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let prepared = start.elapsed().as_secs();
    let both = ["--test", "boot", "--test", "chart", "--"];
    shell::run("cargo", &[&TESTS[..], &both, &ALONE].concat(), &environment)?;
    say(&format!("machines: {} s, {prepared} s of them to prepare", start.elapsed().as_secs()));
    Ok(())
}

/// A folder with `root.cpio`, a Debian, and `vmlinuz`, its kernel. Made once for each recipe.
fn guest() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let recipe = tools::sha256([&[RECIPE, GUEST], &WITHOUT[..]].concat().join("\n").as_bytes());
    let folder =
        install::cache().join(format!("guest-bookworm-{}", recipe.get(..16).unwrap_or(&recipe)));
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
    pack(&fresh)?;
    kernel(&fresh)?;
    fs::rename(&fresh, &folder)?;
    Ok(folder)
}

/// Packs it as the kernel unpacks it, with the owners that its files have: Redis may read its own only.
fn pack(folder: &Path) -> Outcome {
    let without: Vec<String> = WITHOUT.iter().map(|path| format!("-path ./{path}")).collect();
    let script = format!(
        "set -e -o pipefail; cd \"$0/root\"; find . \\( {} \\) -prune -o -print0 | cpio --quiet -0 -o -H newc > ../root.cpio; cd ..; rm -rf root",
        without.join(" -o ")
    );
    shell::run("bash", &["-c", &script, &folder.display().to_string()], &[])
}

/// The newest kernel for virtual machines of the distribution. Only its image: all that is needed is built in.
fn kernel(folder: &Path) -> Outcome {
    shell::run("apt-get", &["update", "-qq"], &[])?;
    let output = Command::new("apt-cache").args(["depends", "linux-image-cloud-amd64"]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let name = text.split_whitespace().find(|word| word.starts_with("linux-image-6"));
    let name = name.ok_or("apt knows no linux-image-cloud-amd64")?.to_owned();
    let script = format!(
        "cd \"$0\" && apt-get download {name} && dpkg-deb -x {name}_*.deb k && mv k/boot/vmlinuz-* vmlinuz && rm -r k {name}_*.deb"
    );
    shell::run("sh", &["-c", &script, &folder.display().to_string()], &[])
}
