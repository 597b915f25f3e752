//! Connections: one for short calls, shared by everybody; and one of its own for each call that waits.

use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ::redis::aio::{ConnectionLike, MultiplexedConnection, PubSubStream};
use ::redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, TlsCertificates, Value,
};

use crate::Error;

/// Longest wait for an answer to a short call: a server that writes a slow disk may take seconds.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How much later than asked a waiting call may answer.
const LATE: Duration = Duration::from_secs(10);
/// Waiting connections kept for the next call.
const IDLE: usize = 64;

/// Why a call was not answered as it should be.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another epoch has begun, or the functions are not there: the session has to be opened again.
    Changed,
    /// A consumer group is not there yet.
    NoGroup,
    /// Anything else.
    Store(Error),
}

/// The way to a server.
pub(super) struct Client {
    client: ::redis::Client,
    shared: RwLock<Option<Shared>>,
    connecting: tokio::sync::Mutex<()>,
    idle: Mutex<Vec<MultiplexedConnection>>,
    patience: Duration,
}

#[derive(Clone)]
struct Shared {
    number: u64,
    connection: MultiplexedConnection,
}

#[derive(Clone, Copy)]
enum Request<'a> {
    One(&'a Cmd),
    Many(&'a Pipeline),
}

impl Client {
    /// Connects once; an address where nobody answers is told at once.
    pub(super) async fn connect(
        url: &str,
        roots: Option<&[u8]>,
        patience: Duration,
    ) -> Result<Self, Error> {
        let client = if url.starts_with("rediss:") {
            // Whoever was first in this process decides; it is the same everywhere.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            let root_cert = roots.map(<[u8]>::to_vec);
            ::redis::Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert })
        } else {
            ::redis::Client::open(url)
        };
        let client = client.map_err(|error| match error.kind() {
            ErrorKind::InvalidClientConfig => {
                Error::Unfit(format!("the address of the Redis server cannot be used: {error}"))
            }
            _ => unreachable(&error),
        })?;
        let this = Self {
            client,
            shared: RwLock::new(None),
            connecting: tokio::sync::Mutex::new(()),
            idle: Mutex::new(Vec::new()),
            patience,
        };
        let connection =
            this.connection(Some(ANSWER)).await.map_err(|error| match classify(&error) {
                Class::Fatal(error) => error,
                _ => unreachable(&error),
            })?;
        *this.shared.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Shared { number: 1, connection });
        Ok(this)
    }

    /// One call. `again`: whether it may be sent a second time when its answer was lost.
    pub(super) async fn call(&self, command: &Cmd, again: bool) -> Result<Value, Failure> {
        let mut answers = self.send(Request::One(command), again).await?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// Several calls behind one another; refusals of single ones are among the answers.
    pub(super) async fn calls(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Failure> {
        if pipeline.is_empty() {
            Ok(Vec::new())
        } else {
            self.send(Request::Many(pipeline), true).await
        }
    }

    /// A call that waits in the server for at most `wait`, on a connection of its own: dropped, it ends there too.
    pub(super) async fn wait(&self, command: &Cmd, wait: Duration) -> Result<Value, Failure> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let fresh = idle.is_none();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connection(None).await.map_err(|error| refuse(&error))?,
        };
        let answer = tokio::time::timeout(wait + LATE, one(&mut connection, command)).await;
        match answer {
            Ok(Ok(answer)) => {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                if idle.len() < IDLE {
                    idle.push(connection);
                }
                Ok(answer)
            }
            Ok(Err(error)) if matches!(classify(&error), Class::Broken) => {
                // The other idle ones are broken too, most likely.
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
                if fresh { Err(refuse(&error)) } else { Err(Failure::Changed) }
            }
            Ok(Err(error)) => Err(refuse(&error)),
            Err(_) => Err(Failure::Store(Error::Unreachable("no answer in time".into()))),
        }
    }

    /// What is published to channels from now on, on a connection of its own.
    pub(super) async fn listen(&self, channels: &[String]) -> Result<PubSubStream, Error> {
        let mut connection =
            self.client.get_async_pubsub().await.map_err(|error| unreachable(&error))?;
        connection.subscribe(channels).await.map_err(|error| unreachable(&error))?;
        Ok(connection.into_on_message())
    }

    async fn send(&self, request: Request<'_>, again: bool) -> Result<Vec<Value>, Failure> {
        let until = Instant::now() + self.patience;
        let mut pause = Duration::from_millis(5);
        loop {
            let (number, sent) = match self.shared(until).await {
                Ok(Shared { number, mut connection }) => {
                    let answer = match request {
                        Request::One(command) => {
                            one(&mut connection, command).await.map(|value| vec![value])
                        }
                        Request::Many(pipeline) => {
                            connection.req_packed_commands(pipeline, 0, pipeline.len()).await
                        }
                    };
                    match answer {
                        Ok(answers) => return Ok(answers),
                        Err(error) => (number, error),
                    }
                }
                Err(error) => return Err(Failure::Store(unreachable(&error))),
            };
            match classify(&sent) {
                Class::Broken => {
                    self.discard(number);
                    if !again || Instant::now() >= until {
                        return Err(Failure::Store(unreachable(&sent)));
                    }
                }
                // The server refused it, so it may be sent again whatever it is.
                Class::NotNow => {
                    if sent.code() == Some("READONLY") {
                        self.discard(number);
                    }
                    if Instant::now() >= until {
                        return Err(Failure::Store(unreachable(&sent)));
                    }
                }
                Class::Changed => return Err(Failure::Changed),
                Class::NoGroup => return Err(Failure::NoGroup),
                Class::Fatal(error) => return Err(Failure::Store(error)),
            }
            tokio::time::sleep(jitter(pause)).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// The shared connection, made anew if it was discarded.
    async fn shared(&self, until: Instant) -> Result<Shared, RedisError> {
        if let Some(shared) = self.current() {
            return Ok(shared);
        }
        let _alone = self.connecting.lock().await;
        let mut pause = Duration::from_millis(5);
        loop {
            if let Some(shared) = self.current() {
                return Ok(shared);
            }
            match self.connection(Some(ANSWER)).await {
                Ok(connection) => {
                    let shared = Shared { number: rand::random(), connection };
                    *self.shared.write().unwrap_or_else(PoisonError::into_inner) =
                        Some(shared.clone());
                    return Ok(shared);
                }
                Err(error) if Instant::now() >= until => return Err(error),
                Err(_) => {}
            }
            tokio::time::sleep(jitter(pause)).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    fn current(&self) -> Option<Shared> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn discard(&self, number: u64) {
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        if shared.as_ref().is_some_and(|shared| shared.number == number) {
            *shared = None;
        }
    }

    async fn connection(
        &self,
        answer: Option<Duration>,
    ) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(answer)
            .set_connection_timeout(Some(CONNECT));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Changed => Self::Epoch,
            Failure::NoGroup => Self::Corrupt("a consumer group is not there".into()),
            Failure::Store(error) => error,
        }
    }
}

enum Class {
    Changed,
    NoGroup,
    /// Refused for now; nothing was done.
    NotNow,
    /// The connection failed: it may have been done.
    Broken,
    Fatal(Error),
}

/// What a single answer of several says, if it is a refusal.
pub(super) fn refused(answer: &Value) -> Option<String> {
    match answer {
        Value::ServerError(error) => {
            Some(format!("{} {}", error.code(), error.details().unwrap_or_default()))
        }
        _ => None,
    }
}

/// One call; what the server refuses is an error.
async fn one(connection: &mut MultiplexedConnection, command: &Cmd) -> Result<Value, RedisError> {
    match connection.send_packed_command(command).await? {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

fn refuse(error: &RedisError) -> Failure {
    match classify(error) {
        Class::Changed => Failure::Changed,
        Class::NoGroup => Failure::NoGroup,
        Class::NotNow | Class::Broken => Failure::Store(unreachable(error)),
        Class::Fatal(error) => Failure::Store(error),
    }
}

fn classify(error: &RedisError) -> Class {
    let text = || error.to_string();
    match error.code() {
        Some("AOBEPOCH") => Class::Changed,
        Some("NOGROUP") => Class::NoGroup,
        Some("OOM") => {
            Class::Fatal(Error::Full(format!("the server has no memory left ({})", text())))
        }
        Some("LOADING" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "BUSY" | "READONLY") => {
            Class::NotNow
        }
        Some("MISCONF") => {
            Class::Fatal(Error::Unreachable(format!("the server refuses to write: {}", text())))
        }
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => Class::Fatal(Error::Unfit(format!(
            "the server refuses this user: {}; give name and password in the address, with rights on ~aob:* and functions",
            text()
        ))),
        Some("ERR") if text().contains("Function not found") => Class::Changed,
        _ => match error.kind() {
            ErrorKind::Io | ErrorKind::Parse => Class::Broken,
            ErrorKind::AuthenticationFailed => {
                Class::Fatal(Error::Unfit(format!("the server refuses this user: {}", text())))
            }
            _ => Class::Fatal(Error::Corrupt(text())),
        },
    }
}

fn unreachable(error: &RedisError) -> Error {
    Error::Unreachable(error.to_string())
}

/// Half to whole of a pause, so that many who lost the server do not come back at once.
fn jitter(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..1.0))
}
