//! Traces: one for each run, whichever processes moved it, sent by OTLP over HTTP when
//! `OTEL_EXPORTER_OTLP_ENDPOINT` is set, and nothing else.
//!
//! No context is carried anywhere: ids follow from the run. Its trace is a digest of the run's id, the span of a
//! commit one of the run and the event's number, the span of an attempt one of the run, the instance and the fence.
//! So a process that has just begun knows the span of what another did before it was killed, and may name it.

mod export;
mod settings;
mod span;
mod wire;

use std::sync::OnceLock;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use export::Exporter;
use settings::Settings;

pub use span::{Begun, Kind, Span, Value};

/// A trace's id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

/// A span's id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpanId(pub [u8; 8]);

static EXPORTER: OnceLock<Exporter> = OnceLock::new();

/// Begins to send spans in the name of `service`, if the environment says where to. Within a runtime; the first call
/// wins.
///
/// # Errors
/// What the environment says wrong, in a sentence.
pub fn begin(service: &str) -> Result<(), String> {
    let Some(settings) = Settings::from_env(service, |name| std::env::var(name).ok())? else {
        return Ok(());
    };
    if EXPORTER.get().is_none() {
        let place = settings.place();
        drop(EXPORTER.set(Exporter::begin(settings)?));
        tracing::info!(place, "traces are sent");
    }
    Ok(())
}

/// Whether spans of a run are sent: not without a receiver, and not if the run is not among the sampled ones.
/// Every process says the same of a run.
pub fn is_on(run: &str) -> bool {
    EXPORTER.get().is_some_and(|exporter| exporter.samples(&trace(run)))
}

/// Sends a span before long. It never waits: when too many wait already it is dropped and counted.
pub fn emit(span: Span) {
    if let Some(exporter) = EXPORTER.get() {
        exporter.emit(span);
    }
}

/// Sends what waits, for at most so long.
pub async fn flush(longest: Duration) {
    if let Some(exporter) = EXPORTER.get() {
        exporter.flush(longest).await;
    }
}

/// The trace of a run.
pub fn trace(run: &str) -> TraceId {
    TraceId(digest(&["aob trace", run]))
}

/// The span of the commit that wrote event `n` of a run; the first is the root of its trace.
pub fn commit(run: &str, n: u64) -> SpanId {
    SpanId(digest(&["aob commit", run, &n.to_string()]))
}

/// The span of an attempt at an instance.
pub fn attempt(run: &str, instance: &str, fence: &str) -> SpanId {
    SpanId(digest(&["aob attempt", run, instance, fence]))
}

/// A span within another one: its `n`th of this name.
pub fn within(parent: SpanId, name: &str, n: u64) -> SpanId {
    SpanId(digest(&["aob within", &parent.to_string(), name, &n.to_string()]))
}

/// The header `traceparent` (W3C) of a call within a span.
pub fn parent_header(trace: TraceId, span: SpanId) -> String {
    format!("00-{trace}-{span}-01")
}

impl std::fmt::Display for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl std::fmt::Display for SpanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// The first bytes of a digest over parts that cannot run into one another.
fn digest<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let bytes = hash.finalize();
    let mut out = [0; N];
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_the_run_and_from_nothing_else() {
        let one = trace("run_1").to_string();
        assert_eq!(one, trace("run_1").to_string());
        assert_eq!(one.len(), 32);
        assert_ne!(one, trace("run_2").to_string());
        let spans = [
            commit("run_1", 1),
            commit("run_1", 11),
            commit("run_11", 1),
            attempt("run_1", "a", "1.1"),
            attempt("run_1", "a1", ".1"),
            within(commit("run_1", 1), "GET", 0),
        ];
        for (at, one) in spans.iter().enumerate() {
            assert!(spans[at + 1..].iter().all(|other| other.0 != one.0), "{at}");
        }
        let header = parent_header(trace("run_1"), commit("run_1", 1));
        assert_eq!((header.len(), &header[..3], &header[52..]), (55, "00-", "-01"));
    }
}
