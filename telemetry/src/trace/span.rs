//! One span.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{SpanId, TraceId};

/// Longest text of an attribute, in bytes.
const LONGEST: usize = 1_024;

/// What a span is to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Within this process.
    Internal = 1,
    /// Asked by another one.
    Server = 2,
    /// Asks another one.
    Client = 3,
}

/// An attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text, cut at 1 KiB.
    Text(String),
    /// A number.
    Number(i64),
}

/// Something that took a time, as part of a run's trace.
#[derive(Clone)]
pub struct Span {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    /// Few different ones: `commit`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Nanoseconds since 1970.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) attributes: Vec<(&'static str, Value)>,
    pub(super) links: Vec<(TraceId, SpanId)>,
    /// Why it failed.
    pub(super) error: Option<String>,
}

/// A span that has begun.
#[derive(Debug, Clone, Copy)]
pub struct Begun(SystemTime);

impl Span {
    /// What begins now, if it is a span at all in the end.
    pub fn begin() -> Begun {
        Begun(SystemTime::now())
    }

    /// With one more attribute.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// Also caused by a span that is not its parent.
    #[must_use]
    pub fn linked(mut self, trace: TraceId, span: SpanId) -> Self {
        self.links.push((trace, span));
        self
    }

    /// It failed.
    #[must_use]
    pub fn failed(mut self, why: impl Into<String>) -> Self {
        self.error = Some(cut(why.into()));
        self
    }
}

impl Begun {
    /// Ends it now.
    pub fn end(
        self,
        trace: TraceId,
        id: SpanId,
        parent: Option<SpanId>,
        name: &'static str,
        kind: Kind,
    ) -> Span {
        let start = nanos(self.0);
        let end = nanos(SystemTime::now()).max(start);
        let (attributes, links) = (Vec::new(), Vec::new());
        Span { trace, id, parent, name, kind, start, end, attributes, links, error: None }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(cut(text.to_owned()))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
