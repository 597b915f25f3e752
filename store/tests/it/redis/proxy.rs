//! A way to the server that loses an answer on request: the server has done what it was asked, nobody is told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

pub(super) struct Proxy {
    folder: tempfile::TempDir,
    lose: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Before the server whose socket is in this folder.
    pub(super) fn before(server: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("proxy.sock")).unwrap();
        let lose = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(accept(listener, server.join("redis.sock"), lose.clone()));
        Self { folder, lose, task }
    }

    pub(super) fn url(&self) -> String {
        format!("unix://{}", self.folder.path().join("proxy.sock").display())
    }

    /// The next answer is lost, and the connection with it.
    pub(super) fn lose_next(&self) {
        self.lose.store(true, Ordering::SeqCst);
    }

    pub(super) fn has_lost(&self) -> bool {
        !self.lose.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: UnixListener, server: PathBuf, lose: Arc<AtomicBool>) {
    while let Ok((client, _)) = listener.accept().await {
        if let Ok(upstream) = UnixStream::connect(&server).await {
            tokio::spawn(forward(client, upstream, lose.clone()));
        }
    }
}

async fn forward(client: UnixStream, server: UnixStream, lose: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = from_server.read(&mut buffer).await {
        if count == 0
            || lose.swap(false, Ordering::SeqCst)
            || to_client.write_all(&buffer[..count]).await.is_err()
        {
            break;
        }
    }
    up.abort();
}
