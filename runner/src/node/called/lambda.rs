//! A Lambda function: the Invoke API, one synchronous call for each attempt.

use aob_engine::catalogue::{
    HTTP_BODY, HTTP_REQUEST, LAMBDA_FAILED, LAMBDA_REFUSED, SECRET_MISSING,
};
use aob_engine::registry::LambdaRun;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use super::sigv4::{self, Credentials};
use super::{now, secret, told};
use crate::node::http::{Http, Reply};
use crate::node::{Context, Failure, Stream, Task};

/// Tells that the function, not the API, answered with an error.
const FUNCTION_ERROR: &str = "x-amz-function-error";

pub(super) async fn invoke(
    http: &Http,
    run: &LambdaRun,
    task: &Task,
    cx: &Context,
) -> Result<Value, Failure> {
    let credentials = credentials(cx, &run.credentials).await?;
    let url = address(run)
        .ok_or_else(|| Failure::new(&HTTP_REQUEST, "the address of the function is none"))?;
    let body = told(task).to_string();
    let headers = headers(&url, &run.region, &credentials, &body)?;
    let reply = http.post(&url, headers, body.into_bytes()).await?;
    cx.log.line(Stream::Node, &format!("invoke {} -> {}", run.function, reply.status));
    let said = || reply.excerpt(&cx.redactor);
    if reply.status != 200 {
        let message = format!("invoking {} was answered {}{}", run.function, reply.status, said());
        let failure = Failure::new(&LAMBDA_REFUSED, message);
        let passes = crate::node::http::is_passing(reply.status);
        return Err(if passes { failure.retryable() } else { failure });
    }
    if let Some(kind) = reply.headers.get(FUNCTION_ERROR) {
        let kind = kind.to_str().unwrap_or("an error");
        let message = format!("{} failed ({kind:.40}){}", run.function, said());
        return Err(Failure::new(&LAMBDA_FAILED, message).retryable());
    }
    output(&reply).map_err(|error| {
        Failure::new(&HTTP_BODY, format!("the answer of {} is no JSON: {error}", run.function))
    })
}

fn output(reply: &Reply) -> Result<Value, serde_json::Error> {
    if reply.body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&reply.body) }
}

async fn credentials(cx: &Context, folder: &str) -> Result<Credentials, Failure> {
    let token = match secret(cx, folder, "session_token").await {
        Ok(token) => Some(token),
        Err(failure) if failure.code == SECRET_MISSING.name.to_ascii_lowercase() => None,
        Err(failure) => return Err(failure),
    };
    Ok(Credentials {
        id: secret(cx, folder, "access_key_id").await?,
        secret: secret(cx, folder, "secret_access_key").await?,
        token,
    })
}

fn address(run: &LambdaRun) -> Option<Url> {
    let base = match &run.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => format!("https://lambda.{}.amazonaws.com", run.region),
    };
    let mut url = Url::parse(&base).ok()?;
    let path = format!("/2015-03-31/functions/{}/invocations", sigv4::encode(&run.function));
    url.set_path(&path);
    if let Some(qualifier) = &run.qualifier {
        url.set_query(Some(&format!("Qualifier={}", sigv4::encode(qualifier))));
    }
    Some(url)
}

fn headers(
    url: &Url,
    region: &str,
    credentials: &Credentials,
    body: &str,
) -> Result<HeaderMap, Failure> {
    let request = sigv4::Request { method: "POST", url, service: "lambda", region, body };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, text) in sigv4::sign(&request, credentials, now()) {
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            Failure::new(&HTTP_REQUEST, "the credentials cannot be written into a header")
        })?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}
