//! Followers of a run: server-sent events, each with its number as id.
//!
//! One reader per run asks the store, however many follow. It keeps a window of the last events, ready to be sent;
//! whoever is behind the window reads pages until it has caught up. What is sent is a part of a block of events that all
//! share, however many it holds, so that a follower that is behind costs little. Nothing is kept for a slow one but a few
//! of these parts: it is cut, and goes on at its last id.

pub(super) mod socket;
mod topic;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use aob_engine::catalogue;
use aob_store::Store;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, watch};

use super::{Following, Gateway, connection};
use crate::caller::Caller;
use crate::operation::Request;
use crate::problem::{Problem, Result};
use topic::Topic;

/// Media type of server-sent events.
const STREAM: &str = "text/event-stream";
/// How often a sign of life is sent.
const PING: Duration = Duration::from_secs(10);
/// How long a follower may take nothing of what waits for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Chunks that wait for one follower: parts of what all share.
const WAITING: usize = 2;

/// The runs that are followed here.
pub(super) struct Hub {
    store: Arc<dyn Store>,
    topics: Mutex<FxHashMap<Arc<str>, Weak<Topic>>>,
}

impl Hub {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, topics: Mutex::default() }
    }

    /// The one reader of a run; it begins after this event if there is none yet.
    fn topic(&self, run: &str, after: u64) -> Arc<Topic> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(run).and_then(Weak::upgrade) {
            return topic;
        }
        topics.retain(|_, topic| topic.strong_count() > 0);
        let topic = Topic::begin(self.store.clone(), run, after);
        topics.insert(run.into(), Arc::downgrade(&topic));
        topic
    }
}

/// Whether a stream is wanted.
pub(super) fn is_wanted(parts: &Parts) -> bool {
    let accepts =
        |accept: &HeaderValue| accept.to_str().is_ok_and(|accept| accept.contains(STREAM));
    parts.headers.get_all(ACCEPT).iter().any(accepts)
}

impl Gateway {
    /// Sends the events of a run from a number on, until the run ends.
    pub(super) async fn follow(
        &self,
        parts: &Parts,
        caller: &Caller,
        run: String,
        after: u64,
    ) -> Result<Response> {
        let after = last_seen(parts)?.unwrap_or(after);
        let (send, receive) = mpsc::channel(WAITING);
        let follower = self.follower(parts, caller, &run, after, send).await?;
        tokio::spawn(follower.run());
        let chunks = futures::stream::unfold(receive, |mut receive| async move {
            let chunk: Bytes = mpsc::Receiver::recv(&mut receive).await?;
            Some((Ok::<_, Infallible>(chunk), receive))
        });
        let mut response = Response::new(Body::from_stream(chunks));
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(STREAM));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // For proxies that would wait for more.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    }
}

impl Gateway {
    /// Whoever sends the events of a run from a number on, as far as the caller may see it.
    async fn follower(
        &self,
        parts: &Parts,
        caller: &Caller,
        run: &str,
        after: u64,
        send: mpsc::Sender<Bytes>,
    ) -> Result<Follower> {
        let known = Request::Watch { run: run.to_owned(), seq: 0, wait_ms: 0 };
        let known = self.options.performer.perform(caller, known).await?;
        // A store that has forgotten its last moments has fewer events than a follower has seen.
        let at = after.min(known.as_u64().unwrap_or(0));
        if let Some(connection) = connection(parts) {
            connection.follows.get_or_init(|| Following::begin(&self.followers));
        }
        Ok(Follower { topic: self.hub.topic(run, at), at, send, ending: self.ending.clone() })
    }
}

/// The id of the last event that whoever comes again has seen.
fn last_seen(parts: &Parts) -> Result<Option<u64>> {
    let Some(given) = parts.headers.get("last-event-id") else { return Ok(None) };
    let number = given.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| {
        let message = "ids of events are numbers";
        Problem::new(&catalogue::BAD_REQUEST, "header Last-Event-ID", message)
    })
}

/// One follower of a run.
struct Follower {
    topic: Arc<Topic>,
    /// The last event that was sent.
    at: u64,
    send: mpsc::Sender<Bytes>,
    ending: watch::Receiver<bool>,
}

impl Follower {
    async fn run(mut self) {
        let mut marks = self.topic.marks();
        loop {
            let mark = *marks.borrow_and_update();
            if !self.catch_up(mark.last).await {
                return;
            }
            if mark.over {
                self.sent(Bytes::from_static(b"event: end\ndata: {}\n\n")).await;
                return;
            }
            let is_quiet = tokio::select! {
                changed = marks.changed() => match changed {
                    Ok(()) => false,
                    Err(_) => return,
                },
                () = tokio::time::sleep(PING) => true,
                () = self.send.closed() => return,
                _ = self.ending.wait_for(|ending| *ending) => return,
            };
            if is_quiet && !self.sent(Bytes::from_static(b": ping\n\n")).await {
                return;
            }
        }
    }

    /// Sends everything up to an event; false if nobody takes it any more.
    async fn catch_up(&mut self, last: u64) -> bool {
        while self.at < last {
            let chunk = match self.topic.after(self.at).await {
                Ok(Some(chunk)) => chunk,
                // It is gone from the store.
                Ok(None) => return false,
                Err(error) => {
                    tracing::debug!(%error, "a follower is cut");
                    return false;
                }
            };
            if !self.sent(chunk.bytes).await {
                return false;
            }
            self.at = chunk.last;
        }
        true
    }

    async fn sent(&self, chunk: Bytes) -> bool {
        self.send.send_timeout(chunk, PATIENCE).await.is_ok()
    }
}
