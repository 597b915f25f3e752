//! Language models: one question, one answer, whatever the provider's dialect.
//!
//! An [`Ask`] is rendered in the dialect of its provider (OpenAI's Chat Completions and Responses, Anthropic's
//! Messages), sent over a pooled connection, and its stream is put together to an [`Answer`]. [`Models::ask`] sends
//! again what certainly cost nothing; it gives up with a [`ModelError`] that says what may have been spent as soon as
//! it may have cost something. So one call of it is at most one bill, and whoever keeps the books reserves
//! [`Models::estimate`] before it and settles [`Spent`] after it, whatever came of it.
//!
//! [`script`] is a server that speaks the same dialects without any model: for tests and for the demo.

#![expect(
    clippy::result_large_err,
    reason = "an error says what was spent; it is rare beside the wait for an answer"
)]

pub mod answer;
pub mod ask;
mod attempt;
pub mod dialect;
pub mod error;
mod measure;
mod models;
mod net;
pub mod price;
mod retry;
pub mod script;
pub mod settings;
mod sse;

pub use answer::{Answer, Event, Malformed, Spent, Stop, ToolCall, Usage, Verbatim};
pub use ask::{
    Ask, CachePlan, Choice, Example, ModelName, OutputSchema, Prefix, Span, Tool, ToolResult, Turn,
};
pub use error::{Kind, ModelError};
pub use measure::{INVOKED, ToolSpan, invoked};
pub use models::{Models, prefix_bytes};
pub use price::{Estimate, Micros, Price, Prices};
pub use settings::{Dialect, Key, Limits, Provider, Settings, SettingsError};
