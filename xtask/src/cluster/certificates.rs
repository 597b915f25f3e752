//! The cluster's certificates, and the kubeconfigs that hold them. All of it ends with the cluster.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use data_encoding::BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

use super::place::{API_IP, NODE, NODE_IP, Place};
use crate::Outcome;

type Made<T> = Result<T, Box<dyn std::error::Error>>;

/// Who a certificate is for, and what it is for.
struct Wanted<'a> {
    file: &'a str,
    group: Option<&'a str>,
    name: &'a str,
    /// Names and addresses at which it is served; none: it is shown by a client only.
    served: Vec<String>,
}

/// Writes `pki/` and `conf/*.kubeconfig`.
pub(super) fn write(place: &Place) -> Outcome {
    if place.kubeconfig().exists() {
        return Ok(());
    }
    let cluster = authority(place, "ca", "aob-test-ca")?;
    let front = authority(place, "front-ca", "aob-test-front-ca")?;
    let node = format!("system:node:{NODE}");
    let mut api: Vec<String> = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        .map(str::to_owned)
        .into_iter()
        .collect();
    api.extend(
        ["kubernetes.default.svc.cluster.local", "localhost", "127.0.0.1", API_IP, NODE_IP]
            .map(str::to_owned),
    );
    api.push(place.link_ip[1].clone());
    let plain = |file, name| Wanted { file, group: None, name, served: Vec::new() };
    issue(place, &cluster, &Wanted { served: api, ..plain("apiserver", "kube-apiserver") })?;
    issue(place, &front, &plain("front", "front-proxy-client"))?;
    let masters = Some("system:masters");
    let kubelet = Wanted {
        group: Some("system:nodes"),
        served: vec![NODE.to_owned(), NODE_IP.to_owned(), "127.0.0.1".to_owned()],
        ..plain("kubelet", &node)
    };
    for wanted in [
        Wanted { group: masters, ..plain("apiserver-kubelet", "kube-apiserver-kubelet-client") },
        Wanted { group: masters, ..plain("admin", "admin") },
        plain("controller-manager", "system:kube-controller-manager"),
        plain("scheduler", "system:kube-scheduler"),
        plain("proxy", "system:kube-proxy"),
        plain("dns", "aob-test-dns"),
        kubelet,
    ] {
        issue(place, &cluster, &wanted)?;
    }
    let accounts = KeyPair::generate()?;
    secret(&place.path("pki/accounts.key"), &accounts.serialize_pem())?;
    fs::write(place.path("pki/accounts.pub"), accounts.public_key_pem())?;
    for name in ["controller-manager", "scheduler", "proxy", "dns", "kubelet", "admin"] {
        let to = place.path(&format!("conf/{name}.kubeconfig"));
        kubeconfig(place, name, "127.0.0.1", &to)?;
    }
    kubeconfig(place, "admin", &place.link_ip[1], &place.kubeconfig())
}

fn named(group: Option<&str>, name: &str) -> DistinguishedName {
    let mut full = DistinguishedName::new();
    if let Some(group) = group {
        full.push(DnType::OrganizationName, group);
    }
    full.push(DnType::CommonName, name);
    full
}

fn authority(place: &Place, file: &str, name: &str) -> Made<Issuer<'static, KeyPair>> {
    let key = KeyPair::generate()?;
    let mut about = CertificateParams::default();
    about.distinguished_name = named(None, name);
    about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    about.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    fs::write(place.path(&format!("pki/{file}.crt")), about.self_signed(&key)?.pem())?;
    secret(&place.path(&format!("pki/{file}.key")), &key.serialize_pem())?;
    Ok(Issuer::new(about, key))
}

fn issue(place: &Place, by: &Issuer<'_, KeyPair>, wanted: &Wanted<'_>) -> Outcome {
    let key = KeyPair::generate()?;
    let mut about = CertificateParams::new(wanted.served.clone())?;
    about.distinguished_name = named(wanted.group, wanted.name);
    about.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    about.extended_key_usages = match (wanted.served.is_empty(), wanted.group) {
        (true, _) => vec![ExtendedKeyUsagePurpose::ClientAuth],
        (false, None) => vec![ExtendedKeyUsagePurpose::ServerAuth],
        (false, Some(_)) => {
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
        }
    };
    let made = about.signed_by(&key, by)?;
    fs::write(place.path(&format!("pki/{}.crt", wanted.file)), made.pem())?;
    Ok(secret(&place.path(&format!("pki/{}.key", wanted.file)), &key.serialize_pem())?)
}

fn kubeconfig(place: &Place, name: &str, host: &str, to: &Path) -> Outcome {
    let read = |file: String| -> std::io::Result<String> {
        Ok(BASE64.encode(&fs::read(place.path(&format!("pki/{file}")))?))
    };
    let text = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "aob",
        "contexts": [{"name": "aob", "context": {"cluster": "aob", "user": name}}],
        "clusters": [{"name": "aob", "cluster": {
            "server": format!("https://{host}:6443"),
            "certificate-authority-data": read("ca.crt".to_owned())?,
        }}],
        "users": [{"name": name, "user": {
            "client-certificate-data": read(format!("{name}.crt"))?,
            "client-key-data": read(format!("{name}.key"))?,
        }}],
    });
    Ok(secret(to, &serde_json::to_string_pretty(&text)?)?)
}

/// Writes what nobody else may read.
fn secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
