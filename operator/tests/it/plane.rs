//! A control plane: etcd and an API server, as they are built for the test cluster. No kubelet: nothing runs as a pod.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aob_crds::{manifest, rights};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};

use crate::guarded::Guarded;

/// How long a part may take to be ready, on a machine that builds beside.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running control plane with our kinds defined.
pub(crate) struct Plane {
    pub(crate) folder: PathBuf,
    pub(crate) kubeconfig: PathBuf,
    _api: Guarded,
    // Last: it removes the folder.
    _etcd: Guarded,
}

impl Plane {
    /// Starts one, on ports that are free.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("aob-plane").tempdir().unwrap().keep();
        let [etcd_port, peer_port, api_port] = ports();
        certificates(&folder, api_port);
        let programs = programs();
        let at = format!("http://127.0.0.1:{etcd_port}");
        let peer = format!("http://127.0.0.1:{peer_port}");
        let etcd = Guarded::start(
            &programs.join("etcd"),
            &[
                "--name=test".to_owned(),
                format!("--data-dir={}/etcd", folder.display()),
                format!("--listen-client-urls={at}"),
                format!("--advertise-client-urls={at}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=test={peer}"),
                "--unsafe-no-fsync".to_owned(),
                "--log-level=warn".to_owned(),
            ],
            &[],
            &folder.join("etcd.log"),
            Some(&folder),
        );
        let file = |name: &str| folder.join(name).display().to_string();
        let api = Guarded::start(
            &programs.join("kube-apiserver"),
            &[
                format!("--etcd-servers={at}"),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={api_port}"),
                format!("--tls-cert-file={}", file("api.crt")),
                format!("--tls-private-key-file={}", file("api.key")),
                format!("--client-ca-file={}", file("ca.crt")),
                "--authorization-mode=RBAC".to_owned(),
                // Nobody makes service accounts here.
                "--disable-admission-plugins=ServiceAccount".to_owned(),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-key-file={}", file("accounts.pub")),
                format!("--service-account-signing-key-file={}", file("accounts.key")),
                "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
                format!("--audit-policy-file={}", file("audit.yaml")),
                format!("--audit-log-path={}", file("audit.json")),
            ],
            &[],
            &folder.join("api.log"),
            None,
        );
        let kubeconfig = folder.join("kubeconfig");
        let plane = Self { folder, kubeconfig, _api: api, _etcd: etcd };
        plane.until("the API server is ready", || {
            plane.kubectl(&["get", "--raw", "/readyz"]).is_ok()
        });
        for definition in manifest::definitions() {
            let text = serde_json::to_string(&definition).unwrap();
            plane.apply(&text);
        }
        plane.apply(&roles());
        let kinds = ["workflows", "runs", "runpatches", "nodetypes"]
            .map(|kind| format!("crd/{kind}.aob.dev"));
        for kind in &kinds {
            plane.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", kind]).unwrap();
        }
        plane
    }

    /// What kubectl answers.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(programs().join("kubectl"));
        let done = command.env("KUBECONFIG", &self.kubeconfig).args(arguments).output();
        let done = done.expect("kubectl is built by `cargo xtask test`");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
    }

    /// What kubectl warns of while it applies.
    pub(crate) fn warnings(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(programs().join("kubectl"));
        let done = command.env("KUBECONFIG", &self.kubeconfig).args(arguments).output();
        let done = done.expect("kubectl is built by `cargo xtask test`");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stderr).into_owned()
    }

    /// `kubectl apply`, as people do it.
    pub(crate) fn apply(&self, text: &str) -> String {
        self.try_apply(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The same where it may be refused.
    pub(crate) fn try_apply(&self, text: &str) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new_in(&self.folder).unwrap();
        fs::write(file.path(), text).unwrap();
        self.kubectl(&["apply", "-f", &file.path().display().to_string()])
    }

    fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is() {
            let has_failed = self._api.said().contains("command failed");
            assert!(
                !has_failed && begun.elapsed() < PATIENCE,
                "{what}: {}\n{}",
                self._api.said(),
                self._etcd.said()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Where the parts of Kubernetes are: built once by `cargo xtask test` for what `e2e/cluster` pins.
pub(crate) fn programs() -> PathBuf {
    let cache =
        std::env::var_os("AOB_CACHE").map_or_else(|| "/var/cache/aob".into(), PathBuf::from);
    cache.join("kubernetes")
}

/// Ports that nobody has now.
pub(crate) fn ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn named(group: Option<&str>, name: &str) -> DistinguishedName {
    let mut full = DistinguishedName::new();
    if let Some(group) = group {
        full.push(DnType::OrganizationName, group);
    }
    full.push(DnType::CommonName, name);
    full
}

fn certificates(folder: &Path, port: u16) {
    let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut about = CertificateParams::default();
    about.distinguished_name = named(None, "test");
    about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = about.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(about, key);
    let issue = |group, name: &str, at: &[&str]| {
        let key = KeyPair::generate().unwrap();
        let at: Vec<String> = at.iter().map(|&one| one.to_owned()).collect();
        let mut about = CertificateParams::new(at).unwrap();
        about.distinguished_name = named(group, name);
        (about.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    let (certificate, key) =
        issue(None, "api", &["127.0.0.1", "localhost", "kubernetes.default.svc"]);
    write("api.crt", certificate);
    write("api.key", key);
    let (certificate, key) = issue(Some("system:masters"), "admin", &[]);
    write("admin.crt", certificate);
    write("admin.key", key);
    // As its service account would: with the rights that its roles give, and no more.
    let (certificate, key) = issue(None, "aob-operator", &[]);
    write("operator.crt", certificate);
    write("operator.key", key);
    write("ca.crt", ca);
    let accounts = KeyPair::generate().unwrap();
    write("accounts.key", accounts.serialize_pem());
    write("accounts.pub", accounts.public_key_pem());
    let audit = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n";
    write("audit.yaml", audit.to_owned());
    let file = |name: &str| folder.join(name).display().to_string();
    for (name, user) in [("kubeconfig", "admin"), ("operator.kubeconfig", "operator")] {
        let text = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{port}"),
                "certificate-authority": file("ca.crt"),
            }}],
            "users": [{"name": user, "user": {
                "client-certificate": file(&format!("{user}.crt")),
                "client-key": file(&format!("{user}.key")),
            }}],
        });
        write(name, text.to_string());
    }
}

/// The operator's roles, made of what `crds` says of them.
fn roles() -> String {
    let role = |kind: &str, name: &str, rights| {
        serde_json::json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": {"name": name, "namespace": if kind == "Role" { "default" } else { "" }},
            "rules": rights::rules(rights),
        })
    };
    let binding = |kind: &str, name: &str| {
        serde_json::json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": format!("{kind}Binding"),
            "metadata": {"name": name, "namespace": if kind == "Role" { "default" } else { "" }},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
            "subjects": [{"kind": "User", "name": "aob-operator", "apiGroup": "rbac.authorization.k8s.io"}],
        })
    };
    let all = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
        role("ClusterRole", "aob-everywhere", rights::EVERYWHERE),
        binding("ClusterRole", "aob-everywhere"),
        role("ClusterRole", "aob-pools", rights::POOLS),
        binding("ClusterRole", "aob-pools"),
        role("ClusterRole", "aob-cluster", rights::CLUSTER),
        binding("ClusterRole", "aob-cluster"),
        role("Role", "aob-home", rights::HOME),
        binding("Role", "aob-home"),
    ]});
    all.to_string()
}
