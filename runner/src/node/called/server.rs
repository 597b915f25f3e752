//! A server that is sent tasks: it answers with the output, or takes the task and answers later.

use std::time::Duration;

use aob_engine::catalogue::{HTTP_BODY, HTTP_REQUEST, HTTP_STATUS, NOT_CALLED_BACK};
use aob_engine::registry::HttpRun;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use super::{now, secret, told};
use crate::node::http::Http;
use crate::node::{Context, Failure, Stream, Task};
use crate::signature::sign;

/// Carries the seconds since 1970 that are signed with the body.
const TIMESTAMP: &str = "aob-timestamp";
/// Carries the signature, as webhooks have it.
const SIGNATURE: &str = "aob-signature";
/// How long a server that took a task may take, if the node has no timeout.
const LATEST: Duration = Duration::from_secs(3_600);

pub(super) async fn call(
    http: &Http,
    run: &HttpRun,
    task: &Task,
    name: String,
    cx: &Context,
) -> Result<Value, Failure> {
    let (folder, key) = run.secret.split_once('/').unwrap_or((&run.secret, ""));
    let key = secret(cx, folder, key).await?;
    let url = Url::parse(&run.url).map_err(|error| {
        Failure::new(&HTTP_REQUEST, format!("the url of `{}`: {error}", task.node_type))
    })?;
    let mut body = told(task);
    if let Some(members) = body.as_object_mut() {
        members.insert("task".to_owned(), name.into());
        members.insert("fence".to_owned(), task.fence.clone().into());
    }
    let body = body.to_string();
    let seconds = now() / 1_000;
    let headers = headers(task, seconds, &sign(key.as_bytes(), seconds, body.as_bytes()))?;
    let reply = http.post(&url, headers, body.into_bytes()).await?;
    cx.log.line(Stream::Node, &format!("POST {} -> {}", reply.told, reply.status));
    match reply.status {
        200 if reply.body.is_empty() => Ok(Value::Null),
        204 => Ok(Value::Null),
        200 => serde_json::from_slice(&reply.body)
            .map_err(|error| Failure::new(&HTTP_BODY, format!("POST {}: {error}", reply.told))),
        202 => {
            // The answer goes to a gateway, and this attempt is then no longer the runner's: its beat says so.
            tokio::time::sleep(LATEST).await;
            let message = format!("POST {}: no answer within {} s", reply.told, LATEST.as_secs());
            Err(Failure::new(&NOT_CALLED_BACK, message).retryable())
        }
        status => {
            let said = reply.excerpt(&cx.redactor);
            let message =
                format!("POST {} answered {status}, expected 200 or 202{said}", reply.told);
            let failure = Failure::new(&HTTP_STATUS, message);
            Err(if crate::node::http::is_passing(status) { failure.retryable() } else { failure })
        }
    }
}

fn headers(task: &Task, seconds: u64, signature: &str) -> Result<HeaderMap, Failure> {
    let value = |text: &str| {
        HeaderValue::from_str(text)
            .map_err(|_| Failure::new(&HTTP_REQUEST, "a header cannot be written"))
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(HeaderName::from_static("idempotency-key"), value(&task.key)?);
    headers.insert(HeaderName::from_static(TIMESTAMP), HeaderValue::from(seconds));
    headers.insert(HeaderName::from_static(SIGNATURE), value(signature)?);
    Ok(headers)
}
