//! One time that a question is sent, until its answer is whole or it is clear that none comes.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use crate::answer::Event;
use crate::ask::Prefix;
use crate::dialect::{self, Assembly, Rendered, Step};
use crate::error::Kind;
use crate::net::{self, NotSent, Pool};
use crate::retry;
use crate::settings::{Limits, Provider};
use crate::sse::Lines;

/// Bytes of a refusal that are read.
const REFUSAL: usize = 64 * 1024;
/// How long its rest is waited for.
const REFUSAL_TIME: Duration = Duration::from_secs(10);
/// Bytes of a stream for each byte of an answer: every piece is wrapped in JSON.
const WRAPPING: usize = 32;

/// What was learnt so far; it stays when the attempt is dropped.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) answer: Assembly,
    pub(crate) request_id: Option<String>,
    /// The question has left; from here on it may cost something.
    pub(crate) has_left: bool,
}

/// Why an attempt gave no answer.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    /// Whether it may have cost something. If not it may be sent again.
    pub(crate) may_cost: bool,
    /// Whether the provider did not look at it: another connection will do at once.
    pub(crate) was_not_taken: bool,
    /// What the provider says of another time.
    pub(crate) said: retry::Said,
}

impl Fault {
    fn new(kind: Kind, message: impl Into<String>, may_cost: bool) -> Self {
        let said = retry::Said::default();
        Self { kind, message: message.into(), may_cost, was_not_taken: false, said }
    }
}

/// What is the same for every time that a question is sent.
pub(crate) struct Call<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) pool: &'a Pool,
    pub(crate) limits: &'a Limits,
    pub(crate) rendered: &'a Rendered,
    pub(crate) prefix: &'a Prefix,
    /// The same each time, so that a provider that knows it does the work once.
    pub(crate) idempotency: &'a str,
    /// The header of W3C's Trace Context.
    pub(crate) traceparent: Option<&'a str>,
}

impl Call<'_> {
    /// Sends the question and reads the answer into `progress`.
    pub(crate) async fn attempt(
        &self,
        progress: &mut Progress,
        on_event: &mut (dyn FnMut(Event<'_>) + Send),
    ) -> Result<(), Fault> {
        let request = self.request().map_err(|why| Fault::new(Kind::Invalid, why, false))?;
        let sent = net::send(self.pool, request, self.limits.first_byte, &mut progress.has_left);
        // The place on the connection is kept until the answer has ended.
        let (response, _lease) = sent.await.map_err(fault)?;
        progress.request_id = request_id(response.headers());
        if response.status() != StatusCode::OK {
            return Err(refused(response).await);
        }
        on_event(Event::Begun { request_id: progress.request_id.as_deref() });
        self.stream(response, progress, on_event).await
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let Self { provider, rendered, .. } = self;
        let base = provider.base_url.as_str().trim_end_matches('/');
        let uri = Uri::try_from(format!("{base}/{}", rendered.path)).map_err(|e| e.to_string())?;
        let mut request = Request::new(Full::new(rendered.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("aob/", env!("CARGO_PKG_VERSION"))),
        );
        for (name, value) in dialect::headers(provider.dialect) {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        let mut put = |name: &str, value: &str, is_secret: bool| -> Result<(), String> {
            let name: HeaderName = name.parse().map_err(|_| format!("`{name}` is no header"))?;
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| format!("the value of `{name}` is none of a header"))?;
            value.set_sensitive(is_secret);
            headers.insert(name, value);
            Ok(())
        };
        put("idempotency-key", self.idempotency, false)?;
        if let Some(parent) = self.traceparent {
            put("traceparent", parent, false)?;
        }
        if let Some(key) = &provider.key {
            let (name, value) = dialect::proof(provider.dialect, key.text());
            put(name, &value, true)?;
        }
        for (name, value) in &provider.headers {
            put(name, value.text(), true)?;
        }
        Ok(request)
    }

    async fn stream(
        &self,
        response: Response<Incoming>,
        progress: &mut Progress,
        on_event: &mut (dyn FnMut(Event<'_>) + Send),
    ) -> Result<(), Fault> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            let kind = kind.map_or_else(|| "nothing said".to_owned(), |kind| format!("`{kind}`"));
            let message = format!("an answer that is no stream of events ({kind})");
            return Err(Fault::new(Kind::NotUnderstood, message, true));
        }
        let mut body = response.into_body();
        let (mut lines, mut events) = (Lines::default(), Vec::new());
        let mut bytes = 0;
        loop {
            let next = tokio::time::timeout(self.limits.between_events, body.frame()).await;
            let so_far = &mut progress.answer;
            let piece = match next {
                Err(_) => {
                    let longest = net::seconds(&self.limits.between_events);
                    let message = format!("nothing more came for {longest}");
                    return Err(Fault::new(Kind::Timeout, message, true));
                }
                Ok(None) if dialect::may_end(self.provider.dialect, so_far) => return Ok(()),
                Ok(None) => {
                    let message = "the answer ended before it was whole";
                    return Err(Fault::new(Kind::Cut, message, true));
                }
                Ok(Some(Err(error))) => {
                    let message = format!("the answer was cut off: {}", chain(&error));
                    return Err(Fault::new(Kind::Cut, message, true));
                }
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(piece) => piece,
                    Err(_) => continue,
                },
            };
            bytes += piece.len();
            lines
                .take(&piece, &mut events)
                .map_err(|error| Fault::new(Kind::NotUnderstood, error.to_string(), true))?;
            for sent in events.drain(..) {
                let had_begun = so_far.has_begun();
                let step = dialect::read(self.provider.dialect, &sent, so_far);
                so_far.tell(self.prefix, on_event);
                match step {
                    Ok(Step::On) => {}
                    Ok(Step::Done) => return Ok(()),
                    // An error before anything else: the provider had not begun.
                    Err(failed) => {
                        let may_cost = had_begun || failed.kind == Kind::NotUnderstood;
                        return Err(Fault::new(failed.kind, failed.message, may_cost));
                    }
                }
            }
            if so_far.size > self.limits.answer
                || bytes > self.limits.answer.saturating_mul(WRAPPING)
            {
                let message = format!("the answer is larger than {} bytes", self.limits.answer);
                return Err(Fault::new(Kind::NotUnderstood, message, true));
            }
        }
    }
}

fn fault(error: NotSent) -> Fault {
    let message = error.to_string();
    match error {
        NotSent::Unreachable(_) => Fault::new(Kind::Unreachable, message, false),
        NotSent::Full(_) => Fault::new(Kind::Overloaded, message, false),
        NotSent::Lost(_) => Fault::new(Kind::Cut, message, true),
        NotSent::Silent(_) => Fault::new(Kind::Timeout, message, true),
        NotSent::NotTaken => {
            Fault { was_not_taken: true, ..Fault::new(Kind::Unreachable, message, false) }
        }
    }
}

/// What a refusal says, in its status, its headers and its body.
async fn refused(response: Response<Incoming>) -> Fault {
    let (head, mut body) = response.into_parts();
    let status = head.status.as_u16();
    let mut text = Vec::new();
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(piece) = frame.into_data() else { continue };
            let room = REFUSAL.saturating_sub(text.len()).min(piece.len());
            text.extend_from_slice(piece.get(..room).unwrap_or_default());
            if text.len() >= REFUSAL {
                break;
            }
        }
    };
    // What came until then says enough, or nothing would.
    let _ = tokio::time::timeout(REFUSAL_TIME, read).await;
    let refusal = dialect::refusal(status, &text);
    let is_limit = refusal.kind == Kind::RateLimited;
    let said = retry::said(&head.headers, is_limit, jiff::Timestamp::now());
    let message = if refusal.message.is_empty() {
        format!("the provider answered {status}")
    } else {
        format!("the provider answered {status}: {}", refusal.message)
    };
    Fault { said, ..Fault::new(refusal.kind, message, refusal.may_cost) }
}

/// OpenAI's and Anthropic's names of it.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("x-request-id").or_else(|| headers.get("request-id"))?;
    let text = value.to_str().ok()?;
    Some(text.chars().take(128).collect())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(one) = source {
        words.push_str(": ");
        words.push_str(&one.to_string());
        source = one.source();
    }
    words
}
