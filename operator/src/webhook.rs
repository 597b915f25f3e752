//! The admission webhook: judges what is applied before it is stored, stamps who asked, and warns.
//!
//! It is the same judgement that the controllers make; they do not rely on its having been made. Every process serves
//! it, whether it acts or not.

mod authority;
mod certificate;
mod keep;
mod review;
mod server;
mod stamp;

use std::net::SocketAddr;
use std::sync::Arc;

use aob_runner::runs::Runs;
use kube::Client;

use crate::error::told;

pub use server::Server;

/// Where the webhook is served, and with which certificate.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on.
    pub address: SocketAddr,
    /// The operator's namespace.
    pub namespace: String,
    /// The Service that leads here.
    pub service: String,
    /// The Secret with tls.crt and tls.key; without it one is made.
    pub secret: Option<String>,
    /// The MutatingWebhookConfiguration that is told of the certificate's authority.
    pub configuration: String,
}

/// Why the webhook cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server.
    #[error("the API server: {}", told(.0))]
    Kube(#[source] Box<kube::Error>),
    /// The secret is not what it should be.
    #[error("the secret {0}: {1}")]
    Secret(String, String),
    /// A certificate could not be made.
    #[error("a certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The address cannot be listened on.
    #[error("{0} cannot be listened on: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

/// Listens, and keeps the certificate; ends when it is dropped.
///
/// # Errors
/// If the address cannot be listened on.
pub async fn serve(client: Client, runs: Arc<Runs>, settings: Settings) -> Result<Server, Error> {
    let shown = certificate::Shown::default();
    let server = Server::listen(settings.address, shown.clone(), runs).await?;
    let settings = Settings { address: server.address(), ..settings };
    Ok(server.with(tokio::spawn(keep::keep(client, settings, shown))))
}
