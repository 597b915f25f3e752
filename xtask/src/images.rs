//! `cargo xtask images`: the images of AOB, made without a container engine.
//!
//! An image holds a program, the libraries that it needs, certificates, and names of users: no shell, no package
//! manager. The same inputs are the same bytes. `Dockerfile` makes the same for people who have Docker.

mod archive;
mod content;
mod libraries;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::MetadataCommand;
use clap::Args;

use crate::Outcome;
use crate::cluster::{self, REGISTRY};
use crate::install;
use crate::shell::{root, run, say};
use content::{Content, Layer};

type Made<T> = Result<T, Box<dyn std::error::Error>>;

/// The programs of the workspace that have an image each.
const PROGRAMS: &[&str] = &["aob", "aob-gateway", "aob-node", "aob-operator", "aob-runner"];

#[derive(Args)]
pub(crate) struct Flags {
    /// Programs of the release profile: small and fast, but they take long to build
    #[arg(long)]
    release: bool,
}

/// An image in a file that `ctr images import` and `skopeo copy oci-archive:` read.
#[derive(Debug)]
pub(crate) struct Image {
    /// `aob-runner`.
    pub(crate) name: String,
    /// With its tag.
    pub(crate) reference: String,
    /// With its digest: what this names never changes.
    pub(crate) by_digest: String,
    pub(crate) digest: String,
    pub(crate) file: PathBuf,
}

pub(crate) fn run_task(flags: &Flags) -> Outcome {
    let images = all(flags.release)?;
    let values = values(&images)?;
    for image in &images {
        let size = fs::metadata(&image.file)?.len() / 1024;
        say(&format!("{:>8} KiB  {}", size, image.by_digest));
    }
    say(&format!("{}: the chart's values for them", values.display()));
    Ok(())
}

/// Every image that the chart names.
pub(crate) fn all(release: bool) -> Made<Vec<Image>> {
    install::packages(&[
        ("strip", "binutils"),
        ("redis-server", "redis-server"),
        ("/etc/ssl/certs/ca-certificates.crt", "ca-certificates"),
    ])?;
    let mut arguments = vec!["build", "--workspace", "--bins"];
    if release {
        arguments.push("--release");
    }
    run("cargo", &arguments, &[])?;
    let target = target()?.join(if release { "release" } else { "debug" });
    let work = folder()?.join("stripped");
    fs::create_dir_all(&work)?;
    let mut images = Vec::new();
    for name in PROGRAMS {
        let program = work.join(name);
        // Names of functions stay, for whoever reads a backtrace; lines of source go.
        let from = target.join(name);
        let arguments =
            ["--strip-debug".as_ref(), "-o".as_ref(), program.as_os_str(), from.as_os_str()];
        if !Command::new("strip").args(arguments).status()?.success() {
            return Err(format!("{} cannot be stripped", from.display()).into());
        }
        let at = format!("usr/bin/{name}");
        images.push(image(name, &[(&program, &at)], &[&format!("/{at}")])?);
    }
    let server = Path::new("/usr/bin/redis-server");
    let client = Path::new("/usr/bin/redis-cli");
    let both = [(server, "usr/bin/redis-server"), (client, "usr/bin/redis-cli")];
    images.push(image("redis", &both, &["/usr/bin/redis-server"])?);
    Ok(images)
}

/// The image of every pod's first container.
pub(crate) fn pause() -> Made<Image> {
    let program = cluster::pause()?;
    let mut layer = Layer::default();
    layer.file("pause", &fs::read(program)?, 0o755)?;
    write("pause", vec![layer.end()?], &["/pause"])
}

/// An image with a shell, for tests of steps that bring their own image.
pub(crate) fn shell() -> Made<Image> {
    install::packages(&[("/bin/busybox", "busybox-static")])?;
    let listed = Command::new("/bin/busybox").arg("--list").output()?;
    let mut layer = Layer::default();
    layer.file("bin/busybox", &fs::read("/bin/busybox")?, 0o755)?;
    let mut names: Vec<&str> = std::str::from_utf8(&listed.stdout)?.lines().collect();
    names.retain(|name| *name != "busybox");
    names.sort_unstable();
    for name in names {
        layer.link(&format!("bin/{name}"), "busybox")?;
    }
    write("shell", vec![content::base()?, layer.end()?], &["/bin/sh"])
}

/// Writes the values that name these images by their digests.
pub(crate) fn values(images: &[Image]) -> Made<PathBuf> {
    let digests: serde_json::Map<String, serde_json::Value> = images
        .iter()
        .map(|image| {
            let key = image.name.trim_start_matches("aob-").replace("aob", "cli");
            (key, image.digest.clone().into())
        })
        .collect();
    let values = serde_json::json!({"image": {"registry": REGISTRY, "digests": digests}});
    let file = folder()?.join("values.json");
    fs::write(&file, serde_json::to_string_pretty(&values)? + "\n")?;
    Ok(file)
}

/// Three layers: what all share, the libraries, the programs. The first two are mostly the same bytes.
fn image(name: &str, programs: &[(&Path, &str)], entry: &[&str]) -> Made<Image> {
    let (mut libraries, mut own) = (Layer::default(), Layer::default());
    let paths: Vec<&Path> = programs.iter().map(|(from, _)| *from).collect();
    for library in libraries::of(&paths)? {
        let at = library.to_string_lossy();
        libraries.file(at.trim_start_matches('/'), &fs::read(&library)?, 0o755)?;
    }
    for (from, to) in programs {
        own.file(to, &fs::read(from)?, 0o755)?;
    }
    if name == "aob" {
        // The same program, as a plugin of kubectl.
        own.link("usr/bin/kubectl-aob", "aob")?;
    }
    write(name, vec![content::base()?, libraries.end()?, own.end()?], entry)
}

fn write(name: &str, layers: Vec<Content>, entry: &[&str]) -> Made<Image> {
    let reference = format!("{REGISTRY}/{name}:{}", env!("CARGO_PKG_VERSION"));
    let folder = folder()?;
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{name}.tar"));
    let digest = archive::write(&file, &reference, layers, entry)?;
    let by_digest = format!("{REGISTRY}/{name}@{digest}");
    Ok(Image { name: name.to_owned(), reference, by_digest, digest, file })
}

fn folder() -> Made<PathBuf> {
    Ok(target()?.join("images"))
}

fn target() -> Made<PathBuf> {
    let metadata =
        MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec()?;
    Ok(metadata.target_directory.into_std_path_buf())
}
