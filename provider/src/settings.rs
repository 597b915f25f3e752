//! What the operator says of models: providers, keys, limits, prices.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use url::Url;

use crate::price::Prices;

/// Settings of [`crate::Models`].
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// By the name before the slash of a model.
    pub providers: BTreeMap<String, Provider>,
    /// What tokens cost.
    pub prices: Prices,
    /// How long and how much.
    pub limits: Limits,
}

/// One provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// What it speaks.
    pub dialect: Dialect,
    /// Where its API begins: `https://api.openai.com/v1`. Without TLS only on this machine.
    pub base_url: Url,
    /// Proves who asks. A provider on this machine may need none.
    pub key: Option<Key>,
    /// Sent with every question: `openai-organization`.
    pub headers: Vec<(String, Key)>,
    /// Certificates of authorities, in PEM, that it is trusted by, beside those of this machine.
    pub authorities: Vec<u8>,
}

/// What a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's Chat Completions; what "compatible" servers speak.
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Keeps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How long and how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until an answer begins.
    pub first_byte: Duration,
    /// Between two events of an answer.
    pub between_events: Duration,
    /// How often a question is sent again that certainly cost nothing.
    pub retries: u32,
    /// Longest wait for that; a provider that asks for more gets none, and the error says how long.
    pub longest_wait: Duration,
    /// Questions under way on one connection, at most; beyond that another one is opened.
    pub in_flight: usize,
    /// Connections to one provider, at most. Whoever asks beyond that waits.
    pub connections: usize,
    /// A connection that nothing used for so long is closed.
    pub idle: Duration,
    /// Bytes of one answer, at most.
    pub answer: usize,
    /// Bytes of one question, at most.
    pub question: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(120),
            between_events: Duration::from_secs(60),
            retries: 2,
            longest_wait: Duration::from_secs(20),
            in_flight: 80,
            connections: 16,
            idle: Duration::from_secs(90),
            answer: 8 * 1024 * 1024,
            question: 16 * 1024 * 1024,
        }
    }
}

/// Settings that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct SettingsError {
    /// `providers.local.base_url`.
    pub place: String,
    /// What is wrong and how to mend it.
    pub message: String,
}
