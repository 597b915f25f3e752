//! What a machine is: its cores, its memory nodes, its kernel, and who else tunes it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::problem::{Problem, Result};
use crate::ranges::Ranges;
use crate::root::Root;

/// A machine as its files show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Version of the kernel: major, minor, patch.
    pub kernel: Version,
    /// Token of this boot.
    pub boot: String,
    /// Cores with a processor that is online, by their first processor.
    pub cores: Vec<Core>,
    /// NUMA nodes that have memory.
    pub memory: Ranges,
    /// Which control groups it has.
    pub groups: Groups,
    /// Whether a kubelet works here.
    pub kubelet: bool,
}

/// Three numbers, compared from the left.
pub type Version = (u32, u32, u32);

/// A physical core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// Its processors (hardware threads) that are online; never empty.
    pub cpus: Ranges,
    /// Its NUMA node.
    pub node: u32,
}

/// Control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Groups {
    /// The unified hierarchy, with the controllers that cpusets need.
    V2,
    /// The old hierarchies, or both: slices have no cpusets there.
    V1,
    /// None is mounted.
    None,
}

impl Machine {
    /// Reads it.
    ///
    /// # Errors
    /// If a file that must be there is not, or says what cannot be understood.
    pub fn read(root: &Root) -> Result<Self> {
        let (nodes, memory) = nodes(root)?;
        let kubelet =
            root.has("var/lib/kubelet/config.yaml") || root.has("etc/kubernetes/kubelet.conf");
        Ok(Self {
            kernel: kernel(root)?,
            boot: needed(root, "proc/sys/kernel/random/boot_id")?,
            cores: cores(root, &nodes)?,
            memory,
            groups: groups(root)?,
            kubelet,
        })
    }

    /// All processors that are online.
    pub fn cpus(&self) -> Ranges {
        self.cores.iter().flat_map(|core| core.cpus.iter()).collect()
    }
}

/// Reads the first three numbers of a version: `6.1.0-13-cloud-amd64`.
pub fn version(text: &str) -> Option<Version> {
    let mut numbers = text.split(|sign: char| !sign.is_ascii_digit()).map(str::parse::<u32>);
    let first = numbers.next()?.ok()?;
    let second = numbers.next().and_then(|number| number.ok()).unwrap_or(0);
    Some((first, second, numbers.next().and_then(|number| number.ok()).unwrap_or(0)))
}

fn needed(root: &Root, name: &str) -> Result<String> {
    root.read(name)?
        .ok_or_else(|| Problem::Machine { path: root.path(name), what: "is not there".to_owned() })
}

fn kernel(root: &Root) -> Result<Version> {
    let name = "proc/sys/kernel/osrelease";
    let text = needed(root, name)?;
    version(&text).ok_or_else(|| Problem::Machine {
        path: root.path(name),
        what: "shows no version of a kernel".to_owned(),
    })
}

fn ranges(root: &Root, name: &str) -> Result<Option<Ranges>> {
    let Some(text) = root.read(name)? else { return Ok(None) };
    let parsed = text.parse();
    parsed.map(Some).map_err(|what| Problem::Machine { path: root.path(name), what })
}

/// The node of each processor, and the nodes with memory. Without NUMA everything is node 0.
fn nodes(root: &Root) -> Result<(BTreeMap<u32, u32>, Ranges)> {
    let folder = "sys/devices/system/node";
    let mut nodes = BTreeMap::new();
    let Some(online) = ranges(root, &format!("{folder}/online"))? else {
        return Ok((nodes, Ranges::from_iter([0])));
    };
    for node in online.iter() {
        let cpus = ranges(root, &format!("{folder}/node{node}/cpulist"))?.unwrap_or_default();
        nodes.extend(cpus.iter().map(|cpu| (cpu, node)));
    }
    let memory = ranges(root, &format!("{folder}/has_memory"))?.unwrap_or(online);
    Ok((nodes, memory))
}

fn cores(root: &Root, nodes: &BTreeMap<u32, u32>) -> Result<Vec<Core>> {
    let folder = "sys/devices/system/cpu";
    let name = format!("{folder}/online");
    let online = ranges(root, &name)?.filter(|online| !online.is_empty()).ok_or_else(|| {
        Problem::Machine { path: root.path(&name), what: "shows no processor".to_owned() }
    })?;
    let mut cores: Vec<Core> = Vec::new();
    for cpu in online.iter() {
        if cores.iter().any(|core| core.cpus.contains(cpu)) {
            continue;
        }
        let name = format!("{folder}/cpu{cpu}/topology/thread_siblings_list");
        let mut cpus = ranges(root, &name)?.unwrap_or_default().both(&online);
        cpus.add(&Ranges::from_iter([cpu]));
        // A wrong list must not give a processor to two cores.
        let taken = cores.iter().flat_map(|core| core.cpus.iter()).collect();
        let node = nodes.get(&cpu).copied().unwrap_or(0);
        cores.push(Core { cpus: cpus.without(&taken), node });
    }
    Ok(cores)
}

fn groups(root: &Root) -> Result<Groups> {
    if let Some(controllers) = root.read("sys/fs/cgroup/cgroup.controllers")? {
        let has = |name| controllers.split_whitespace().any(|one| one == name);
        return Ok(if has("cpuset") && has("memory") { Groups::V2 } else { Groups::V1 });
    }
    Ok(if root.has("sys/fs/cgroup") { Groups::V1 } else { Groups::None })
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_read_from_the_left() {
        assert_eq!(super::version("6.1.0-13-cloud-amd64"), Some((6, 1, 0)));
        assert_eq!(super::version("4.19"), Some((4, 19, 0)));
        assert_eq!(super::version("6.18.44-fc"), Some((6, 18, 44)));
        assert_eq!(super::version("linux"), None);
    }
}
