//! AOB on a cluster: its images loaded, its chart installed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::inside::Inside;
use super::{helm, kubernetes, node};
use crate::Outcome;
use crate::images;
use crate::shell::{root, say};

/// The release.
const NAME: &str = "aob";
/// Its namespace.
const SPACE: &str = "aob-system";
/// The secret that `ci/bare-values.yaml` names.
const PASSWORD: &str = "aob-store";

/// Installs it, or brings what is there up to date, and waits until its pods are ready.
pub(super) fn aob(inside: &Inside, values: &[PathBuf], release: bool) -> Outcome {
    let helm = helm()?;
    let images = images::all(release)?;
    for image in images.iter().chain([&images::shell()?]) {
        node::load(inside, image)?;
    }
    let digests = images::values(&images)?;
    namespace(inside)?;
    let mut command = Command::new(helm);
    command.args(["upgrade", "--install", NAME]).arg(root().join("charts/aob"));
    command.args(["--namespace", SPACE, "--wait", "--timeout", "5m", "--values"]).arg(digests);
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

/// Makes the namespace, under the profile that a careful cluster would enforce, and a password in it.
fn namespace(inside: &Inside) -> Outcome {
    let label = "pod-security.kubernetes.io/enforce";
    let about = json!({"name": SPACE, "labels": {label: "restricted"}});
    apply(inside, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": about}))?;
    let kubectl = kubernetes()?.join("kubectl");
    if inside.holds(&kubectl, &["-n", SPACE, "get", "secret", PASSWORD]) {
        return Ok(());
    }
    let mut random = [0; 24];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let about = json!({"name": PASSWORD, "namespace": SPACE});
    let data = json!({"password": data_encoding::HEXLOWER.encode(&random)});
    let kind = "Secret";
    apply(inside, &json!({"apiVersion": "v1", "kind": kind, "metadata": about, "stringData": data}))
}

fn apply(inside: &Inside, object: &Value) -> Outcome {
    let mut child = Command::new(kubernetes()?.join("kubectl"))
        .args(["apply", "--request-timeout=20s", "-f", "-"])
        .env("KUBECONFIG", inside.place.kubeconfig())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(object.to_string().as_bytes())?;
    }
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(format!("kubectl apply: {status}").into()) }
}
