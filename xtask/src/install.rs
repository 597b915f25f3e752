//! What the tests need beside Rust: Debian packages and those of Python, installed when they are missing.

use std::fs;
use std::path::PathBuf;

use crate::Outcome;
use crate::shell::{has, run, say};

/// What tries the gateway against its own description.
pub(crate) const SCHEMATHESIS: (&str, &[&str]) = ("schemathesis", &["schemathesis==4.32.5"]);

/// What reads metrics and traces as those do who made the formats.
pub(crate) const TELEMETRY: (&str, &[&str]) =
    ("telemetry", &["opentelemetry-proto==1.45.2", "prometheus-client==0.26.0"]);

/// The Lambda API, by others.
pub(crate) const MOTO: (&str, &[&str]) = ("moto", &["moto[server,awslambda]==5.2.1"]);

/// A server of tools, by those who made its protocol.
pub(crate) const MCP: (&str, &[&str]) = ("mcp", &["mcp==2.3.0"]);

/// The programs by which model providers are asked, their own: they judge the stand-in.
pub(crate) const MODELS: (&str, &[&str]) = ("models", &["openai==3.51.0", "anthropic==2.10.0"]);

/// Installs the package of each missing program.
pub(crate) fn packages(wanted: &[(&str, &str)]) -> Outcome {
    let missing: Vec<&str> =
        wanted.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    say(&format!("installing {}", missing.join(", ")));
    // A service that the package starts would only be in the way: every test starts its own.
    let environment = [("DEBIAN_FRONTEND", "noninteractive"), ("RUNLEVEL", "1")];
    run("apt-get", &["update", "-qq"], &environment)?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(missing);
    run("apt-get", &arguments, &environment)
}

/// Where what is installed for tests is kept, outside the tree: `AOB_CACHE`, else `/var/cache/aob`.
pub(crate) fn cache() -> PathBuf {
    std::env::var_os("AOB_CACHE").map_or_else(|| "/var/cache/aob".into(), PathBuf::from)
}

/// Installs packages of Python in an environment of their own, beside the tree.
pub(crate) fn python((name, wanted): (&str, &[&str])) -> Outcome {
    let folder = cache().join("python").join(name);
    let (stamp, is) = (folder.join("installed"), wanted.join("\n"));
    if fs::read_to_string(&stamp).is_ok_and(|there| there == is) {
        return Ok(());
    }
    packages(&[("python3", "python3-venv")])?;
    say(&format!("installing {} for Python", wanted.join(", ")));
    fs::create_dir_all(&folder)?;
    run("python3", &["-m", "venv", "--clear", &folder.to_string_lossy()], &[])?;
    let program = folder.join("bin/python3").to_string_lossy().into_owned();
    let mut arguments = vec!["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    arguments.extend(wanted);
    run(&program, &arguments, &[])?;
    Ok(fs::write(stamp, is)?)
}

/// A program of a crate, built once for its version.
pub(crate) fn cargo(name: &str, version: &str) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let folder = cache().join(format!("{name}-{version}"));
    let program = folder.join("bin").join(name);
    if !program.exists() {
        let root = folder.display().to_string();
        run("cargo", &["install", name, "--locked", "--version", version, "--root", &root], &[])?;
    }
    Ok(program)
}
