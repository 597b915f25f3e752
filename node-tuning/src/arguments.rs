//! What can be asked of `aob-node`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aob_node_tuning::cluster;
use aob_node_tuning::plan;
use aob_node_tuning::problem::Result;
use aob_node_tuning::profile::Profiles;
use aob_node_tuning::ranges::Ranges;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Tunes this machine for AOB: cores, memory, limits and kernel settings.
#[derive(Debug, Parser)]
#[command(
    name = "aob-node",
    version,
    after_help = "\
Examples:
  aob-node plan
  aob-node apply --planes runner
  aob-node status -o json
  aob-node revert

Exit: 0 as wanted, 1 error, 2 usage, 3 not as wanted (status, plan --check)."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) aim: Aim,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to tune for.
#[derive(Debug, Args)]
pub(crate) struct Aim {
    /// Folder that stands for the machine's root
    #[arg(long, global = true, env = "AOB_NODE_ROOT", default_value = "/", value_name = "FOLDER")]
    pub(crate) root: PathBuf,
    /// Folder with profiles instead of those that are built in
    #[arg(long = "profiles", global = true, env = "AOB_NODE_PROFILES", value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Planes that this machine serves, by comma; without it all
    #[arg(
        long,
        global = true,
        env = "AOB_NODE_PLANES",
        value_delimiter = ',',
        value_name = "PLANES"
    )]
    planes: Vec<String>,
    /// A node of a cluster: processors belong to the kubelet, network namespaces to the pods
    #[arg(long, global = true, env = "AOB_NODE_KUBERNETES")]
    kubernetes: bool,
    /// Settings to apply although they are off in the profiles, by comma
    #[arg(long, global = true, env = "AOB_NODE_ALSO", value_delimiter = ',', value_name = "KEYS")]
    also: Vec<String>,
    /// The cluster's NodePorts, if they are not 30000-32767
    #[arg(long, global = true, env = "AOB_NODE_PORTS", value_name = "RANGE")]
    node_ports: Option<Ranges>,
}

impl Aim {
    pub(crate) fn profiles(&self) -> Result<Profiles> {
        let all = match &self.folder {
            Some(folder) => Profiles::of(folder)?,
            None => Profiles::built_in()?,
        };
        all.only(&self.planes)
    }

    pub(crate) fn aim(&self) -> plan::Aim {
        plan::Aim {
            kubernetes: self.kubernetes,
            also: self.also.clone(),
            node_ports: self.node_ports.clone(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show what would be changed, and change nothing
    Plan {
        /// Exit with 3 if anything would be
        #[arg(long)]
        check: bool,
        /// How to show it
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Show what will be changed, note what is found, and change it
    Apply {
        /// Apply the rest where a setting belongs to somebody else
        #[arg(long)]
        despite_owned: bool,
    },
    /// Show whether the machine is as wanted, and what has drifted
    Status {
        /// How to show it
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Put back what was found
    Revert,
    /// Print what is made of the profiles
    Render {
        /// What to print
        what: Aspect,
    },
    /// Serve a node of a cluster: apply, look again, say it on the Node object
    Agent(Agent),
    /// Before an uninstall: let every agent put its node back, and wait for it
    Release {
        /// Seconds to wait
        #[arg(long, default_value = "300", value_name = "SECONDS")]
        timeout: u64,
        /// The agents' ConfigMap
        #[arg(long, env = "AOB_NODE_MAP", value_name = "NAME")]
        map: String,
        /// Its namespace
        #[arg(long, env = "AOB_NODE_NAMESPACE", value_name = "NAME")]
        namespace: String,
    },
    /// Print completions for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Flags of the agent.
#[derive(Debug, Args)]
pub(crate) struct Agent {
    /// The Node object of this machine
    #[arg(long, env = "AOB_NODE_NAME", value_name = "NAME")]
    node: String,
    /// Namespace of the agent's objects
    #[arg(long, env = "AOB_NODE_NAMESPACE", value_name = "NAME")]
    namespace: String,
    /// The agent's DaemonSet; when it is gone, the node is put back
    #[arg(long, env = "AOB_NODE_SET", value_name = "NAME")]
    set: String,
    /// The agent's ConfigMap; its key `mode` is `apply` or `revert`
    #[arg(long, env = "AOB_NODE_MAP", value_name = "NAME")]
    map: String,
    /// Seconds between two looks
    #[arg(long, env = "AOB_NODE_EVERY", default_value = "30", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Serve metrics here; the host's network is everybody's, so without it nowhere
    #[arg(long, env = "AOB_NODE_ADMIN", value_name = "ADDR:PORT")]
    admin: Option<SocketAddr>,
}

impl Agent {
    pub(crate) fn options(&self) -> cluster::Options {
        cluster::Options {
            node: self.node.clone(),
            namespace: self.namespace.clone(),
            set: self.set.clone(),
            map: self.map.clone(),
            every: Duration::from_secs(self.every),
            admin: self.admin,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Aspect {
    /// The file of kernel settings
    Sysctl,
    /// The package's slices and limits
    Units,
    /// Every file that `apply` writes on this machine
    DropIns,
    /// Settings that pods set for themselves
    Pod,
    /// The kubelet's part
    Kubelet,
}
