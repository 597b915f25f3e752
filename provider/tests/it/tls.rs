//! Providers with certificates.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use aob_provider::script::{Reply, Rule, Script, Server};
use aob_provider::{Key, Kind, Models, Provider, Settings};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::ask::{DIALECTS, KEY, answer, ask, limits};

/// An authority in PEM, and a server that it vouches for, as `localhost`, over both versions of HTTP.
pub(crate) fn certificate(folder: &Path) -> (Vec<u8>, Arc<rustls::ServerConfig>) {
    let arguments = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=aob test",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ];
    let done = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let pem = std::fs::read(folder.join("cert.pem")).unwrap();
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (pem, Arc::new(config))
}

#[tokio::test]
async fn a_provider_with_tls_is_asked_over_http_2_if_it_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, tls) = certificate(folder.path());
    for dialect in DIALECTS {
        let script = Script::new(vec![Rule::always(Reply::text("sealed"))]).with_key(KEY);
        let server =
            Server::on(script, "127.0.0.1:0".parse().unwrap(), Some(tls.clone())).await.unwrap();
        let url = format!("https://localhost:{}/v1/", server.address().port());
        let models = |url: &str, authorities: &[u8]| {
            let mut provider = Provider::new(dialect, url.parse().unwrap()).with_key(Key::new(KEY));
            provider.authorities = authorities.to_vec();
            let providers = ["openai", "anthropic"].map(|name| (name.to_owned(), provider.clone()));
            let limits = aob_provider::Limits { retries: 0, ..limits() };
            Models::new(Settings { providers: providers.into(), limits, ..Settings::default() })
                .unwrap()
        };
        let trusting = models(&url, &authority);
        let asked: Vec<_> = (0..5).map(|_| ask(dialect, "?")).collect();
        let answers =
            futures::future::join_all(asked.iter().map(|one| answer(&trusting, one))).await;
        assert!(answers.into_iter().all(|one| one.unwrap().text == "sealed"));
        assert_eq!(server.connections(), 1, "five at once over one connection: HTTP/2");
        let error = answer(&models(&url, &[]), &ask(dialect, "?")).await.unwrap_err();
        assert_eq!(error.kind, Kind::Unreachable, "{error}");
        assert!(error.message.contains("certificate"), "{error}");
        let other = url.replace("localhost", "127.0.0.1");
        let error = answer(&models(&other, &authority), &ask(dialect, "?")).await.unwrap_err();
        assert_eq!(error.kind, Kind::Unreachable, "{error}");
    }
}
