//! The control plane: etcd, the API server, then what needs it.

use std::path::Path;
use std::time::Duration;

use super::inside::Inside;
use super::place::{NODE, NODE_IP, SERVICES};
use super::wait::until;
use crate::Outcome;

/// Starts etcd and the API server, and waits until that is ready.
pub(super) fn begin(inside: &Inside, programs: &Path) -> Outcome {
    let place = &inside.place;
    let folder = place.folder.display();
    let at = "http://127.0.0.1:2379";
    let peers = "http://127.0.0.1:2380";
    inside.daemon(
        "etcd",
        &programs.join("etcd"),
        &[
            "--name=aob".to_owned(),
            format!("--data-dir={folder}/etcd"),
            format!("--listen-client-urls={at}"),
            format!("--advertise-client-urls={at}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=aob={peers}"),
            // A test cluster does not outlive the machine.
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ],
    )?;
    let pki = |name: &str| format!("{folder}/pki/{name}");
    inside.daemon(
        "kube-apiserver",
        &programs.join("kube-apiserver"),
        &[
            format!("--etcd-servers={at}"),
            "--bind-address=0.0.0.0".to_owned(),
            "--secure-port=6443".to_owned(),
            format!("--advertise-address={NODE_IP}"),
            format!("--tls-cert-file={}", pki("apiserver.crt")),
            format!("--tls-private-key-file={}", pki("apiserver.key")),
            format!("--client-ca-file={}", pki("ca.crt")),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
            format!("--service-account-key-file={}", pki("accounts.pub")),
            format!("--service-account-signing-key-file={}", pki("accounts.key")),
            format!("--service-cluster-ip-range={SERVICES}"),
            format!("--kubelet-client-certificate={}", pki("apiserver-kubelet.crt")),
            format!("--kubelet-client-key={}", pki("apiserver-kubelet.key")),
            format!("--kubelet-certificate-authority={}", pki("ca.crt")),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            format!("--requestheader-client-ca-file={}", pki("front-ca.crt")),
            "--requestheader-allowed-names=front-proxy-client".to_owned(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
            "--requestheader-group-headers=X-Remote-Group".to_owned(),
            "--requestheader-username-headers=X-Remote-User".to_owned(),
            format!("--proxy-client-cert-file={}", pki("front.crt")),
            format!("--proxy-client-key-file={}", pki("front.key")),
            format!("--audit-policy-file={}", filled(inside, "audit.yaml", &[])?),
            format!("--audit-log-path={folder}/log/audit.json"),
            // All of a test is read at its end.
            "--audit-log-maxsize=500".to_owned(),
            "--audit-log-maxbackup=1".to_owned(),
        ],
    )?;
    let kubectl = programs.join("kubectl");
    let ready = ["--request-timeout=2s", "get", "--raw", "/readyz"];
    Ok(until("the API server is ready", Duration::from_secs(180), || {
        inside.holds(&kubectl, &ready)
    })?)
}

/// Starts what watches the API server. Before the first roles are there the controllers would end at once.
pub(super) fn rest(inside: &Inside, programs: &Path, dns: &Path) -> Outcome {
    let folder = inside.place.folder.display();
    let conf = |name: &str| format!("{folder}/conf/{name}.kubeconfig");
    let three = |name: &str| {
        ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"]
            .map(|flag| format!("--{flag}={}", conf(name)))
            .to_vec()
    };
    let mut controllers = three("controller-manager");
    controllers.extend([
        "--bind-address=127.0.0.1".to_owned(),
        format!("--root-ca-file={folder}/pki/ca.crt"),
        format!("--service-account-private-key-file={folder}/pki/accounts.key"),
        "--use-service-account-credentials=true".to_owned(),
        format!("--cluster-signing-cert-file={folder}/pki/ca.crt"),
        format!("--cluster-signing-key-file={folder}/pki/ca.key"),
        format!("--service-cluster-ip-range={SERVICES}"),
        "--allocate-node-cidrs=false".to_owned(),
        "--node-monitor-period=1s".to_owned(),
        "--node-monitor-grace-period=20s".to_owned(),
        "--leader-elect=false".to_owned(),
    ]);
    inside.daemon(
        "kube-controller-manager",
        &programs.join("kube-controller-manager"),
        &controllers,
    )?;
    let mut scheduler = three("scheduler");
    scheduler.extend(["--bind-address=127.0.0.1", "--leader-elect=false"].map(str::to_owned));
    inside.daemon("kube-scheduler", &programs.join("kube-scheduler"), &scheduler)?;
    inside.daemon(
        "kube-proxy",
        &programs.join("kube-proxy"),
        &[
            format!("--kubeconfig={}", conf("proxy")),
            "--proxy-mode=nftables".to_owned(),
            "--cluster-cidr=10.244.0.0/16".to_owned(),
            format!("--hostname-override={NODE}"),
            // These are settings of the whole machine.
            "--conntrack-max-per-core=0".to_owned(),
            "--conntrack-tcp-timeout-established=0".to_owned(),
            "--conntrack-tcp-timeout-close-wait=0".to_owned(),
            "--metrics-bind-address=127.0.0.1:10249".to_owned(),
        ],
    )?;
    let objects = filled(inside, "objects.yaml", &[])?;
    apply(inside, programs, &objects)?;
    let names = filled(inside, "Corefile", &[])?;
    inside.daemon("coredns", dns, &["-conf".to_owned(), names])
}

/// Applies a file of objects.
pub(super) fn apply(inside: &Inside, programs: &Path, file: &str) -> Outcome {
    let kubectl = programs.join("kubectl");
    Ok(until(&format!("applying {file}"), Duration::from_secs(30), || {
        inside.holds(&kubectl, &["--request-timeout=10s", "apply", "-f", file])
    })?)
}

/// Writes a file of `e2e/cluster/node` with this cluster's values below `conf/`, and says where it is.
pub(super) fn filled(
    inside: &Inside,
    name: &str,
    also: &[(&str, &str)],
) -> Result<String, std::io::Error> {
    let to = inside.place.path("conf").join(name);
    std::fs::write(&to, inside.place.filled(name, also)?)?;
    Ok(to.to_string_lossy().into_owned())
}
