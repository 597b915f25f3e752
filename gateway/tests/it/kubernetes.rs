//! Kubernetes as the one who knows callers: here what goes wrong on the way to it. With a real API server:
//! `e2e/tests/cluster/rights.rs`.

use std::sync::Arc;

use aob_gateway::caller::kubernetes::{Kubernetes, Settings};
use aob_gateway::client::Proof;
use aob_gateway::http::Limits;
use aob_gateway::operation::{Asked, Request};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::place::{Place, certificate};

/// A certificate, its key, and a token.
fn files() -> (TempDir, Settings) {
    let dir = certificate();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("token"), "the-gateways-own\n").unwrap();
    let settings = Settings {
        server: String::new(),
        trusted: path("cert.pem"),
        token: path("token"),
        audiences: vec!["aob".to_owned()],
    };
    (dir, settings)
}

/// An API server that answers every request with the same bytes.
async fn answering(dir: &TempDir, answer: &'static str) -> String {
    let pem = |name: &str| dir.path().join(name);
    let certificate = CertificateDer::from_pem_file(pem("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(pem("key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust it goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut asked = vec![0; 16 << 10];
                drop(stream.read(&mut asked).await);
                drop(stream.write_all(answer.as_bytes()).await);
                drop(stream.shutdown().await);
            });
        }
    });
    server
}

async fn said(asked: &Asked) -> (&'static str, String) {
    let problem = asked.call(Request::About {}).await.unwrap_err();
    let first = problem.findings.first().unwrap();
    (first.issue.entry.code, first.issue.message.clone())
}

#[test]
fn a_gateway_outside_a_cluster_says_so() {
    let problem = Settings::of_pod(vec!["aob".to_owned()]).unwrap_err();
    assert_eq!(problem.entry().unwrap().code, "AOB8101");
    let (dir, settings) = files();
    std::fs::remove_file(dir.path().join("token")).unwrap();
    let problem = Kubernetes::open(&settings).unwrap_err();
    assert_eq!(problem.entry().unwrap().code, "AOB8101");
    assert!(problem.findings[0].about.ends_with("/token"), "{problem:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_answered_is_not_done() {
    let (dir, settings) = files();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("https://{}", closed.local_addr().unwrap());
    drop(closed);
    let forbidden =
        "HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n{\"message\":\"may not create those\"}";
    let empty = "HTTP/1.1 201 Created\r\nconnection: close\r\n\r\n{}";
    let elsewhere =
        "HTTP/1.1 302 Found\r\nlocation: https://example.org/\r\ncontent-length: 0\r\n\r\n";
    for (server, words) in [
        (nobody, ""),
        (answering(&dir, forbidden).await, "403"),
        (answering(&dir, empty).await, "no status"),
        (answering(&dir, elsewhere).await, "302"),
    ] {
        let door = Kubernetes::open(&Settings { server, ..settings.clone() }).unwrap();
        let place = Place::with(Arc::new(door), Limits::default()).await;
        let (code, message) = said(&place.client(Proof::Token("t0ken".to_owned()))).await;
        assert_eq!(code, "AOB8102", "{message}");
        assert!(message.contains(words), "{message}");
        assert!(!message.contains("t0ken") && !message.contains("the-gateways-own"), "{message}");
        place.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_certificate_is_not_trusted_is_told_no_token() {
    let (dir, settings) = files();
    let (_other, strange) = files();
    let status = "HTTP/1.1 201 Created\r\nconnection: close\r\n\r\n{\"status\":{\"authenticated\":true,\"audiences\":[\"aob\"],\"user\":{\"username\":\"system:admin\",\"groups\":[\"everybody\"]}}}";
    let server = answering(&dir, status).await;
    let door =
        Kubernetes::open(&Settings { server, trusted: strange.trusted, ..settings }).unwrap();
    let place = Place::with(Arc::new(door), Limits::default()).await;
    assert_eq!(said(&place.client(Proof::Token("t0ken".to_owned()))).await.0, "AOB8102");
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_comes_through_somebody_who_keeps_the_usual_header() {
    let (dir, settings) = files();
    let status = "HTTP/1.1 201 Created\r\nconnection: close\r\n\r\n{\"status\":{\"authenticated\":true,\"audiences\":[\"aob\"],\"user\":{\"username\":\"system:serviceaccount:finance:ada\",\"groups\":[]}}}";
    let server = answering(&dir, status).await;
    let door = Kubernetes::open(&Settings { server, ..settings }).unwrap();
    let place = Place::with(Arc::new(door), Limits::default()).await;
    let relayed = place.client(Proof::Relayed("t0ken".to_owned()));
    relayed.call(Request::About {}).await.unwrap();
    assert_eq!(said(&place.client(Proof::Relayed(String::new()))).await.0, "AOB6007");
    place.end().await;
}
