//! The namespaces of a cluster: beginning them, running things in them, ending them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::place::{NODE_IP, Place};
use super::wait::until;
use crate::Outcome;
use crate::shell::{root, say};

/// Keeps a process going, with a pause in which one that cannot begin uses no processor.
const AGAIN: &str = "while :; do \"$@\"; sleep 1; done";

/// A cluster that has begun.
pub(crate) struct Inside {
    pub(crate) place: Place,
    /// Its first process, as this machine counts.
    first: u32,
}

/// Begins the namespaces and links the machine to them.
pub(super) fn begin(place: &Place) -> Result<Inside, Box<dyn std::error::Error>> {
    if !Path::new("/sys/fs/cgroup/memory").is_dir() {
        return Err(
            "this needs the memory controller of cgroup v1, which this machine does not mount"
                .into(),
        );
    }
    let ready = place.path("run/ready");
    if ready.exists() {
        fs::remove_file(&ready)?;
    }
    let log = File::create(place.path("log/init.log"))?;
    let outer = Command::new("setsid")
        .args(["unshare", "--mount", "--net", "--cgroup", "--pid", "--fork", "--kill-child", "sh"])
        .arg(root().join("e2e/cluster/init.sh"))
        .env("FOLDER", &place.folder)
        .env("CGROUP", &place.cgroup)
        .env("NODE_IP", NODE_IP)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .map_err(|error| format!("setsid and unshare (package util-linux): {error}"))?;
    let children = format!("/proc/{0}/task/{0}/children", outer.id());
    until("the cluster's first process", Duration::from_secs(20), || ready.exists())
        .map_err(|error| format!("{error}; see {}", place.path("log/init.log").display()))?;
    let first: u32 = fs::read_to_string(&children)?.trim().parse()?;
    let began = began(first).ok_or("the cluster's first process has ended")?;
    let own = fs::read_to_string(format!("/proc/{first}/cgroup"))?;
    fs::write(place.path("run/cgroups"), own)?;
    fs::write(place.path("run/first"), format!("{first} {began}\n"))?;
    let inside = Inside { place: place.clone(), first };
    inside.link()?;
    Ok(inside)
}

/// Ends everything that runs in it.
pub(super) fn stop(place: &Place) -> Outcome {
    if let Ok(inside) = Inside::of(place) {
        let first = inside.first.to_string();
        say(&format!("ending the cluster below process {first}"));
        Command::new("kill").args(["-9", &first]).status()?;
        until("the end of the cluster's processes", Duration::from_secs(30), || {
            began(inside.first).is_none()
        })?;
    }
    let Ok(own) = fs::read_to_string(place.path("run/cgroups")) else { return Ok(()) };
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(name), Some(path)) = (parts.next(), parts.next()) else { continue };
        let name = name.trim_start_matches("name=");
        let folder = format!("/sys/fs/cgroup/{name}{path}/{}", place.cgroup);
        until(&format!("the end of {folder}"), Duration::from_secs(20), || {
            emptied(Path::new(&folder))
        })?;
    }
    Ok(())
}

/// Ends it and removes its folder.
pub(super) fn end(place: &Place) -> Outcome {
    stop(place)?;
    // Only what this made is removed: somebody may have named a folder of their own.
    if place.path("run").is_dir() && place.path("pki").is_dir() {
        until("the folder's end", Duration::from_secs(30), || {
            fs::remove_dir_all(&place.folder).is_ok() || !place.folder.exists()
        })?;
    }
    Ok(())
}

impl Inside {
    /// The cluster of a folder, if it runs.
    pub(crate) fn of(place: &Place) -> Result<Self, Box<dyn std::error::Error>> {
        let none =
            || format!("no cluster runs in {}: cargo xtask cluster up", place.folder.display());
        let text = fs::read_to_string(place.path("run/first")).map_err(|_| none())?;
        let (first, start) = text.trim().split_once(' ').ok_or_else(none)?;
        let first: u32 = first.parse()?;
        // A number is used again; with the time of its begin it is this process and no other.
        if began(first).as_deref() != Some(start) {
            return Err(none().into());
        }
        Ok(Self { place: place.clone(), first })
    }

    /// A command that will run inside.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.to_string()]);
        command.args(["--mount", "--net", "--pid", "--cgroup"]);
        if let Ok(here) = std::env::current_dir() {
            command.arg(format!("--wdns={}", here.display()));
        }
        command.arg("--").arg(program).env("KUBECONFIG", self.place.path("conf/admin.kubeconfig"));
        command
    }

    /// Starts a process that goes on; what it says is in `log/NAME.log`. If it ends, it is started again, as systemd
    /// would.
    pub(super) fn daemon(&self, name: &str, program: &Path, arguments: &[String]) -> Outcome {
        let log = File::create(self.place.path(&format!("log/{name}.log")))?;
        let mut inner = self.command("sh");
        inner.args(["-c", AGAIN, name]).arg(program).args(arguments);
        let mut outer = Command::new("setsid");
        outer.arg(inner.get_program()).args(inner.get_args());
        let child = outer
            .current_dir(&self.place.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        let start = began(child.id()).unwrap_or_default();
        fs::write(
            self.place.path(&format!("run/{name}.pid")),
            format!("{} {start}\n", child.id()),
        )?;
        Ok(())
    }

    /// Each process that was started, and whether it lives.
    pub(super) fn daemons(&self) -> Result<Vec<(String, bool)>, std::io::Error> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.place.path("run"))? {
            let path: PathBuf = entry?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if path.extension().is_some_and(|end| end == "pid") {
                let text = fs::read_to_string(&path)?;
                let known = text.trim().split_once(' ').and_then(|(number, start)| {
                    Some(began(number.parse().ok()?).as_deref() == Some(start))
                });
                found.push((name, known.unwrap_or(false)));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Whether a command inside succeeds; what it says goes nowhere.
    pub(super) fn holds(&self, program: &Path, arguments: &[&str]) -> bool {
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// Gives the machine an address from which it reaches the API server. Both ends vanish with the namespaces.
    fn link(&self) -> Outcome {
        let ([here, there], [my, its]) = (&self.place.link, &self.place.link_ip);
        let first = self.first.to_string();
        let ip = |arguments: &[&str]| -> Outcome {
            let status = Command::new("ip").args(arguments).status()?;
            if status.success() {
                Ok(())
            } else {
                Err(format!("ip {}: {status}", arguments.join(" ")).into())
            }
        };
        ip(&["link", "add", here, "type", "veth", "peer", "name", there, "netns", &first])?;
        ip(&["addr", "add", &format!("{my}/30"), "dev", here])?;
        ip(&["link", "set", here, "up"])?;
        let program = Path::new("ip");
        let its = format!("{its}/30");
        if self.holds(program, &["addr", "add", &its, "dev", there])
            && self.holds(program, &["link", "set", there, "up"])
        {
            return Ok(());
        }
        Err(format!("the link {there} of the cluster cannot be set up").into())
    }
}

/// When a process began, in the kernel's ticks, if it lives.
fn began(process: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

/// Removes a cgroup and those below it; whether nothing is left.
fn emptied(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return true };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            emptied(&entry.path());
        }
    }
    fs::remove_dir(folder).is_ok()
}
