//! The same events over a WebSocket: one text message each, for clients that can read no stream of an answer.

use std::sync::Arc;

use aob_engine::catalogue;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade, rejection};
use axum::extract::{FromRequestParts as _, Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures::SinkExt as _;
use http::header::{HOST, ORIGIN};
use http::request::Parts;
use tokio::sync::mpsc;

use super::super::{Gateway, Serve, answer};
use super::Follower;
use crate::caller::Right;
use crate::problem::{Problem, Result};

/// Most bytes of what a client says: it has nothing to say but that it is there, and that it goes.
const HEARD: usize = 4 * 1_024;

/// `GET /runs/{run}/ws?after=N`.
pub(in crate::http) async fn route(
    State(gateway): State<Arc<Gateway>>,
    Path(run): Path<String>,
    request: axum::extract::Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let opened = gateway.open(parts, run).await;
    opened.unwrap_or_else(|problem| answer::problem(&problem))
}

impl Gateway {
    /// Sends the events of a run as messages, from a number on, until the run ends.
    async fn open(&self, mut parts: Parts, run: String) -> Result<Response> {
        if self.options.serve == Serve::Api {
            let message = "streams of events are served at another address";
            return Err(Problem::new(&catalogue::NO_ROUTE, parts.uri.path(), message));
        }
        same_site(&parts)?;
        let query = after(&parts)?;
        let caller = self.caller(&parts, query.tenant.as_deref()).await?;
        self.allowed(&caller, Right { verb: "get", resource: "runs", name: None }).await?;
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
        let upgrade = upgrade.map_err(|refused| no_socket(&refused))?;
        let (send, receive) = mpsc::channel(super::WAITING);
        let follower = self.follower(&parts, &caller, &run, query.after, send).await?;
        let upgrade = upgrade.max_message_size(HEARD).max_frame_size(HEARD);
        Ok(upgrade.on_upgrade(move |socket| serve(socket, follower, receive)))
    }
}

/// A page of another site would be let in by a browser that its user's own machine trusts.
fn same_site(parts: &Parts) -> Result<()> {
    let Some(origin) = parts.headers.get(ORIGIN) else { return Ok(()) };
    let of = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    if of.is_some() && of == host {
        return Ok(());
    }
    let message = "a page of another site does not follow runs here";
    Err(Problem::new(&catalogue::BAD_REQUEST, "header Origin", message))
}

struct Query {
    after: u64,
    tenant: Option<String>,
}

fn after(parts: &Parts) -> Result<Query> {
    let mut query = Query { after: 0, tenant: None };
    for (name, value) in
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
    {
        match &*name {
            "after" => {
                query.after = value.parse().map_err(|_| {
                    let message = "a number of an event, from 0";
                    Problem::new(&catalogue::BAD_REQUEST, "parameter after", message)
                })?;
            }
            "tenant" => query.tenant = Some(value.into_owned()),
            other => {
                let other = aob_engine::issue::excerpt(other);
                let message = format!("this route knows `after` and `tenant`, not {other}");
                return Err(Problem::new(&catalogue::BAD_REQUEST, "the query", message));
            }
        }
    }
    Ok(query)
}

fn no_socket(refused: &rejection::WebSocketUpgradeRejection) -> Problem {
    let message = format!("no WebSocket was asked for: {refused}");
    Problem::new(&catalogue::BAD_REQUEST, "header Upgrade", message)
}

/// Sends what the follower has; whoever says goodbye or takes nothing is let go.
async fn serve(mut socket: WebSocket, follower: Follower, mut receive: mpsc::Receiver<Bytes>) {
    let following = tokio::spawn(follower.run());
    loop {
        tokio::select! {
            chunk = receive.recv() => {
                let Some(chunk) = chunk else { break };
                if !send(&mut socket, &chunk).await {
                    break;
                }
            }
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
        }
    }
    following.abort();
    // Whoever has gone does not hear it.
    let _ = socket.send(Message::Close(None)).await;
}

/// Each frame of what the stream is sent, as a message; false if nobody takes it any more. An event has no line break in it.
async fn send(socket: &mut WebSocket, chunk: &Bytes) -> bool {
    let text = std::str::from_utf8(chunk).unwrap_or_default();
    for frame in text.split_terminator("\n\n") {
        let fed = tokio::time::timeout(super::PATIENCE, socket.feed(message(frame))).await;
        if !matches!(fed, Ok(Ok(()))) {
            return false;
        }
    }
    matches!(tokio::time::timeout(super::PATIENCE, socket.flush()).await, Ok(Ok(())))
}

/// A frame of the stream as a message: `{"id": 7, "data": {...}}`, `{"event": "end"}`, or a ping.
fn message(text: &str) -> Message {
    let event = text.strip_prefix("id: ").and_then(|rest| rest.split_once("\ndata: "));
    match event {
        Some((id, data)) => {
            Message::Text(Utf8Bytes::from(format!("{{\"id\":{id},\"data\":{data}}}")))
        }
        None if text.starts_with("event: end") => {
            Message::Text(Utf8Bytes::from_static("{\"event\":\"end\"}"))
        }
        None => Message::Ping(Bytes::new()),
    }
}
