//! The protocol over HTTP: a request becomes a caller, a right and a [`Request`], and its answer becomes JSON.
//!
//! `listen` accepts connections and bounds what one of them may cost, `body` reads what is sent, `rate` counts what
//! a client asks, `once` answers a request that is made again, `status` says with which number a finding is answered.

mod answer;
mod body;
mod follow;
mod listen;
mod once;
mod rate;
mod status;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use aob_engine::catalogue;
use aob_telemetry::metrics::metrics;
use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, State};
use axum::response::Response;
use axum::routing::{MethodFilter, get, on};
use http::request::Parts;
use serde_json::Value;
use tokio::sync::watch;

use crate::caller::{Caller, Door, Peer, Right, not_allowed};
use crate::operation::Request;
use crate::perform::Performer;
use crate::problem::{Problem, Result};
use crate::route::{Method, ROOT, ROUTES, Route};
use follow::Hub;
use rate::Rates;

pub use listen::{Server, Tls};

/// Which part of the API an address serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Serve {
    /// Everything.
    #[default]
    All,
    /// Everything but streams of events.
    Api,
    /// What a follower asks, and nothing that changes anything.
    Fanout,
}

impl Serve {
    fn has(self, route: &Route) -> bool {
        let follows = ["about", "standing", "events", "watch", "logs"];
        self != Self::Fanout || follows.contains(&route.op)
    }
}

/// What a gateway serves, and to whom.
#[derive(Clone)]
pub struct ServeOptions {
    /// Which part of the API.
    pub serve: Serve,
    /// What does it.
    pub performer: Arc<Performer>,
    /// Who may ask.
    pub door: Arc<dyn Door>,
    /// What a client may cost.
    pub limits: Limits,
}

impl ServeOptions {
    /// The whole API.
    pub fn all(performer: Arc<Performer>, door: Arc<dyn Door>, limits: Limits) -> Self {
        Self { serve: Serve::All, performer, door, limits }
    }
}

/// What a client may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body.
    pub body: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Bytes of all headers of a request.
    pub head: usize,
    /// How long the head of a request may take to arrive, and an idle connection may stay.
    pub head_time: Duration,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// Connections at once.
    pub connections: usize,
    /// Requests of a client in a second, in the long run.
    pub rate: u32,
    /// Requests of a client at once.
    pub burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 4 << 20,
            headers: 100,
            head: 64 << 10,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            connections: 20_000,
            rate: 200,
            burst: 400,
        }
    }
}

/// One connection, as its requests see it.
struct Connection {
    peer: Peer,
    /// Whether a request has arrived.
    heard: AtomicBool,
    /// Whether it has waited for a run to move.
    follows: std::sync::OnceLock<Following>,
}

/// One connection that follows runs, for as long as this lives.
struct Following(watch::Sender<usize>);

impl Following {
    fn begin(followers: &watch::Sender<usize>) -> Self {
        followers.send_modify(|followers| *followers += 1);
        metrics().followers.add([], 1);
        Self(followers.clone())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.send_modify(|followers| *followers = followers.saturating_sub(1));
        metrics().followers.add([], -1);
    }
}

/// What all requests share.
struct Gateway {
    options: ServeOptions,
    rates: Rates,
    hub: Hub,
    followers: watch::Sender<usize>,
    ending: watch::Receiver<bool>,
}

/// What describes all this; the same for everybody.
static DOCUMENT: LazyLock<Value> = LazyLock::new(crate::openapi::document);

/// Every route, and what is not the protocol's: `/healthz`, `/readyz`.
fn router(gateway: Arc<Gateway>) -> Router {
    let mut router = Router::new();
    for route in ROUTES.iter().filter(|route| gateway.options.serve.has(route)) {
        let handler = move |state: State<Arc<Gateway>>,
                            params: std::result::Result<RawPathParams, RawPathParamsRejection>,
                            request: axum::extract::Request| async move {
            let params = params.map_err(|_| {
                let message = "a part of the path is not UTF-8";
                Problem::new(&catalogue::BAD_REQUEST, "the path", message)
            });
            let began = Instant::now();
            let answered = match params {
                Ok(params) => state.answer(route, &params, request).await,
                Err(problem) => Err(problem),
            };
            let answer = answered.unwrap_or_else(|problem| answer::problem(&problem));
            metrics().requests.one([route.op, answer.status().as_str()]);
            metrics().request_seconds.observe([route.op], began.elapsed());
            answer
        };
        let filter = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Put => MethodFilter::PUT,
            Method::Delete => MethodFilter::DELETE,
        };
        router = router.route(&format!("{ROOT}{}", route.path), on(filter, handler));
    }
    router
        .route(&format!("{ROOT}/runs/{{run}}/ws"), get(follow::socket::route))
        .route(&format!("{ROOT}/openapi.json"), get(|| async { answer::json(&*DOCUMENT) }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .fallback(no_route)
        .method_not_allowed_fallback(bad_method)
        .with_state(gateway)
}

/// Whether the store answers.
async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    if *gateway.ending.borrow() {
        return answer::unready("the gateway is stopping");
    }
    let store = gateway.options.performer.runs().store();
    match tokio::time::timeout(Duration::from_secs(2), store.backlog()).await {
        Ok(Ok(_)) => answer::text("ok\n"),
        Ok(Err(error)) => answer::unready(&format!("store: {error}")),
        Err(_) => answer::unready("store: no answer within 2 s"),
    }
}

async fn no_route(request: axum::extract::Request) -> Response {
    let path = aob_engine::issue::excerpt(request.uri().path());
    let message = format!("there is nothing at {path}");
    unfit(&Problem::new(&catalogue::NO_ROUTE, "the path", message))
}

async fn bad_method(request: axum::extract::Request) -> Response {
    let method = aob_engine::issue::excerpt(request.method().as_str());
    let message = format!("{} does not know {method}", request.uri().path());
    unfit(&Problem::new(&catalogue::BAD_METHOD, "the method", message))
}

fn unfit(problem: &Problem) -> Response {
    let answer = answer::problem(problem);
    metrics().requests.one(["none", answer.status().as_str()]);
    answer
}

impl Gateway {
    async fn answer(
        &self,
        route: &'static Route,
        params: &RawPathParams,
        request: axum::extract::Request,
    ) -> Result<Response> {
        let (parts, body) = request.into_parts();
        let query = route.read_query(parts.uri.query().unwrap_or_default())?;
        let caller = self.caller(&parts, query.tenant.as_deref()).await?;
        let right = Right { verb: route.verb, resource: route.resource, name: None };
        // Which gate a ticket belongs to is known only after it is found.
        if right.verb != "approve" {
            self.allowed(&caller, right).await?;
        }
        let body = body::read(route.body, &parts.headers, body, &self.options.limits).await?;
        let request = route.decode(params.iter(), query, body)?;
        self.allowed_gates(&caller, &request).await?;
        if let (Request::Events { run, after, .. }, true) = (&request, follow::is_wanted(&parts)) {
            if self.options.serve == Serve::Api {
                let message = "streams of events are served at another address";
                return Err(Problem::new(&catalogue::NO_ROUTE, parts.uri.path(), message));
            }
            return self.follow(&parts, &caller, run.clone(), *after).await;
        }
        let answer = match once::key(&parts, route.method)? {
            None => self.perform(&parts, &caller, request).await?,
            Some(key) => self.once(&parts, &caller, &key, request).await?,
        };
        match (&answer, route.missing) {
            (Value::Null, Some(entry)) => {
                Err(Problem::new(entry, parts.uri.path(), "it is not there"))
            }
            _ => Ok(answer::json(&answer)),
        }
    }

    async fn caller(&self, parts: &Parts, tenant: Option<&str>) -> Result<Caller> {
        let peer = connection(parts).map(|connection| connection.peer);
        let peer = peer.ok_or_else(|| crate::caller::not_proven("the peer is not known"))?;
        let caller = match self.options.door.who(&parts.headers, peer).await {
            Ok(caller) => caller,
            Err(problem) => {
                self.rates.take(&rate::unknown(peer), &self.options.limits)?;
                return Err(problem);
            }
        };
        self.rates.take(&caller.name, &self.options.limits)?;
        match tenant {
            Some(tenant) => caller.of_tenant(tenant),
            None => Ok(caller),
        }
    }

    async fn allowed(&self, caller: &Caller, right: Right<'_>) -> Result<()> {
        if self.options.door.may(caller, right).await? {
            return Ok(());
        }
        Err(not_allowed(caller, right))
    }

    /// Rights to gates by their names: to the one that a ticket is about, and to those that a patch changes.
    async fn allowed_gates(&self, caller: &Caller, request: &Request) -> Result<()> {
        let performer = &self.options.performer;
        let mut gates = Vec::new();
        match request {
            Request::Decide { ticket, .. } => {
                // One that is not open is told so by what does it; that needs the right to some gate.
                let gate = performer.gate(&caller.tenant, ticket).await?;
                gates.push(gate.unwrap_or_default());
            }
            Request::Patch { run, approves, .. } | Request::UndoPatch { run, approves, .. }
                if !approves.is_empty() =>
            {
                let workflow = performer.workflow_of(run).await?;
                gates.extend(approves.iter().map(|gate| format!("{workflow}.{gate}")));
            }
            _ => {}
        }
        for gate in gates {
            let name = Some(gate.as_str()).filter(|gate| !gate.is_empty());
            self.allowed(caller, Right { verb: "approve", resource: "gates", name }).await?;
        }
        Ok(())
    }

    async fn perform(&self, parts: &Parts, caller: &Caller, request: Request) -> Result<Value> {
        let Request::Watch { seq, .. } = request else {
            return self.options.performer.perform(caller, request).await;
        };
        if let Some(connection) = connection(parts) {
            // Whoever waits for a run that moves here wants it to go on moving.
            connection.follows.get_or_init(|| Following::begin(&self.followers));
        }
        let mut ending = self.ending.clone();
        tokio::select! {
            answer = self.options.performer.perform(caller, request) => answer,
            _ = ending.wait_for(|ending| *ending) => Ok(seq.into()),
        }
    }
}

fn connection(parts: &Parts) -> Option<&Arc<Connection>> {
    parts.extensions.get::<Arc<Connection>>()
}

impl Connection {
    fn new(peer: Peer) -> Self {
        Self { peer, heard: AtomicBool::new(false), follows: std::sync::OnceLock::new() }
    }

    fn hears(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    fn has_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }
}
