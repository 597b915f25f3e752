//! What is counted and traced of questions, by OpenTelemetry's conventions for generative AI.
//!
//! The conventions are young and change: their names stand in this module and nowhere else. No text of a prompt or of an
//! answer is told, and what comes from outside is no label.

mod agent;
mod tool;

use std::time::{Duration, Instant};

use aob_telemetry::metrics::metrics;
use aob_telemetry::trace::{self, Begun, Kind as SpanKind, SpanId};

use crate::answer::Answer;
use crate::ask::{Ask, Span};
use crate::error::ModelError;
use crate::settings::{Dialect, Provider};

pub use agent::{INVOKED, invoked};
pub use tool::ToolSpan;

/// A question under way. Dropped without its end it was given up.
pub(crate) struct Measured {
    began: Instant,
    dialect: Dialect,
    /// If it is traced.
    span: Option<Open>,
    has_ended: bool,
}

struct Open {
    begun: Begun,
    of: Span,
    id: SpanId,
    provider: &'static str,
    model: String,
    max_tokens: u64,
    host: String,
    port: u16,
}

impl Measured {
    pub(crate) fn begin(ask: &Ask, provider: &Provider) -> Self {
        let span = ask.span.as_ref().filter(|span| trace::is_on(&span.run)).map(|span| {
            let attempt = trace::attempt(&span.run, &span.instance, &span.fence);
            Open {
                begun: trace::Span::begin(),
                of: span.clone(),
                id: trace::within(attempt, "chat", span.n),
                provider: name(&ask.model.provider, provider.dialect),
                model: ask.model.model.clone(),
                max_tokens: u64::from(ask.max_tokens),
                host: provider.base_url.host_str().unwrap_or_default().to_owned(),
                port: provider.base_url.port_or_known_default().unwrap_or(0),
            }
        });
        Self { began: Instant::now(), dialect: provider.dialect, span, has_ended: false }
    }

    /// Lets the provider go on with the trace.
    pub(crate) fn traceparent(&self) -> Option<String> {
        let open = self.span.as_ref()?;
        Some(trace::parent_header(trace::trace(&open.of.run), open.id))
    }

    /// It was answered, or was not; `first` is when its text began.
    pub(crate) fn end(mut self, result: &Result<Answer, ModelError>, first: Option<Duration>) {
        self.has_ended = true;
        let outcome = match result {
            Ok(_) => "answered",
            Err(error) => error.kind.name(),
        };
        let (spent, sent) = match result {
            Ok(answer) => (&answer.spent, answer.sent),
            Err(error) => (&error.spent, error.sent),
        };
        let dialect = self.dialect.name();
        metrics().model_calls.one([dialect, outcome]);
        metrics().model_sent.add([dialect], u64::from(sent));
        metrics().model_seconds.observe([dialect], self.began.elapsed());
        if let Some(first) = first {
            metrics().model_first_seconds.observe([dialect], first);
        }
        let usage = &spent.usage;
        let written = usage.written.saturating_add(usage.written_long);
        let tokens = [
            ("input", usage.input),
            ("cached", usage.cached),
            ("written", written),
            ("output", usage.output),
            ("reasoning", usage.reasoning),
        ];
        let how = if spent.is_exact { "said" } else { "at most" };
        for (kind, count) in tokens.into_iter().filter(|(_, count)| *count > 0) {
            metrics().model_tokens.add([dialect, kind, how], count);
        }
        if let Some(cost) = spent.cost {
            metrics().model_micros.add([dialect, how], cost.0);
        }
        let Some(open) = self.span.take() else { return };
        let span = open.end(first);
        let span = span
            .with("gen_ai.usage.input_tokens", usage.input)
            .with("gen_ai.usage.output_tokens", usage.output)
            .with("gen_ai.usage.cache_read.input_tokens", usage.cached)
            .with("gen_ai.usage.cache_creation.input_tokens", written)
            .with("gen_ai.usage.reasoning.output_tokens", usage.reasoning)
            .with("aob.model.sent", u64::from(sent))
            .with("aob.usage.is_exact", if spent.is_exact { "true" } else { "false" });
        let span = match spent.cost {
            Some(cost) => span.with("aob.usage.cost_micros", cost.0),
            None => span,
        };
        trace::emit(match result {
            Ok(answer) => span
                .with("gen_ai.response.id", &*answer.id)
                .with("gen_ai.response.model", &*answer.model)
                .with("gen_ai.response.finish_reasons", answer.stop.name()),
            Err(error) => span.with("error.type", error.kind.name()).failed(error.kind.name()),
        });
    }
}

impl Open {
    fn end(self, first: Option<Duration>) -> trace::Span {
        let trace_id = trace::trace(&self.of.run);
        let parent = trace::attempt(&self.of.run, &self.of.instance, &self.of.fence);
        let span = self
            .begun
            .end(trace_id, self.id, Some(parent), "chat", SpanKind::Client)
            .with("gen_ai.operation.name", "chat")
            .with("gen_ai.provider.name", self.provider)
            .with("gen_ai.request.model", &*self.model)
            .with("gen_ai.request.max_tokens", self.max_tokens)
            .with("gen_ai.request.stream", "true")
            .with("gen_ai.conversation.id", &*self.of.run)
            .with("gen_ai.agent.id", &*self.of.instance)
            .with("server.address", &*self.host)
            .with("server.port", u64::from(self.port));
        match first {
            Some(first) => {
                let millis = u64::try_from(first.as_millis()).unwrap_or(u64::MAX);
                span.with("aob.response.time_to_first_chunk_ms", millis)
            }
            None => span,
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        metrics().model_calls.one([self.dialect.name(), "left"]);
        if let Some(open) = self.span.take() {
            trace::emit(open.end(None).with("error.type", "left").failed("left"));
        }
    }
}

/// The conventions' name of a provider.
fn name(provider: &str, dialect: Dialect) -> &'static str {
    match (provider, dialect) {
        ("openai", _) => "openai",
        ("anthropic", _) => "anthropic",
        (_, Dialect::Chat | Dialect::Responses) => "openai_compatible",
        (_, Dialect::Messages) => "anthropic_compatible",
    }
}
