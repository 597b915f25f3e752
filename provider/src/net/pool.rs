//! The connections to one provider.
//!
//! HTTP/2 carries many calls on one connection, but providers let about a hundred in, and whoever comes beyond that
//! waits unseen. So a connection is full at fewer, and the next one is opened then; and those who come while one is
//! being opened wait for that one, as long as it will have room for them, instead of each opening its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::sync::Notify;

use super::NotSent;
use super::connect::{Sender, Target};

/// Connections to one provider; clones share them.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Inner>);

struct Inner {
    target: Target,
    in_flight: usize,
    most: usize,
    idle: Duration,
    state: Mutex<State>,
    /// A call has ended, or a connection has come or gone.
    changed: Notify,
    /// Connections opened so far.
    opened: AtomicUsize,
}

#[derive(Default)]
struct State {
    connections: Vec<Arc<Connection>>,
    opening: Vec<Opening>,
    /// The provider does not speak HTTP/2: a connection carries one call.
    is_old: bool,
    next: u64,
}

/// A connection that is being made, and how many wait for it.
struct Opening {
    number: u64,
    waiting: usize,
    done: Shared<BoxFuture<'static, Result<(), String>>>,
}

struct Connection {
    sender: Mutex<Option<Sender>>,
    is_http2: bool,
    in_flight: AtomicUsize,
    used: Mutex<Instant>,
}

/// A place on a connection for one call. Keep it until the answer has ended.
pub(crate) struct Lease {
    connection: Arc<Connection>,
    pool: Pool,
}

/// What a caller does next.
enum Next {
    Call(Lease),
    WaitFor(Shared<BoxFuture<'static, Result<(), String>>>),
    Wait,
}

impl Pool {
    pub(crate) fn new(target: Target, in_flight: usize, most: usize, idle: Duration) -> Self {
        let (state, changed) = (Mutex::default(), Notify::new());
        Self(Arc::new(Inner {
            target,
            in_flight,
            most,
            idle,
            state,
            changed,
            opened: AtomicUsize::new(0),
        }))
    }

    /// How many connections have been opened so far.
    pub(crate) fn opened(&self) -> usize {
        self.0.opened.load(Ordering::Relaxed)
    }

    /// A place for one call, on a connection that stands or on a new one.
    pub(crate) async fn lease(&self) -> Result<Lease, NotSent> {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed, also one between the look and the wait.
            changed.as_mut().enable();
            match self.next() {
                Next::Call(lease) => return Ok(lease),
                Next::WaitFor(done) => done.await.map_err(NotSent::Unreachable)?,
                Next::Wait => changed.await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Next {
        let mut state = self.state();
        state.connections.retain(|one| !one.is_over(self.0.idle));
        for connection in &state.connections {
            if connection.take(self.0.in_flight) {
                return Next::Call(Lease { connection: connection.clone(), pool: self.clone() });
            }
        }
        let room = if state.is_old { 1 } else { self.0.in_flight };
        if let Some(opening) = state.opening.iter_mut().find(|opening| opening.waiting < room) {
            opening.waiting += 1;
            return Next::WaitFor(opening.done.clone());
        }
        if state.connections.len() + state.opening.len() >= self.0.most {
            return Next::Wait;
        }
        let number = state.next;
        state.next += 1;
        let pool = self.clone();
        // A task of its own: a caller who goes away takes nobody's connection along.
        let task = tokio::spawn(async move { pool.open(number).await });
        let done = async move { task.await.unwrap_or_else(|error| Err(error.to_string())) };
        let done = done.boxed().shared();
        state.opening.push(Opening { number, waiting: 1, done: done.clone() });
        Next::WaitFor(done)
    }

    async fn open(self, number: u64) -> Result<(), String> {
        let made = self.0.target.connect().await;
        let mut state = self.state();
        state.opening.retain(|opening| opening.number != number);
        let made = made.map(|sender| {
            self.0.opened.fetch_add(1, Ordering::Relaxed);
            let connection = Connection::new(sender);
            state.is_old = !connection.is_http2;
            state.connections.push(Arc::new(connection));
        });
        drop(state);
        self.0.changed.notify_waiters();
        made.map_err(|error| error.to_string())
    }
}

impl Connection {
    fn new(sender: Sender) -> Self {
        let is_http2 = matches!(sender, Sender::Two(..));
        let (in_flight, used) = (AtomicUsize::new(0), Mutex::new(Instant::now()));
        Self { sender: Mutex::new(Some(sender)), is_http2, in_flight, used }
    }

    fn sender(&self) -> MutexGuard<'_, Option<Sender>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> MutexGuard<'_, Instant> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing new can be asked on it: the provider closed it, or it rested too long to be trusted. Calls that
    /// are under way hold it themselves.
    fn is_over(&self, idle: Duration) -> bool {
        if self.in_flight.load(Ordering::Acquire) == 0 && self.used().elapsed() > idle {
            return true;
        }
        match &*self.sender() {
            Some(Sender::Two(sender, _)) => sender.is_closed(),
            Some(Sender::One(sender)) => sender.is_closed(),
            // Its only call is under way, or was given up.
            None => self.in_flight.load(Ordering::Acquire) == 0,
        }
    }

    /// Takes a place, if there is one. Only under the lock of the pool's state.
    fn take(&self, most: usize) -> bool {
        let room = match &*self.sender() {
            Some(Sender::Two(_, room)) => most.min(room.load(Ordering::Relaxed).max(1)),
            Some(Sender::One(sender)) if sender.is_ready() => 1,
            Some(Sender::One(_)) | None => 0,
        };
        let is_free = self.in_flight.load(Ordering::Acquire) < room;
        if is_free {
            self.in_flight.fetch_add(1, Ordering::AcqRel);
        }
        is_free
    }
}

impl Lease {
    /// Asks, until the answer begins.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, NotSent> {
        let sender = {
            let mut sender = self.connection.sender();
            match &*sender {
                Some(Sender::Two(two, room)) => Some(Sender::Two(two.clone(), room.clone())),
                Some(Sender::One(_)) => sender.take(),
                None => None,
            }
        };
        match sender {
            Some(Sender::Two(mut two, _)) => two.try_send_request(request).await.map_err(not_sent),
            Some(Sender::One(mut one)) => {
                in_old_form(&mut request)?;
                let answered = one.try_send_request(request).await.map_err(not_sent);
                *self.connection.sender() = Some(Sender::One(one));
                answered
            }
            None => Err(NotSent::NotTaken),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *self.connection.used() = Instant::now();
        self.connection.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.pool.0.changed.notify_waiters();
    }
}

/// HTTP/1.1 has the host in a header, and only the path in its first line.
fn in_old_form(request: &mut Request<Full<Bytes>>) -> Result<(), NotSent> {
    let wrong = |error: &dyn std::fmt::Display| NotSent::Unreachable(error.to_string());
    let host = request.uri().authority().map(|host| host.as_str().to_owned()).unwrap_or_default();
    let host = HeaderValue::try_from(host).map_err(|error| wrong(&error))?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = Uri::try_from(path).map_err(|error| wrong(&error))?;
    request.headers_mut().insert(HOST, host);
    Ok(())
}

fn not_sent(mut error: TrySendError<Request<Full<Bytes>>>) -> NotSent {
    // It comes back if it never left.
    if error.take_message().is_some() { NotSent::NotTaken } else { lost(&error.into_error()) }
}

/// What a lost call means: nothing was done with it if the provider says so.
fn lost(error: &hyper::Error) -> NotSent {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut words = String::new();
    while let Some(one) = source {
        if let Some(h2) = one.downcast_ref::<h2::Error>() {
            let is_refused = h2.reason() == Some(h2::Reason::REFUSED_STREAM) && h2.is_remote();
            // A stream that the provider's goodbye does not count was not looked at.
            if is_refused
                || (h2.is_go_away() && h2.is_remote() && h2.reason() == Some(h2::Reason::NO_ERROR))
            {
                return NotSent::NotTaken;
            }
        }
        if !words.is_empty() {
            words.push_str(": ");
        }
        words.push_str(&one.to_string());
        source = one.source();
    }
    NotSent::Lost(words)
}
