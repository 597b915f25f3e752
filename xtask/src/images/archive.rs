//! An image as one file: the OCI image layout in a tar archive.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use tar::{Builder, Header};

use super::Made;
use super::content::{Content, USER};

const PATH: &str = "PATH=/usr/local/bin:/usr/bin:/bin";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Writes it, and gives the digest of its manifest.
pub(super) fn write(
    file: &Path,
    reference: &str,
    layers: Vec<Content>,
    entry: &[&str],
) -> Made<String> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => return Err(format!("no name of images for the architecture {other}").into()),
    };
    let digests: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": USER,
            "Entrypoint": entry,
            "Env": [PATH],
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.title": reference,
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
                "org.opencontainers.image.licenses": "Apache-2.0",
            },
        },
        "rootfs": {"type": "layers", "diff_ids": digests},
    });
    let config = Content::of(serde_json::to_vec(&config)?);
    let described: Vec<Value> = layers
        .iter()
        .map(|layer| described(layer, "application/vnd.oci.image.layer.v1.tar"))
        .collect();
    let manifest = Content::of(serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described_config(&config),
        "layers": described,
    }))?);
    let mut top = described_manifest(&manifest);
    top["platform"] = json!({"architecture": architecture, "os": "linux"});
    let tag = reference.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    top["annotations"] = json!({
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": tag,
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [top],
    });
    let half = file.with_extension("half");
    let mut archive = Builder::new(File::create(&half)?);
    put(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    put(&mut archive, "index.json", &serde_json::to_vec(&index)?)?;
    for blob in layers.iter().chain([&config, &manifest]) {
        let name = blob.digest.replacen(':', "/", 1);
        put(&mut archive, &format!("blobs/{name}"), &blob.bytes)?;
    }
    archive.into_inner()?.flush()?;
    std::fs::rename(half, file)?;
    Ok(manifest.digest)
}

fn described_config(config: &Content) -> Value {
    described(config, "application/vnd.oci.image.config.v1+json")
}

fn described_manifest(manifest: &Content) -> Value {
    described(manifest, MANIFEST)
}

fn described(content: &Content, kind: &str) -> Value {
    json!({"mediaType": kind, "digest": content.digest, "size": content.bytes.len()})
}

fn put(archive: &mut Builder<File>, name: &str, bytes: &[u8]) -> Made<()> {
    let mut about = Header::new_ustar();
    about.set_size(bytes.len() as u64);
    about.set_mode(0o644);
    about.set_mtime(0);
    Ok(archive.append_data(&mut about, name, bytes)?)
}
