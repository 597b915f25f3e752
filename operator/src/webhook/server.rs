//! HTTPS for the API server: bounded in connections, sizes and time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aob_crds::webhook::PATH;
use aob_runner::runs::Runs;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::certificate::Shown;
use super::{Error, review};

/// Most connections at once.
const MOST: usize = 64;
/// Most bytes of a review: two objects of what etcd takes, and more.
const LARGEST: usize = 8 << 20;
/// How long a connection may take to be made, and a head to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest life of a connection.
const LONGEST: Duration = Duration::from_secs(300);

/// The webhook, until it is dropped.
pub struct Server {
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    pub(super) async fn listen(
        address: SocketAddr,
        shown: Shown,
        runs: Arc<Runs>,
    ) -> Result<Self, Error> {
        let listener =
            TcpListener::bind(address).await.map_err(|error| Error::Listen(address, error))?;
        let address = listener.local_addr().map_err(|error| Error::Listen(address, error))?;
        let mut config =
            ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(shown));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { address, tasks: vec![tokio::spawn(accept(listener, acceptor, runs))] })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn with(mut self, task: JoinHandle<()>) -> Self {
        self.tasks.push(task);
        self
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, runs: Arc<Runs>) {
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (acceptor, runs) = (acceptor.clone(), runs.clone());
                tokio::spawn(async move {
                    drop(tokio::time::timeout(LONGEST, serve(stream, acceptor, runs)).await);
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the webhook could not take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, runs: Arc<Runs>) {
    let stream = match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return tracing::debug!(%error, "a connection to the webhook was not made");
        }
        Err(_) => return,
    };
    let service = service_fn(|request| {
        let runs = runs.clone();
        async move { Ok::<_, Infallible>(answer(request, &runs).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the webhook ended");
    }
}

async fn answer(request: Request<Incoming>, runs: &Runs) -> Response<Full<Bytes>> {
    if request.uri().path() != PATH {
        return plain(StatusCode::NOT_FOUND, "the webhook is asked at /review");
    }
    if request.method() != Method::POST {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "a review is asked for by POST");
    }
    let body = Limited::new(request.into_body(), LARGEST).collect();
    let bytes = match tokio::time::timeout(PATIENCE, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, "the review could not be read whole");
        }
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "the review did not come in time"),
    };
    let Ok(asked) = serde_json::from_slice(&bytes) else {
        return plain(StatusCode::BAD_REQUEST, "the review is no JSON");
    };
    match review::review(&asked, runs).await {
        Some(answer) => {
            let mut response = Response::new(Full::new(answer.to_string().into()));
            let json = hyper::header::HeaderValue::from_static("application/json");
            response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
            response
        }
        None => plain(StatusCode::BAD_REQUEST, "this is no AdmissionReview of admission.k8s.io/v1"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}
