//! What is sent: bounded in bytes, in time and in depth, and judged as a file is.

use aob_engine::catalogue;
use aob_engine::read::{self, Limits as Shape};
use axum::body::Body as Incoming;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use super::Limits;
use crate::problem::{Finding, Problem, Result};
use crate::route::Body;

/// What findings in it are about.
const ABOUT: &str = "the body";

/// The body as a value; none if there is none. Numbers are exact, no key stands twice.
pub(super) async fn read(
    wanted: Body,
    headers: &HeaderMap,
    body: Incoming,
    limits: &Limits,
) -> Result<Option<Value>> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > limits.body as u64) {
        return Err(large(limits));
    }
    let collect = Limited::new(body, limits.body).collect();
    let bytes = match tokio::time::timeout(limits.body_time, collect).await {
        Err(_) => {
            let message = format!("it did not arrive within {} s", limits.body_time.as_secs());
            return Err(Problem::new(&catalogue::TOO_SLOW, ABOUT, message));
        }
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(large(limits));
        }
        Ok(Err(error)) => {
            let message = format!("it did not arrive whole: {error}");
            return Err(Problem::new(&catalogue::BAD_REQUEST, ABOUT, message));
        }
        Ok(Ok(collected)) => collected.to_bytes(),
    };
    if bytes.is_empty() {
        return Ok(None);
    }
    if wanted == Body::None {
        let message = "this request has no body";
        return Err(Problem::new(&catalogue::BAD_REQUEST, ABOUT, message));
    }
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "application/json" => {
            if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
                return Err(Problem::new(
                    &catalogue::BAD_REQUEST,
                    ABOUT,
                    format!("it is not JSON: {error}"),
                ));
            }
        }
        "application/yaml" => {}
        other => {
            let other = aob_engine::issue::excerpt(other);
            let message = format!("`{other}` is neither application/json nor application/yaml");
            return Err(Problem::new(&catalogue::BAD_MEDIA, "header Content-Type", message));
        }
    }
    value(&bytes, limits)
}

fn value(bytes: &[u8], limits: &Limits) -> Result<Option<Value>> {
    let shape = Shape { bytes: limits.body, documents: 1, ..Shape::default() };
    let documents = read::documents(bytes, &shape).map_err(|found| {
        let one = |one: read::Located| Finding {
            issue: one.issue,
            about: ABOUT.to_owned(),
            place: one.place,
            source: None,
        };
        Problem::of(found.into_iter().map(one).collect())
    })?;
    Ok(documents.into_iter().next().map(|document| document.value))
}

fn large(limits: &Limits) -> Problem {
    let message = format!("it has more than {} bytes", limits.body);
    Problem::new(&catalogue::REQUEST_TOO_LARGE, ABOUT, message)
}
