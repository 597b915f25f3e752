//! One connection: reached, with TLS where it is due, in the version of HTTP that both sides know.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::NotSent;

/// What one answer may have under way, in bytes; beyond it the provider waits until it is read.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// What all answers of a connection may.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// How often a connection with calls on it is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);

/// Where a provider is.
pub(crate) struct Target {
    host: String,
    port: u16,
    /// None on this machine.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    is_http2: bool,
    connect: Duration,
}

/// Sends questions on one connection.
pub(crate) enum Sender {
    /// With how many calls at once the provider takes, as it says now.
    Two(http2::SendRequest<Full<Bytes>>, Arc<AtomicUsize>),
    One(http1::SendRequest<Full<Bytes>>),
}

impl Target {
    /// Where this address leads; why nowhere.
    pub(crate) fn new(
        url: &Url,
        authorities: &[u8],
        is_http2: bool,
        connect: Duration,
    ) -> Result<Self, String> {
        let host = url.host_str().ok_or("an address needs a host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port_or_known_default().ok_or("an address needs a port")?;
        let tls = if url.scheme() == "https" {
            let name = ServerName::try_from(host.clone())
                .map_err(|_| format!("no certificate can be for `{host}`"))?;
            Some((TlsConnector::from(Arc::new(config(authorities)?)), name))
        } else {
            None
        };
        Ok(Self { host, port, tls, is_http2, connect })
    }

    /// A new connection, at work.
    pub(super) async fn connect(&self) -> Result<Sender, NotSent> {
        let Self { host, port, .. } = self;
        let wrong =
            |why: String| NotSent::Unreachable(format!("{host}:{port} cannot be reached: {why}"));
        let connected = tokio::time::timeout(self.connect, self.reach()).await;
        match connected {
            Ok(Ok(sender)) => Ok(sender),
            Ok(Err(why)) => Err(wrong(why)),
            Err(_) => Err(wrong(format!("nothing came within {}", super::seconds(&self.connect)))),
        }
    }

    async fn reach(&self) -> Result<Sender, String> {
        let stream = TcpStream::connect((&*self.host, self.port))
            .await
            .map_err(|error| error.to_string())?;
        // Questions are small and waited for.
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some((connector, name)) = &self.tls else {
            return if self.is_http2 { two(stream).await } else { one(stream).await };
        };
        let stream =
            connector.connect(name.clone(), stream).await.map_err(|error| error.to_string())?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if is_http2 { two(stream).await } else { one(stream).await }
    }
}

/// TLS as this machine trusts it, and as the operator does.
fn config(authorities: &[u8]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let own = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(own.certs);
    for certificate in CertificateDer::pem_slice_iter(authorities) {
        let certificate = certificate.map_err(|error| format!("the authorities: {error}"))?;
        roots.add(certificate).map_err(|error| format!("the authorities: {error}"))?;
    }
    if roots.is_empty() {
        return Err(
            "this machine trusts no authority: install its certificates, or name some".into()
        );
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn two<S>(stream: S) -> Result<Sender, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, mut connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let room = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
    let told = room.clone();
    // Whatever ends it, whoever waits for an answer on it is told.
    tokio::spawn(poll_fn(move |context| {
        let step = Pin::new(&mut connection).poll(context);
        told.store(connection.current_max_send_streams(), Ordering::Relaxed);
        step.map(drop)
    }));
    Ok(Sender::Two(sender, room))
}

async fn one<S>(stream: S) -> Result<Sender, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(Sender::One(sender))
}
