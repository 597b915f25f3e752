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
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Listens in the directory.
    pub(super) async fn begin(dir: &Path, operations: Asked, rules: OwnRules) -> Result<Self> {
        let listener = socket::listen(dir).map_err(|error| {
            let about = dir.display().to_string();
            Problem::new(&catalogue::STORE_DISK, &about, format!("no socket can be made in {about}: {error}"))
        })?;
        let guests = watch::Sender::new(0);
        let accepting = tokio::spawn(accept(listener, operations, rules, guests.clone()));
        Ok(Self { dir: dir.to_path_buf(), guests, accepting })
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

    /// Hangs up on everybody: whoever follows a run takes the directory over.
    pub(super) async fn end(self) {
        socket::remove(&self.dir);
        self.accepting.abort();
        // Aborted is what it should be.
        drop(self.accepting.await);
    }
}

async fn accept(listener: UnixListener, operations: Asked, rules: OwnRules, guests: watch::Sender<usize>) {
    let room = Arc::new(Semaphore::new(MOST_GUESTS));
    let mut sessions = JoinSet::new();
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = sessions.join_next() => continue,
        };
        match stream {
            Ok((stream, _)) => {
                let (operations, rules, guests) = (operations.clone(), rules.clone(), guests.clone());
                sessions.spawn(async move {
                    if let Err(error) = session(stream, &operations, &rules, &guests).await {
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
}

async fn session(
    mut stream: UnixStream,
    operations: &Asked,
    rules: &OwnRules,
    guests: &watch::Sender<usize>,
) -> std::io::Result<()> {
    if !socket::is_ours(&stream)? {
        return Err(std::io::Error::other("the guest is another user"));
    }
    let (from, mut to) = stream.split();
    let mut from = BufReader::new(from);
    let hello = tokio::time::timeout(GREETING, read::<Hello>(&mut from, 1_024)).await;
    let Ok(Some(hello)) = hello.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))? else { return Ok(()) };
    if hello.aob != VERSION {
        let message = format!("the owner speaks version {VERSION}, the guest version {}", hello.aob);
        return write(&mut to, &problem(&Problem::new(&catalogue::PROTOCOL, "the owner", message))).await;
    }
    write(&mut to, &Answer::Done(serde_json::to_value(rules)?)).await?;
    let mut following = None;
    loop {
        let request = match read::<Request>(&mut from, LONGEST_REQUEST).await {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                let problem = problem(&Problem::new(&catalogue::PROTOCOL, "the owner", format!("not understood: {error}")));
                return write(&mut to, &problem).await;
            }
            Err(error) => return Err(error),
        };
        // Whoever waits for a run that moves here wants it to go on moving.
        if matches!(request, Request::Watch { .. }) && following.is_none() {
            following = Some(Following::begin(guests));
        }
        let answer = match operations.call(request).await {
            Ok(value) => Answer::Done(value),
            Err(stopped) => problem(&stopped),
        };
        write(&mut to, &answer).await?;
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
