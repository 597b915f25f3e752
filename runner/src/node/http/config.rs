//! From a node's config to a request.

use std::collections::{BTreeMap, HashSet};

use aob_engine::catalogue::{HTTP_REQUEST, NODE_INPUT};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::expect::Expect;
use crate::node::{Failure, HttpLimits, Task};
use crate::secret::Redactor;

/// The longest URL, in bytes.
const URL: usize = 32 * 1024;
/// How many headers are sent, and how many bytes of them.
const HEADERS: (usize, usize) = (128, 64 * 1024);
/// Headers that belong to the connection, not to the request; HTTP itself writes them.
const NOT_OURS: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request, as it stands after the redirects so far.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
    pub(super) expect: Expect,
    /// Headers whose value held a secret.
    pub(super) secret_headers: HashSet<HeaderName>,
    /// Whether the body held a secret.
    pub(super) secret_body: bool,
}

/// The config of an `http` node.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    url: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    headers: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    query: Option<BTreeMap<String, Value>>,
    // Twice an option: `json: null` sends null.
    #[serde(default, deserialize_with = "given")]
    json: Option<Value>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    bearer: Option<String>,
    #[serde(default)]
    expect: Expect,
}

impl Call {
    /// Reads a task's config, its secrets in place.
    pub(super) fn read(
        task: &Task,
        redactor: &Redactor,
        limits: &HttpLimits,
    ) -> Result<Self, Failure> {
        let config = Config::deserialize(&task.input)
            .map_err(|error| Failure::new(&NODE_INPUT, error.to_string()))?;
        let method = method(config.method.as_deref().unwrap_or("GET"))?;
        let url = url(&config.url, config.query.unwrap_or_default())?;
        let mut call = Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            expect: config.expect,
            secret_headers: HashSet::new(),
            secret_body: redactor.any_below("/json") || redactor.any_below("/body"),
        };
        for (name, value) in config.headers.unwrap_or_default() {
            let pointer = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
            call.header(&name, value, redactor.came_from_secret(&pointer))?;
        }
        if let Some(token) = config.bearer {
            if call.headers.contains_key(AUTHORIZATION) {
                return Err(wrong("`bearer` and the header `authorization` are both given"));
            }
            call.header(
                "authorization",
                format!("Bearer {token}").into(),
                redactor.came_from_secret("/bearer"),
            )?;
        }
        call.set_body(config.json, config.body, limits)?;
        if !matches!(call.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            let key = HeaderValue::from_str(&task.key)
                .map_err(|_| wrong("the idempotency key is no header value"))?;
            call.headers.entry("idempotency-key").or_insert(key);
        }
        if call.headers.len() > HEADERS.0
            || call.headers.iter().map(|(n, v)| n.as_str().len() + v.len()).sum::<usize>()
                > HEADERS.1
        {
            return Err(wrong("`headers` has more than 128 entries or 64 KiB"));
        }
        Ok(call)
    }

    /// Method and URL for people, without the query, which may be private.
    pub(super) fn told(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        format!("{} {url}", self.method)
    }

    fn header(&mut self, name: &str, value: Value, secret: bool) -> Result<(), Failure> {
        let bad = |what| wrong(format!("the header `{}` {what}", name.escape_debug()));
        let Some(text) = text(&value) else {
            return if value.is_null() { Ok(()) } else { Err(bad("is neither text nor a number")) };
        };
        let parsed =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("has no valid name"))?;
        if NOT_OURS.contains(&parsed.as_str()) {
            return Err(bad("is not a workflow's to set"));
        }
        let mut value =
            HeaderValue::from_str(&text).map_err(|_| bad("has a value with control characters"))?;
        value.set_sensitive(secret);
        if self.headers.insert(parsed.clone(), value).is_some() {
            return Err(bad("is given twice"));
        }
        if secret {
            self.secret_headers.insert(parsed);
        }
        Ok(())
    }

    fn set_body(
        &mut self,
        json: Option<Value>,
        text: Option<String>,
        limits: &HttpLimits,
    ) -> Result<(), Failure> {
        let (body, content_type) = match (json, text) {
            (Some(_), Some(_)) => return Err(wrong("`json` and `body` are both given")),
            (Some(json), None) => (json.to_string(), "application/json"),
            (None, Some(text)) => (text, "text/plain; charset=utf-8"),
            (None, None) => return Ok(()),
        };
        if body.len() > limits.request {
            return Err(wrong(format!(
                "the body is {} bytes; at most {} are sent",
                body.len(),
                limits.request
            )));
        }
        self.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
        self.body = Some(body.into_bytes());
        Ok(())
    }
}

fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn method(text: &str) -> Result<Method, Failure> {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    KNOWN
        .into_iter()
        .find(|known| known.as_str() == text)
        .ok_or_else(|| wrong("`method` is one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
}

fn url(text: &str, query: BTreeMap<String, Value>) -> Result<Url, Failure> {
    let mut url =
        Url::parse(text).map_err(|error| wrong(format!("`url` cannot be read: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("`url` is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("`url` holds credentials; use `bearer` or `headers`"));
    }
    for (name, value) in query {
        let values = if let Value::Array(list) = value { list } else { vec![value] };
        for value in values.into_iter().filter(|value| !value.is_null()) {
            let text = text_of_query(&name, &value)?;
            url.query_pairs_mut().append_pair(&name, &text);
        }
    }
    if url.as_str().len() > URL {
        return Err(wrong("`url` with its query is longer than 32 KiB"));
    }
    Ok(url)
}

fn text_of_query(name: &str, value: &Value) -> Result<String, Failure> {
    text(value).ok_or_else(|| {
        wrong(format!(
            "`query.{}` is neither text, a number, true, false, nor a list of them",
            name.escape_debug()
        ))
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn wrong(what: impl Into<String>) -> Failure {
    Failure::new(&HTTP_REQUEST, what)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::task;
    use super::*;
    use serde_json::json;

    fn read(config: Value) -> Result<Call, Failure> {
        Call::read(&task("http", config), &Redactor::default(), &HttpLimits::default())
    }

    fn header(call: &Call, name: &str) -> Option<String> {
        call.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_least_is_a_url() {
        let call = read(json!({"url": "https://example.com"})).unwrap();
        assert_eq!(
            (call.method.as_str(), call.url.as_str(), call.headers.len(), &call.body),
            ("GET", "https://example.com/", 0, &None)
        );
    }

    #[test]
    fn everything_is_sent() {
        let call = read(json!({
            "url": "https://example.com/a?x=1#f", "method": "POST", "bearer": "t", "json": {"b": [1]}, "expect": [201, "3xx"],
            "headers": {"X-One": 1, "x-null": null}, "query": {"q": "a&b", "many": [1, true], "none": null},
        }))
        .unwrap();
        assert_eq!(call.url.as_str(), "https://example.com/a?x=1&many=1&many=true&q=a%26b#f");
        assert_eq!(call.told(), "POST https://example.com/a");
        assert_eq!(header(&call, "authorization").as_deref(), Some("Bearer t"));
        assert_eq!(header(&call, "content-type").as_deref(), Some("application/json"));
        assert_eq!(header(&call, "idempotency-key").as_deref(), Some("run_1/n"));
        assert_eq!((header(&call, "x-one").as_deref(), header(&call, "x-null")), (Some("1"), None));
        assert_eq!(call.body.as_deref(), Some(&b"{\"b\":[1]}"[..]));
        assert!(call.expect.holds(302) && !call.expect.holds(200));
    }

    #[test]
    fn what_is_given_stays() {
        let call = read(json!({"url": "http://e/", "method": "PUT", "body": "<a/>", "headers": {"content-type": "text/xml", "Idempotency-Key": "k"}})).unwrap();
        assert_eq!(header(&call, "content-type").as_deref(), Some("text/xml"));
        assert_eq!(header(&call, "idempotency-key").as_deref(), Some("k"));
        assert_eq!(
            read(json!({"url": "http://e/", "json": null})).unwrap().body.as_deref(),
            Some(&b"null"[..])
        );
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let most = "x".repeat(1024 * 1024 + 1);
        for (config, said) in [
            (json!({}), "url"),
            (json!({"url": "http://e/", "bodi": 1}), "bodi"),
            (json!({"url": 1}), "string"),
            (json!({"url": "e/x"}), "cannot be read"),
            (json!({"url": "file:///etc/passwd"}), "neither http"),
            (json!({"url": "http://u:p@e/"}), "credentials"),
            (json!({"url": "http://e/", "method": "CONNECT"}), "`method`"),
            (json!({"url": "http://e/", "method": "get"}), "`method`"),
            (json!({"url": "http://e/", "headers": {"Host": "x"}}), "`Host` is not"),
            (json!({"url": "http://e/", "headers": {"Transfer-Encoding": "x"}}), "is not"),
            (json!({"url": "http://e/", "headers": {"a\nb": "x"}}), "valid name"),
            (json!({"url": "http://e/", "headers": {"a": "x\r\ny: z"}}), "control"),
            (json!({"url": "http://e/", "headers": {"a": "1", "A": "2"}}), "twice"),
            (json!({"url": "http://e/", "headers": {"a": []}}), "neither text"),
            (json!({"url": "http://e/", "headers": {"a": "x".repeat(66_000)}}), "64 KiB"),
            (json!({"url": "http://e/", "bearer": "t", "headers": {"Authorization": "x"}}), "both"),
            (json!({"url": "http://e/", "json": 1, "body": "x"}), "both"),
            (json!({"url": "http://e/", "body": most}), "at most"),
            (json!({"url": "http://e/", "query": {"q": {}}}), "query.q"),
            (json!({"url": format!("http://e/{}", "x".repeat(33_000))}), "32 KiB"),
            (json!({"url": "http://e/", "expect": 999}), "status"),
        ] {
            let Err(failure) = read(config.clone()) else { panic!("{said}: passes") };
            assert!(failure.message.contains(said) && !failure.retryable, "{said}: {failure}");
        }
    }
}
