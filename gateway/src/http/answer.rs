//! How answers and problems are written.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::status::status;
use crate::problem::{Problem, Sent};

/// Media type of a problem (RFC 9457).
pub(super) const PROBLEM: &str = "application/problem+json";

/// An answer.
pub(super) fn json(answer: &impl Serialize) -> Response {
    written(StatusCode::OK, "application/json", serde_json::to_vec(answer).unwrap_or_default())
}

/// Plain text.
pub(super) fn text(text: &str) -> Response {
    written(StatusCode::OK, "text/plain; charset=utf-8", text.as_bytes().to_vec())
}

/// What is missing before requests can be answered.
pub(super) fn unready(why: &str) -> Response {
    let text = format!("{why}\n").into_bytes();
    written(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", text)
}

/// Every finding of a problem; the first one gives the number.
pub(super) fn problem(problem: &Problem) -> Response {
    let status = status(problem);
    let mut response = written(status, PROBLEM, body(problem, status).to_string().into_bytes());
    let headers = response.headers_mut();
    if let Some(after) = problem.retry_after {
        // In whole seconds, never too early.
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_millis().div_ceil(1_000) as u64));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn body(problem: &Problem, status: StatusCode) -> Value {
    let findings: Vec<Sent> = problem.findings.iter().map(Sent::from).collect();
    let mut body = json!({"status": status.as_u16(), "findings": findings});
    let (Some(first), Some(members)) = (problem.findings.first(), body.as_object_mut()) else {
        return body;
    };
    let entry = first.issue.entry;
    let more = json!({
        "type": format!("urn:aob:error:{}", entry.code),
        "title": entry.title,
        "detail": first.issue.message,
        "code": entry.code,
        "rule": entry.rule,
        "remedy": first.issue.help(),
        "where": {"about": first.about, "pointer": first.issue.pointer},
    });
    members.extend(more.as_object().cloned().unwrap_or_default());
    if let Some(after) = problem.retry_after {
        let ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        members.insert("retryAfterMs".to_owned(), ms.into());
    }
    body
}

fn written(status: StatusCode, media: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}
