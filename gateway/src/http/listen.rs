//! Connections: over TCP, with or without TLS, and over the socket of a data directory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aob_engine::catalogue;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::follow::Hub;
use super::rate::Rates;
use super::{Connection, Gateway, Limits, ServeOptions, router};
use crate::caller::Peer;
use crate::problem::{Problem, Result};
use crate::socket;

/// How long answers that are under way may take once the word to stop has come.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves until it ends.
pub struct Server {
    address: Option<SocketAddr>,
    dir: Option<PathBuf>,
    followers: watch::Sender<usize>,
    ending: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// From files in PEM: a chain of certificates, a private key.
    ///
    /// # Errors
    /// [`catalogue::NO_FILE`] if one cannot be read, or they do not belong together.
    pub fn open(certificates: &Path, key: &Path) -> Result<Self> {
        let wrong = |path: &Path, why: String| {
            Problem::new(&catalogue::NO_FILE, path.display().to_string(), why)
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificates)
            .and_then(Iterator::collect)
            .map_err(|error| wrong(certificates, error.to_string()))?;
        let secret =
            PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, secret));
        let mut config = config.map_err(|error| wrong(certificates, error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

impl Server {
    /// Serves an address.
    ///
    /// # Errors
    /// [`catalogue::NO_ADDRESS`] if it cannot be listened on.
    pub async fn on_address(
        address: SocketAddr,
        tls: Option<Tls>,
        options: ServeOptions,
    ) -> Result<Self> {
        let wrong = |error: std::io::Error| {
            let message = format!("{address}: {error}");
            Problem::new(&catalogue::NO_ADDRESS, "--listen", message)
        };
        let listener = TcpListener::bind(address).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let mut server = Self::begin(options, |shared| shared.accept_tcp(listener, tls));
        server.address = Some(address);
        Ok(server)
    }

    /// Serves the socket of a data directory that this process owns.
    ///
    /// # Errors
    /// [`catalogue::STORE_DISK`] if no socket can be made there.
    pub fn in_folder(dir: &Path, options: ServeOptions) -> Result<Self> {
        let listener = socket::listen(dir).map_err(|error| {
            let about = dir.display().to_string();
            let message = format!("no socket can be made in {about}: {error}");
            Problem::new(&catalogue::STORE_DISK, about, message)
        })?;
        let mut server = Self::begin(options, |shared| shared.accept_unix(listener));
        server.dir = Some(dir.to_path_buf());
        Ok(server)
    }

    fn begin<F>(options: ServeOptions, accept: impl FnOnce(Shared) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (ending, ends) = watch::channel(false);
        let followers = watch::Sender::new(0);
        let limits = options.limits;
        let hub = Hub::new(options.performer.runs().store().clone());
        let gateway = Arc::new(Gateway {
            options,
            rates: Rates::default(),
            hub,
            followers: followers.clone(),
            ending: ends.clone(),
        });
        let room = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        let shared = Shared { router: router(gateway), limits, ending: ends, room };
        let accepting = tokio::spawn(accept(shared));
        Self { address: None, dir: None, followers, ending, accepting }
    }

    /// The address that it listens on, if it is one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// How many connections follow runs.
    pub fn followers(&self) -> usize {
        *self.followers.borrow()
    }

    /// Waits until none does.
    pub async fn followers_gone(&self) {
        // It ends only with this server.
        drop(self.followers.subscribe().wait_for(|followers| *followers == 0).await);
    }

    /// Answers what has been asked and hangs up on everybody: whoever follows a run asks elsewhere.
    pub async fn end(self) {
        if let Some(dir) = &self.dir {
            socket::remove(dir);
        }
        self.ending.send_replace(true);
        if self.accepting.await.is_err() {
            tracing::warn!("connections were not closed in order");
        }
    }
}

/// What connections share.
#[derive(Clone)]
struct Shared {
    router: Router,
    limits: Limits,
    ending: watch::Receiver<bool>,
    room: Arc<Semaphore>,
}

impl Shared {
    async fn accept_tcp(mut self, listener: TcpListener, tls: Option<Tls>) {
        let mut connections = JoinSet::new();
        while let Some(place) = self.place(&mut connections).await {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.ending.wait_for(|ending| *ending) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    refused(&error).await;
                    continue;
                }
            };
            // What is sent is whole answers: nothing is gained by waiting for more.
            drop(stream.set_nodelay(true));
            let (shared, tls) = (self.clone(), tls.clone());
            connections.spawn(async move {
                let _place = place;
                let connection = Connection::new(Peer::Network(peer));
                let Some(Tls(acceptor)) = tls else {
                    return shared.serve(stream, connection, false).await;
                };
                let accept = acceptor.accept(stream);
                match tokio::time::timeout(shared.limits.head_time, accept).await {
                    Ok(Ok(stream)) => {
                        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        shared.serve(stream, connection, h2).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                }
            });
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    async fn accept_unix(mut self, listener: UnixListener) {
        let mut connections = JoinSet::new();
        while let Some(place) = self.place(&mut connections).await {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.ending.wait_for(|ending| *ending) => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    refused(&error).await;
                    continue;
                }
            };
            if !socket::is_ours(&stream).unwrap_or(false) {
                tracing::warn!("a process of another user was not let in");
                continue;
            }
            let shared = self.clone();
            connections.spawn(async move {
                let _place = place;
                shared.serve(stream, Connection::new(Peer::Socket), false).await;
            });
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    /// Waits for a place for one more connection; none once it ends.
    async fn place(&mut self, connections: &mut JoinSet<()>) -> Option<OwnedSemaphorePermit> {
        while connections.try_join_next().is_some() {}
        tokio::select! {
            place = self.room.clone().acquire_owned() => place.ok(),
            _ = self.ending.wait_for(|ending| *ending) => None,
        }
    }

    /// Serves one connection to its end.
    async fn serve<S>(mut self, stream: S, connection: Connection, h2: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = Arc::new(connection);
        let (known, router) = (connection.clone(), self.router.clone());
        let service = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
            known.hears();
            request.extensions_mut().insert(known.clone());
            router.clone().oneshot(request)
        });
        let stream = TokioIo::new(stream);
        if h2 {
            let served = http2(&self.limits).serve_connection(stream, service);
            self.until_it_ends(&connection, served, |served| served.graceful_shutdown()).await;
        } else {
            let served = http1(&self.limits).serve_connection(stream, service).with_upgrades();
            self.until_it_ends(&connection, served, |served| served.graceful_shutdown()).await;
        }
    }

    /// Lets a connection go on until it ends, has nothing to say, or the word to stop comes.
    async fn until_it_ends<C>(
        &mut self,
        connection: &Connection,
        served: C,
        hang_up: impl FnOnce(Pin<&mut C>),
    ) where
        C: Future<Output = hyper::Result<()>>,
    {
        tokio::pin!(served);
        let silence = tokio::time::sleep(self.limits.head_time);
        tokio::pin!(silence);
        let mut judged = false;
        loop {
            tokio::select! {
                ended = served.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended");
                    }
                    return;
                }
                // A whole first request must come within the time for heads, whatever the protocol.
                () = &mut silence, if !judged => {
                    judged = true;
                    if !connection.has_heard() {
                        return;
                    }
                }
                _ = self.ending.wait_for(|ending| *ending) => break,
            }
        }
        hang_up(served.as_mut());
        if tokio::time::timeout(FAREWELL, served).await.is_err() {
            tracing::debug!("a connection was cut: its answer took too long");
        }
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(limits.headers)
        .max_buf_size(limits.head.max(8_192));
    builder
}

fn http2(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
        .max_concurrent_streams(100)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(limits.head_time);
    builder
}

/// A connection that could not be taken: most often too many files are open.
async fn refused(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be let in");
    tokio::time::sleep(Duration::from_millis(100)).await;
}
