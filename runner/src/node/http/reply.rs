//! From a response to a node's output.

use aob_engine::catalogue::{HTTP_BODY, HTTP_TOO_LARGE};
use data_encoding::BASE64;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response};
use serde_json::{Map, Value, json};

use super::config::Call;
use super::errors;
use crate::node::Failure;
use crate::secret::Redactor;

/// How many bytes of headers an output holds; what does not fit is left out.
const HEADERS: usize = 16 * 1024;
/// How much of the body of an unexpected response is read and told, in bytes.
const TOLD: usize = 300;

/// The output `{status, headers, body}`: names of headers in lower case, several of a name joined by
/// commas; the body parsed if its type is JSON, else as text, or `{base64}` if it is no text; null if empty.
pub(super) async fn read(response: Response, call: &Call, limit: usize) -> Result<Value, Failure> {
    let status = response.status().as_u16();
    let is_json = is_json(response.headers());
    let headers = headers(response.headers());
    let announced = response.content_length().filter(|_| call.method != Method::HEAD);
    let too_large = || {
        Failure::new(
            &HTTP_TOO_LARGE,
            format!("{}: the response is larger than {limit} bytes", call.told()),
        )
    };
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let (bytes, whole) =
        first(response, limit).await.map_err(|error| errors::failure(error, call))?;
    if !whole {
        return Err(too_large());
    }
    let body = body(bytes, is_json)
        .map_err(|error| Failure::new(&HTTP_BODY, format!("{}: {error}", call.told())))?;
    Ok(json!({"status": status, "headers": headers, "body": body}))
}

/// What an unexpected response had to say, in one line.
pub(super) async fn unexpected(response: Response, call: &Call, redactor: &Redactor) -> String {
    let mut out =
        format!("{} answered {}, expected {}", call.told(), response.status(), call.expect);
    if let Some(when) = response.headers().get(RETRY_AFTER).and_then(|when| when.to_str().ok()) {
        out.push_str("; Retry-After: ");
        out.push_str(when.get(..when.floor_char_boundary(40)).unwrap_or_default());
    }
    // Secrets are hidden before anything is cut or joined: half a secret would not be found.
    let (bytes, _) = first(response, TOLD + redactor.longest()).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let shown = redactor.text(&text);
    let told = shown.get(..shown.floor_char_boundary(TOLD)).unwrap_or_default();
    let mut before = ": ";
    for word in
        told.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty())
    {
        out.push_str(before);
        out.push_str(word);
        before = " ";
    }
    out.push_str(if told.len() < shown.len() { "…" } else { "" });
    out
}

/// At most `limit` bytes of the body, and whether that is all of it.
pub(super) async fn first(
    mut response: Response,
    limit: usize,
) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limit - bytes.len();
        bytes.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        if chunk.len() > room {
            return Ok((bytes, false));
        }
    }
    Ok((bytes, true))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(text) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind == "text/json" || kind.ends_with("+json")
}

fn headers(all: &HeaderMap) -> Map<String, Value> {
    let mut out = Map::new();
    let mut left = HEADERS;
    for name in all.keys() {
        let values: Vec<_> = all
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let value = values.join(", ");
        let size = name.as_str().len() + value.len();
        if size <= left {
            left -= size;
            out.insert(name.as_str().to_owned(), Value::String(value));
        }
    }
    out
}

fn body(bytes: Vec<u8>, is_json: bool) -> Result<Value, String> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    if is_json {
        return serde_json::from_slice(&bytes)
            .map_err(|error| format!("the body is not the JSON it says it is: {error}"));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Value::String(text),
        Err(error) => json!({"base64": BASE64.encode(error.as_bytes())}),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    #[test]
    fn bodies_are_what_their_type_says() {
        assert_eq!(body(b"".to_vec(), true), Ok(Value::Null));
        assert_eq!(body(b"[1]".to_vec(), true), Ok(json!([1])));
        assert_eq!(body(b"[1]".to_vec(), false), Ok(json!("[1]")));
        assert_eq!(body(b"\xff".to_vec(), false), Ok(json!({"base64": "/w=="})));
        for wrong in ["[1", "nan", &"[".repeat(100_000)] {
            assert!(body(wrong.as_bytes().to_vec(), true).is_err());
        }
    }

    #[test]
    fn json_has_several_names() {
        for (name, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("text/json", true),
            ("text/plain", false),
            ("application/jsonp", false),
            ("application/x-ndjson", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(name))]);
            assert_eq!(is_json(&headers), expected, "{name}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn headers_are_bounded() {
        let mut all = HeaderMap::new();
        all.append("X-Two", HeaderValue::from_static("a"));
        all.append("x-two", HeaderValue::from_static("b"));
        for n in 0..100 {
            all.insert(
                HeaderName::try_from(format!("x-{n}")).unwrap(),
                HeaderValue::try_from("v".repeat(1000)).unwrap(),
            );
        }
        let out = headers(&all);
        assert_eq!(out["x-two"], "a, b");
        assert!(serde_json::to_string(&out).unwrap().len() < HEADERS + 1024);
    }
}
