//! The admin port: metrics, whether the process is well, the log's level. Plain HTTP/1.1 for probes, scrapers and
//! the person on the machine; it says nothing of any run.

mod answer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::health::Health;

/// Most connections at once; further ones wait.
const MOST: usize = 32;
/// Longest head of a request, in bytes, and most headers.
const HEAD: (usize, usize) = (16 * 1024, 64);
/// How long a head may take to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest life of a connection.
const LONGEST: Duration = Duration::from_secs(30);

/// Serves until it is dropped.
pub struct Admin {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Admin {
    /// Listens; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn listen(address: SocketAddr, health: Arc<Health>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, task: tokio::spawn(accept(listener, health)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, health: Arc<Health>) {
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let health = health.clone();
                tokio::spawn(async move {
                    drop(tokio::time::timeout(LONGEST, serve(stream, peer, health)).await);
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin port could not take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, health: Arc<Health>) {
    let service = service_fn(|request| {
        let health = health.clone();
        async move { Ok::<_, std::convert::Infallible>(answer::answer(request, peer, &health).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_headers(HEAD.1)
        .max_buf_size(HEAD.0)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, %peer, "a connection to the admin port ended");
    }
}

#[cfg(test)]
mod tests;
