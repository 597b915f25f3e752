//! Where the servers come from: Restate's npm package, Debian's PostgreSQL.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::Command;

use super::server::output;

/// The version of Restate's server that is measured.
pub const RESTATE_VERSION: &str = "1.7.12";
/// The major version of PostgreSQL that is measured where it can be had.
const POSTGRES_MAJOR: u32 = 15;
/// Where Debian keeps PostgreSQL's programs, by major version.
const POSTGRES_ROOT: &str = "/usr/lib/postgresql";

/// Gives the path of Restate's server, fetched into `cache` by npm unless it is there.
pub async fn restate_server(cache: &Path) -> Result<PathBuf> {
    let home = cache.join(format!("restate-server-{RESTATE_VERSION}"));
    let binary = home.join("package/bin/restate-server");
    if binary.is_file() {
        return Ok(binary);
    }
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => bail!("Restate's npm packages have no server for Linux on {other}"),
    };
    let package = format!("@restatedev/restate-server-linux-{machine}@{RESTATE_VERSION}");
    if output(Command::new("npm").arg("--version")).await.is_err() {
        apt_install("npm").await?;
    }
    // Unpacked beside its place and renamed into it, so that a cut-off install leaves nothing
    // that the next one would take for whole.
    let part = cache.join(format!(".restate-server-{RESTATE_VERSION}.{}", std::process::id()));
    std::fs::create_dir_all(&part).with_context(|| format!("create {}", part.display()))?;
    let packed = output(
        Command::new("npm")
            .args(["pack", "--silent", "--pack-destination", "."])
            .arg(&package)
            .current_dir(&part),
    )
    .await
    .with_context(|| format!("fetch {package}"))?;
    let archive = packed.lines().last().unwrap_or_default().trim();
    output(Command::new("tar").args(["-xzf", archive]).current_dir(&part)).await?;
    std::fs::remove_file(part.join(archive)).with_context(|| format!("remove {archive}"))?;
    if let Err(error) = std::fs::rename(&part, &home) {
        std::fs::remove_dir_all(&part).ok();
        ensure!(binary.is_file(), "rename {} to {}: {error}", part.display(), home.display());
    }
    ensure!(binary.is_file(), "{package} holds no {}", binary.display());
    Ok(binary)
}

/// Gives the folder of PostgreSQL's programs, installed by apt unless they are there.
/// Version 15, or the newest installed where Debian's release has another.
pub async fn postgres() -> Result<PathBuf> {
    if let Some(programs) = installed_postgres() {
        return Ok(programs);
    }
    let exact = format!("postgresql-{POSTGRES_MAJOR}");
    if apt_install(&exact).await.is_err() {
        apt_install("postgresql").await?;
    }
    installed_postgres()
        .with_context(|| format!("no PostgreSQL under {POSTGRES_ROOT} after its installation"))
}

/// The version of a crate in this workspace's committed lock file.
pub fn locked_version(name: &str) -> &'static str {
    let head = format!("name = \"{name}\"");
    let mut lines = include_str!("../../Cargo.lock").lines();
    lines
        .find(|line| *line == head)
        .and_then(|_| lines.next())
        .and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .unwrap_or("unknown")
}

fn installed_postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir(POSTGRES_ROOT).ok()?;
    versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let major: u32 = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            let whole = ["postgres", "initdb", "psql", "pg_isready"]
                .iter()
                .all(|program| programs.join(program).is_file());
            whole.then_some((major == POSTGRES_MAJOR, major, programs))
        })
        .max()
        .map(|(_, _, programs)| programs)
}

async fn apt_install(package: &str) -> Result<()> {
    // RUNLEVEL=1: the package's own cluster is not started, where there is no systemd.
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        command
    };
    output(&mut apt(&["update"])).await?;
    output(&mut apt(&["install", "-y", "--no-install-recommends", package]))
        .await
        .map(drop)
        .with_context(|| format!("install {package} (needs root)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_lock_file() {
        assert_eq!(locked_version("restate-sdk"), "0.13.0");
        assert_eq!(locked_version("dbos"), "0.5.0");
        assert_eq!(locked_version("no-such-crate"), "unknown");
    }
}
