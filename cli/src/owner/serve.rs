//! The owner's side of the socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aob_engine::catalogue;
use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::protocol::{Answer, Hello, LONGEST_REQUEST, OwnRules, VERSION, read, write};
use super::socket;
use crate::operations::{Asked, Request};
use crate::problem::{Problem, Result, Sent};

/// Most guests at once; further ones wait.
const MOST_GUESTS: usize = 64;
/// How long a guest may take to say who it is.
const GREETING: Duration = Duration::from_secs(5);

/// Serves guests until it ends.
pub(super) struct Server {
    dir: PathBuf,
    guests: watch::Sender<usize>,
    ending: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Listens in the directory.
    pub(super) fn begin(dir: &Path, operations: Asked, rules: OwnRules) -> Result<Self> {
        let listener = socket::listen(dir).map_err(|error| {
            let about = dir.display().to_string();
            Problem::new(
                &catalogue::STORE_DISK,
                &about,
                format!("no socket can be made in {about}: {error}"),
            )
        })?;
        let host = Host {
            operations,
            rules,
            guests: watch::Sender::new(0),
            ending: watch::Sender::new(false),
        };
        let (guests, ending) = (host.guests.clone(), host.ending.clone());
        let accepting = tokio::spawn(accept(listener, host));
        Ok(Self { dir: dir.to_path_buf(), guests, ending, accepting })
    }

    /// How many guests follow a run.
    pub(super) fn guests(&self) -> usize {
        *self.guests.borrow()
    }

    /// Waits until none does.
    pub(super) async fn guests_gone(&self) {
        // It ends only with this server.
        drop(self.guests.subscribe().wait_for(|guests| *guests == 0).await);
    }

    /// Answers what has been asked and hangs up on everybody: whoever follows a run takes the directory over.
    pub(super) async fn end(self) {
        socket::remove(&self.dir);
        self.ending.send_replace(true);
        if self.accepting.await.is_err() {
            tracing::warn!("the socket was not closed in order");
        }
    }
}

/// What sessions share.
#[derive(Clone)]
struct Host {
    operations: Asked,
    rules: OwnRules,
    guests: watch::Sender<usize>,
    ending: watch::Sender<bool>,
}

async fn accept(listener: UnixListener, host: Host) {
    let room = Arc::new(Semaphore::new(MOST_GUESTS));
    let mut sessions = JoinSet::new();
    let mut ending = host.ending.subscribe();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = sessions.join_next() => continue,
            _ = ending.wait_for(|ending| *ending) => break,
        };
        match stream {
            Ok((stream, _)) => {
                let Ok(place) = room.clone().acquire_owned().await else { break };
                let host = host.clone();
                sessions.spawn(async move {
                    if let Err(error) = host.session(stream).await {
                        tracing::debug!(%error, "a guest's connection ended");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a guest could not be let in");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    while sessions.join_next().await.is_some() {}
}

impl Host {
    async fn session(&self, mut stream: UnixStream) -> std::io::Result<()> {
        if !socket::is_ours(&stream)? {
            return Err(std::io::Error::other("the guest is another user"));
        }
        let (from, mut to) = stream.split();
        let mut from = BufReader::new(from);
        let hello = tokio::time::timeout(GREETING, read::<Hello>(&mut from, 1_024)).await;
        let hello = hello.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?;
        let Some(hello) = hello? else { return Ok(()) };
        if hello.aob != VERSION {
            let message =
                format!("the owner speaks version {VERSION}, the guest version {}", hello.aob);
            return write(
                &mut to,
                &problem(&Problem::new(&catalogue::PROTOCOL, "the owner", message)),
            )
            .await;
        }
        write(&mut to, &Answer::Done(serde_json::to_value(&self.rules)?)).await?;
        let mut following = None;
        let mut ending = self.ending.subscribe();
        loop {
            // Between two requests it may hang up: what was not read was not done.
            let request = tokio::select! {
                biased;
                _ = ending.wait_for(|ending| *ending) => return Ok(()),
                request = read::<Request>(&mut from, LONGEST_REQUEST) => request,
            };
            let request = match request {
                Ok(Some(request)) => request,
                Ok(None) => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    let message = format!("not understood: {error}");
                    return write(
                        &mut to,
                        &problem(&Problem::new(&catalogue::PROTOCOL, "the owner", message)),
                    )
                    .await;
                }
                Err(error) => return Err(error),
            };
            let waits = matches!(request, Request::Watch { .. });
            if waits && following.is_none() {
                // Whoever waits for a run that moves here wants it to go on moving.
                following = Some(Following::begin(&self.guests));
            }
            let answer = tokio::select! {
                answer = self.operations.call(request) => answer,
                _ = ending.wait_for(|ending| *ending), if waits => return Ok(()),
            };
            let answer = match answer {
                Ok(value) => Answer::Done(value),
                Err(stopped) => problem(&stopped),
            };
            write(&mut to, &answer).await?;
        }
    }
}

fn problem(problem: &Problem) -> Answer {
    Answer::Problem(problem.findings.iter().map(Sent::from).collect())
}

/// One guest that follows a run, for as long as this lives.
struct Following<'a>(&'a watch::Sender<usize>);

impl<'a> Following<'a> {
    fn begin(guests: &'a watch::Sender<usize>) -> Self {
        guests.send_modify(|guests| *guests += 1);
        Self(guests)
    }
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|guests| *guests = guests.saturating_sub(1));
    }
}
