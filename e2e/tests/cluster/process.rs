//! Processes of the cluster, and killing one: only what is in the cluster's own namespace of processes is ever found.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::place::{folder, kubectl};

/// A process, as this machine counts, with when it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    id: u32,
    began: String,
}

impl Process {
    /// The one whose program has this name.
    pub(crate) fn named(program: &str) -> Option<Self> {
        inside().into_iter().find_map(|(id, folder)| {
            let file = fs::read_link(folder.join("exe")).ok()?;
            (file.file_name()? == program).then(|| Self::of(id))?
        })
    }

    /// The first one of a pod's container.
    pub(crate) fn of_pod(space: &str, pod: &str) -> Option<Self> {
        let read = kubectl(&["-n", space, "get", "pod", pod, "-o", "json"]).output().ok()?;
        let pod: Value = serde_json::from_slice(&read.stdout).ok()?;
        let container = pod["status"]["containerStatuses"][0]["containerID"].as_str()?;
        let container = container.rsplit('/').next()?.to_owned();
        // Those that a container's first process begins have larger numbers.
        let of = |(_, folder): &(u32, PathBuf)| {
            fs::read_to_string(folder.join("cgroup")).is_ok_and(|text| text.contains(&container))
        };
        let id = inside().into_iter().filter(of).map(|(id, _)| id).min()?;
        Self::of(id)
    }

    fn of(id: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (_, rest) = text.rsplit_once(')')?;
        let began = rest.split_whitespace().nth(19)?.to_owned();
        Some(Self { id, began })
    }

    /// `kill -9`, unless it has ended and another one has its number.
    pub(crate) fn kill(&self) {
        assert_eq!(Self::of(self.id).as_ref(), Some(self), "it has ended by itself");
        let id = rustix::process::Pid::from_raw(i32::try_from(self.id).unwrap()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    }
}

/// Every process of the cluster's namespaces, those of pods too, with its folder in /proc.
fn inside() -> Vec<(u32, PathBuf)> {
    let text = fs::read_to_string(folder().join("run/first")).unwrap();
    let first: u32 = text.split_whitespace().next().unwrap().parse().unwrap();
    // Each process of a namespace, and of those within it, descends from its first one.
    let parent = |id: u32| {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let own = namespace(first).unwrap();
    let is_inside = |id: u32| {
        let mut at = Some(id);
        while let Some(one) = at.filter(|one| *one > 1) {
            if one == first || namespace(one).as_ref() == Some(&own) {
                return true;
            }
            at = parent(one);
        }
        false
    };
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let id = path.file_name()?.to_str()?.parse().ok()?;
        Some((id, path))
    });
    all.filter(|(id, _)| is_inside(*id)).collect()
}

fn namespace(id: u32) -> Option<PathBuf> {
    fs::read_link(Path::new("/proc").join(id.to_string()).join("ns/pid")).ok()
}
