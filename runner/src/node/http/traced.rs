//! The span of a call, and the header that lets the server go on with the trace.

use aob_engine::catalogue::HTTP_TIMEOUT;
use aob_telemetry::trace::{self, Begun, Kind, Span, SpanId};
use reqwest::Response;
use reqwest::header::HeaderValue;

use super::config::Call;
use crate::node::{Failure, Task};

/// The header of W3C's Trace Context.
const HEADER: &str = "traceparent";

/// A call of a traced run. Dropped without its end it was cut off.
pub(super) struct Traced(Option<Open>);

struct Open {
    run: String,
    id: SpanId,
    attempt: SpanId,
    begun: Begun,
    method: String,
    host: String,
    port: Option<u16>,
}

impl Traced {
    /// It begins: a server is told of the trace, unless the workflow sends a header of its own.
    pub(super) fn begin(task: &Task, call: &mut Call) -> Self {
        if !trace::is_on(&task.run) {
            return Self(None);
        }
        let attempt = trace::attempt(&task.run, &task.instance, &task.fence);
        let id = trace::within(attempt, "call", 0);
        let parent = trace::parent_header(trace::trace(&task.run), id);
        if let Ok(value) = HeaderValue::from_str(&parent) {
            call.headers.entry(HEADER).or_insert(value);
        }
        Self(Some(Open {
            run: task.run.clone(),
            id,
            attempt,
            begun: Span::begin(),
            method: call.method.to_string(),
            host: call.url.host_str().unwrap_or_default().to_owned(),
            port: call.url.port_or_known_default(),
        }))
    }

    /// It was answered, or was not.
    pub(super) fn end(mut self, result: &Result<Response, Failure>) {
        let Some(open) = self.0.take() else { return };
        match result {
            Ok(response) => {
                let status = response.status();
                let span =
                    open.span().with("http.response.status_code", u64::from(status.as_u16()));
                let failed = status.is_client_error() || status.is_server_error();
                trace::emit(if failed { span.failed(status.as_str()) } else { span });
            }
            Err(failure) => trace::emit(open.span().failed(&*failure.code)),
        }
    }
}

impl Open {
    /// Names are those of OpenTelemetry's conventions. The path may hold what is private, so it is not among them.
    fn span(self) -> Span {
        let Self { run, id, attempt, begun, method, host, port } = self;
        let span = begun
            .end(trace::trace(&run), id, Some(attempt), "http", Kind::Client)
            .with("http.request.method", &*method)
            .with("server.address", &*host)
            .with("aob.run.id", &*run);
        match port {
            Some(port) => span.with("server.port", u64::from(port)),
            None => span,
        }
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if let Some(open) = self.0.take() {
            trace::emit(open.span().failed(HTTP_TIMEOUT.name));
        }
    }
}
