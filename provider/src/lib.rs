//! Language models: one question, one answer, whatever the provider's dialect.
//!
//! An [`Ask`] is rendered in the dialect of its provider (OpenAI's Chat Completions and Responses, Anthropic's
//! Messages), sent over a pooled connection, and its stream is put together to an [`Answer`]. [`Models::ask`] sends
//! again what certainly cost nothing; it gives up with a [`ModelError`] that says what may have been spent as soon as
//! it may have cost something. So one call of it is at most one bill, and whoever keeps the books reserves
//! [`Models::estimate`] before it and settles [`Spent`] after it, whatever came of it.
//!
//! [`script`] is a server that speaks the same dialects without any model: for tests and for the demo.

pub mod answer;
pub mod ask;
pub mod error;
pub mod price;
pub mod settings;

pub use answer::{Answer, Event, Malformed, Spent, Stop, ToolCall, Usage};
pub use ask::{
    Ask, CachePlan, Choice, Example, ModelName, OutputSchema, Prefix, Tool, ToolResult, Turn,
};
pub use error::{Kind, ModelError};
pub use price::{Estimate, Micros, Price, Prices};
pub use settings::{Dialect, Key, Limits, Provider, Settings, SettingsError};

use std::sync::Arc;

/// Everybody who can be asked. Cheap to clone; connections are shared by all clones.
#[derive(Clone)]
pub struct Models(#[allow(dead_code)] Arc<Settings>);

impl Models {
    /// Models as the settings have them.
    ///
    /// # Errors
    /// The setting that cannot be.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        Ok(Self(Arc::new(settings)))
    }

    /// What `ask` may use and cost at most: reserve it before asking.
    ///
    /// # Errors
    /// Of the kinds that are known without asking: unknown provider, a question that is none.
    pub fn estimate(&self, ask: &Ask) -> Result<Estimate, ModelError> {
        todo!("{}", ask.model)
    }

    /// Asks, and asks again while that certainly cost nothing; at most one of the times is billed. When `cancelled`
    /// comes first, the stream is closed, and the error says what may have been spent until then. A future that is
    /// dropped closes the stream too, but nobody is told what it cost: book the estimate.
    ///
    /// # Errors
    /// As [`Kind`] lists them.
    pub async fn ask(
        &self,
        ask: &Ask,
        cancelled: impl Future<Output = ()> + Send,
        on_event: impl FnMut(Event<'_>) + Send,
    ) -> Result<Answer, ModelError> {
        let _ = (cancelled, on_event);
        todo!("{}", ask.model)
    }
}
