//! A server that is reached over TLS, with a certificate of an authority that only this test knows.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use aob_store::redis::{Options, RedisStore};
use aob_store::testing::{RedisServer, ServerOptions};
use aob_store::{Error, Store};
use serde_json::json;

use crate::suite::fixture::{LONG, applied, claim, next, run_id, start};

/// An authority, and a certificate of it for `localhost`: `ca.pem`, `server.pem`, `server.key`.
fn certify(folder: &Path) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let authority = ["req", "-x509", "-days", "2", "-subj", "/CN=authority of a test"];
    let own =
        ["-addext", "basicConstraints=critical,CA:TRUE", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(folder, &[&authority[..], &key, &own].concat());
    let asks = ["req", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    openssl(folder, &[&asks[..], &key, &["-keyout", "server.key", "-out", "server.csr"]].concat());
    let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"];
    let how = ["-CAcreateserial", "-days", "2", "-copy_extensions", "copy", "-out", "server.pem"];
    openssl(folder, &[&sign[..], &how].concat());
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let done = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_used_over_tls_and_its_certificate_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let arguments = [
        ["--tls-port", &port.to_string()],
        ["--tls-cert-file", &file("server.pem")],
        ["--tls-key-file", &file("server.key")],
        ["--tls-ca-cert-file", &file("ca.pem")],
        ["--tls-auth-clients", "no"],
    ];
    let arguments = arguments.concat().into_iter().map(str::to_owned).collect();
    let _server =
        RedisServer::start(ServerOptions { arguments, ..ServerOptions::default() }).unwrap();
    let roots = std::fs::read(file("ca.pem")).unwrap();
    let url = format!("rediss://localhost:{port}");
    let options = || Options { roots: Some(roots.clone()), ..Options::default() };
    let store = Arc::new(RedisStore::open_with(&url, options()).await.unwrap());

    // Short calls, a call that waits, and news from another process.
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 2).publish(0)).await;
    assert_eq!(claim(&*store, "w", 1).await.len(), 1);
    let other = RedisStore::open_with(&url, options()).await.unwrap();
    let (waiter, name, seq) = (store.clone(), run.clone(), state.head.seq);
    let waiting = tokio::spawn(async move { waiter.watch(&name, seq, LONG).await.unwrap() });
    let state = applied(&other, next(&other, &state).settle(0, json!(1))).await;
    assert_eq!(waiting.await.unwrap(), state.head.seq);

    // Nobody else's word is taken for the server, nor this one's for another name.
    for (url, options) in
        [(url.clone(), Options::default()), (format!("rediss://127.0.0.1:{port}"), options())]
    {
        match RedisStore::open_with(&url, options).await {
            Err(Error::Unreachable(why)) => assert!(why.contains("certificate"), "{why}"),
            other => panic!("{url}: {:?}", other.err()),
        }
    }
}
