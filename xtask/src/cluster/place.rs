//! Where a cluster keeps what it needs, and the names and addresses that are its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::tools::sha256;

/// The node's name.
pub(crate) const NODE: &str = "aob-node";
/// The node's address, inside.
pub(crate) const NODE_IP: &str = "10.99.0.1";
/// The first address of services, which is the API server's.
pub(crate) const API_IP: &str = "10.96.0.1";
/// Addresses of services.
pub(crate) const SERVICES: &str = "10.96.0.0/16";
/// Addresses of pods.
pub(crate) const PODS: &str = "10.244.0.0/24";
/// How many volumes of the disk there are.
pub(crate) const VOLUMES: usize = 8;

/// One cluster's folder.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    /// Its cgroup's name.
    pub(crate) cgroup: String,
    /// The machine's end of the link to it, and its own end.
    pub(crate) link: [String; 2],
    /// The addresses of both ends, a /30.
    pub(crate) link_ip: [String; 2],
}

impl Place {
    /// Absolute, so that every process means the same.
    pub(crate) fn at(folder: &Path) -> io::Result<Self> {
        let folder = std::path::absolute(folder)?;
        let digest = sha256(folder.to_string_lossy().as_bytes());
        let short: String = digest.chars().take(8).collect();
        let number = u8::from_str_radix(digest.get(..2).unwrap_or("0"), 16).unwrap_or(0);
        let fourth = u8::from_str_radix(digest.get(2..4).unwrap_or("0"), 16).unwrap_or(0) & 0xfc;
        Ok(Self {
            cgroup: format!("aob-cluster-{short}"),
            link: [format!("aob{short}h"), format!("aob{short}c")],
            link_ip: [
                format!("10.98.{number}.{}", fourth | 1),
                format!("10.98.{number}.{}", fourth | 2),
            ],
            folder,
        })
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.join(relative)
    }

    /// Whoever has this file may do everything in the cluster.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }

    /// Makes its folders.
    pub(crate) fn make(&self) -> io::Result<()> {
        for one in ["run", "pki", "log", "conf/cni", "containerd", "etcd", "kubelet", "pods"] {
            fs::create_dir_all(self.path(one))?;
        }
        for number in 1..=VOLUMES {
            let folder = self.path(&format!("volumes/{number}"));
            fs::create_dir_all(&folder)?;
            // Containers of any user keep their data there.
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o777))?;
        }
        Ok(())
    }

    /// A file of `e2e/cluster/node` with this cluster's values in the place of `@NAME@`.
    pub(crate) fn filled(&self, name: &str, also: &[(&str, &str)]) -> io::Result<String> {
        let mut text =
            fs::read_to_string(crate::shell::root().join("e2e/cluster/node").join(name))?;
        let folder = self.folder.to_string_lossy();
        let own = [
            ("FOLDER", &*folder),
            ("CGROUP", &*self.cgroup),
            ("NODE", NODE),
            ("NODE_IP", NODE_IP),
            ("PODS", PODS),
        ];
        for (name, value) in own.iter().chain(also) {
            text = text.replace(&format!("@{name}@"), value);
        }
        Ok(text)
    }
}
