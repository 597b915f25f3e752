//! AOB on a cluster: its images loaded, its chart installed.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::inside::Inside;
use super::{helm, node};
use crate::Outcome;
use crate::images;
use crate::shell::{root, say};

/// The release and its namespace.
const NAME: &str = "aob";

/// Installs it, or brings what is there up to date, and waits until its pods are ready.
pub(super) fn aob(inside: &Inside, values: &[PathBuf], release: bool) -> Outcome {
    let helm = helm()?;
    let images = images::all(release)?;
    for image in images.iter().chain([&images::shell()?]) {
        node::load(inside, image)?;
    }
    let digests = images::values(&images)?;
    let mut command = Command::new(helm);
    command.args(["upgrade", "--install", NAME]).arg(root().join("charts/aob"));
    command.args(["--namespace", "aob-system", "--create-namespace"]);
    command.args(["--wait", "--timeout", "5m", "--values"]).arg(digests);
    for file in values {
        command.arg("--values").arg(root().join(file));
    }
    say("installing AOB with helm");
    let status = command
        .env("KUBECONFIG", inside.place.kubeconfig())
        .stdin(Stdio::null())
        .stdout(Stdio::inherit())
        .status()?;
    if status.success() { Ok(()) } else { Err(format!("helm: {status}").into()) }
}
