//! How each provider is asked and how it answers: the three dialects, side by side.
//!
//! A dialect renders an [`Ask`] to the body of a request, and reads the events of the answer into an
//! `Assembly`. Nothing here knows of connections.

mod assembly;
mod chat;
mod family;
mod messages;
mod refusal;
mod render;
mod responses;
pub mod schema;

use bytes::Bytes;

use crate::ask::Ask;
use crate::error::Kind;
use crate::settings::{Dialect, Provider};
use crate::sse::Sent;

pub(crate) use assembly::Assembly;
pub use family::Family;
pub(crate) use refusal::refusal;

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) struct Rendered {
    /// After the base URL: `chat/completions`.
    pub(crate) path: &'static str,
    pub(crate) body: Bytes,
    /// How many bytes of the body are the same for every question with this prefix.
    pub(crate) prefix: usize,
    /// Whether it goes to the dialect's own provider.
    pub(crate) is_own: bool,
}

/// What an event means for the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// More comes.
    On,
    /// That was all, and it is whole.
    Done,
}

/// An event that ends the answer without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

impl Failed {
    fn not_understood(message: impl Into<String>) -> Self {
        Self { kind: Kind::NotUnderstood, message: message.into() }
    }
}

/// The request for a question; the reason if it is none.
pub(crate) fn render(name: &str, provider: &Provider, ask: &Ask) -> Result<Rendered, String> {
    render::check(ask)?;
    let family = Family::of(name, provider, &ask.model.model);
    match provider.dialect {
        Dialect::Chat => chat::render(ask, &family),
        Dialect::Responses => responses::render(ask, &family),
        Dialect::Messages => messages::render(ask, &family),
    }
}

/// Reads one event of an answer.
pub(crate) fn read(dialect: Dialect, sent: &Sent, into: &mut Assembly) -> Result<Step, Failed> {
    match dialect {
        Dialect::Chat => chat::read(sent, into),
        Dialect::Responses => responses::read(sent, into),
        Dialect::Messages => messages::read(sent, into),
    }
}

/// Whether a stream that ended by itself, but without its last event, is whole nevertheless.
pub(crate) fn may_end(dialect: Dialect, so_far: &Assembly) -> bool {
    // Some servers that speak Chat leave `[DONE]` out; after the reason and the usage nothing comes.
    dialect == Dialect::Chat && so_far.stop.is_some() && so_far.counted.is_whole
}

/// Headers that prove who asks.
pub(crate) fn proof(dialect: Dialect, is_own: bool, key: &str) -> Vec<(&'static str, String)> {
    let mut all = vec![("authorization", format!("Bearer {key}"))];
    // Anthropic takes a bearer since 2026; those who follow it often know the older header alone.
    if dialect == Dialect::Messages && !is_own {
        all.push(("x-api-key", key.to_owned()));
    }
    all
}

/// Headers that every question of a dialect has.
pub(crate) const fn headers(dialect: Dialect) -> &'static [(&'static str, &'static str)] {
    match dialect {
        Dialect::Chat | Dialect::Responses => &[],
        Dialect::Messages => &[("anthropic-version", "2023-06-01")],
    }
}
