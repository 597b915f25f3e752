//! The node: containerd with its images, the kubelet.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::control::{apply, filled};
use super::inside::Inside;
use super::place::{NODE, NODE_IP, VOLUMES};
use super::wait::until;
use crate::Outcome;
use crate::images;
use crate::install;
use crate::shell::has;

/// Debian's part of it.
pub(super) fn packages() -> Outcome {
    install::packages(&[
        ("/usr/lib/cni/bridge", "containernetworking-plugins"),
        ("containerd", "containerd"),
        ("runc", "runc"),
        ("nft", "nftables"),
        ("iptables", "iptables"),
        ("ip", "iproute2"),
        ("unshare", "util-linux"),
    ])?;
    for one in ["nsenter", "setsid", "ctr"] {
        if !has(one) {
            return Err(format!("{one} is not on the PATH").into());
        }
    }
    Ok(())
}

/// Starts it and waits until it takes pods.
pub(super) fn begin(inside: &Inside, programs: &Path, pinning: bool) -> Outcome {
    let pause = images::pause()?;
    let config = filled(inside, "containerd.toml", &[("PAUSE", &pause.reference)])?;
    let network = inside.place.filled("network.conflist", &[])?;
    fs::write(inside.place.path("conf/cni/10-aob.conflist"), network)?;
    inside.daemon("containerd", Path::new("containerd"), &["-c".to_owned(), config])?;
    until("containerd answers", Duration::from_secs(60), || ctr(inside, &["version"]))?;
    load(inside, &pause)?;
    let policy = if pinning { "static" } else { "none" };
    let config = filled(inside, "kubelet.yaml", &[("CPU_MANAGER", policy)])?;
    let folder = inside.place.folder.display();
    inside.daemon(
        "kubelet",
        &programs.join("kubelet"),
        &[
            format!("--config={config}"),
            format!("--kubeconfig={folder}/conf/kubelet.kubeconfig"),
            format!("--hostname-override={NODE}"),
            format!("--node-ip={NODE_IP}"),
            format!("--root-dir={folder}/kubelet"),
            format!("--cert-dir={folder}/kubelet/pki"),
        ],
    )?;
    let mut volumes = String::new();
    for number in 1..=VOLUMES {
        volumes.push_str(&inside.place.filled("volume.yaml", &[("NUMBER", &number.to_string())])?);
    }
    let file = inside.place.path("conf/volumes.yaml");
    fs::write(&file, volumes)?;
    apply(inside, programs, &file.to_string_lossy())?;
    let kubectl = programs.join("kubectl");
    let node = format!("node/{NODE}");
    let ready = ["wait", "--for=condition=Ready", "--timeout=2s", &node];
    until("the node is ready", Duration::from_secs(180), || inside.holds(&kubectl, &ready))?;
    // Without it no pod is admitted.
    let account = ["-n", "default", "get", "serviceaccount", "default"];
    Ok(until("the first service account", Duration::from_secs(60), || {
        inside.holds(&kubectl, &account)
    })?)
}

/// Gives the node an image, by its tag and by its digest.
pub(super) fn load(inside: &Inside, image: &images::Image) -> Outcome {
    let file = image.file.to_string_lossy();
    if !ctr(inside, &["images", "import", &file]) {
        return Err(format!("{file} cannot be imported into containerd").into());
    }
    if !ctr(inside, &["images", "tag", "--force", &image.reference, &image.by_digest]) {
        return Err(format!("{} cannot be named by its digest", image.reference).into());
    }
    Ok(())
}

fn ctr(inside: &Inside, arguments: &[&str]) -> bool {
    let socket = inside.place.path("run/containerd.sock");
    let mut all = vec!["--address"];
    let socket = socket.to_string_lossy();
    all.extend([&*socket, "--namespace", "k8s.io"]);
    all.extend(arguments);
    inside.holds(Path::new("ctr"), &all)
}
