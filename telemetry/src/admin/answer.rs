//! The answers of the admin port.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;

use crate::health::{Health, Missing};
use crate::{level, metrics, set_level};

/// Longest body of a request, in bytes.
const BODY: usize = 4 * 1024;
/// What can be asked.
const ROUTES: &str = "GET /metrics, GET /healthz, GET /readyz, GET /log, PUT /log";

/// Answers a request of `peer`.
pub(super) async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    health: &Health,
) -> Response<Full<Bytes>> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/metrics" if reads => {
            health.look_all().await;
            text(StatusCode::OK, metrics::FORMAT, metrics::metrics().text())
        }
        "/healthz" if reads => judged("alive", &health.dead().await),
        "/readyz" if reads => judged("ready", &health.missing().await),
        "/log" if reads => plain(StatusCode::OK, level().unwrap_or_default()),
        "/log" if *request.method() == Method::PUT => change_level(request, peer).await,
        "/log" => not_allowed("GET, PUT"),
        "/metrics" | "/healthz" | "/readyz" => not_allowed("GET"),
        _ => plain(StatusCode::NOT_FOUND, format!("there is nothing here; there is {ROUTES}")),
    }
}

/// Whoever can reach the port may look; only the machine itself may change something.
async fn change_level(request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
    if !peer.ip().to_canonical().is_loopback() {
        let why = "the log's level is changed from this machine only: through 127.0.0.1, or a port-forward";
        return plain(StatusCode::FORBIDDEN, why);
    }
    let body = match Limited::new(request.into_body(), BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let why = format!("the body cannot be read, or has more than {BODY} bytes: {error}");
            return plain(StatusCode::PAYLOAD_TOO_LARGE, why);
        }
    };
    match set_level(&String::from_utf8_lossy(&body)) {
        Ok(()) => {
            let now = level().unwrap_or_default();
            tracing::info!(level = now, "the log's level was changed");
            plain(StatusCode::OK, now)
        }
        Err(why) => plain(StatusCode::UNPROCESSABLE_ENTITY, why),
    }
}

fn judged(what: &str, missing: &[Missing]) -> Response<Full<Bytes>> {
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let list: Vec<_> =
        missing.iter().map(|one| json!({"part": one.part, "why": one.why})).collect();
    let body = json!({(what): missing.is_empty(), "missing": list});
    text(status, "application/json", format!("{body}\n"))
}

fn not_allowed(allowed: &'static str) -> Response<Full<Bytes>> {
    let why = format!("not this way; there is {ROUTES}");
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, why);
    set(&mut response, ALLOW, allowed);
    response
}

fn plain(status: StatusCode, body: impl Into<String>) -> Response<Full<Bytes>> {
    text(status, "text/plain; charset=utf-8", body.into() + "\n")
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, content_type);
    set(&mut response, CACHE_CONTROL, "no-store");
    response
}

fn set(response: &mut Response<Full<Bytes>>, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
}
