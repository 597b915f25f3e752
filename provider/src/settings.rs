//! What the operator says of models: providers, keys, limits, prices.

mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

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
    /// Whether it speaks HTTP/2 without TLS, known beforehand. With TLS both sides agree on it.
    pub is_http2: bool,
}

impl Provider {
    /// One without a key.
    pub const fn new(dialect: Dialect, base_url: Url) -> Self {
        Self {
            dialect,
            base_url,
            key: None,
            headers: Vec::new(),
            authorities: Vec::new(),
            is_http2: false,
        }
    }

    /// With a key.
    #[must_use]
    pub fn with_key(self, key: Key) -> Self {
        Self { key: Some(key), ..self }
    }

    /// What stands against it: the field, and why.
    fn faults(&self) -> Option<(&'static str, String)> {
        let url = &self.base_url;
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Some(("base_url", "an address needs a host".to_owned())),
        };
        match url.scheme() {
            "https" => {}
            "http" if is_here => {}
            "http" => {
                let why = "keys and prompts go to another machine with TLS only: write https://";
                return Some(("base_url", why.to_owned()));
            }
            _ => return Some(("base_url", "an address begins with https://".to_owned())),
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Some(("base_url", "an address has no query, fragment or user".to_owned()));
        }
        let is_value = |key: &Key| http::HeaderValue::from_str(key.text()).is_ok();
        if self.key.as_ref().is_some_and(|key| key.text().is_empty() || !is_value(key)) {
            return Some(("key", "a key is one line of printable characters".to_owned()));
        }
        for (name, value) in &self.headers {
            if http::HeaderName::from_bytes(name.as_bytes()).is_err() || !is_value(value) {
                return Some(("headers", format!("`{name}` is no header with one line")));
            }
        }
        None
    }
}

impl Settings {
    /// The first setting that cannot be.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        for (name, provider) in &self.providers {
            let is_plain = |one: char| one.is_ascii_alphanumeric() || "-_.".contains(one);
            if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
                let message = "a provider's name is letters, digits, `-`, `_`, `.`, at most 64";
                return Err(SettingsError::new("providers", message));
            }
            if let Some((field, why)) = provider.faults() {
                return Err(SettingsError::new(format!("providers.{name}.{field}"), why));
            }
        }
        let Limits { in_flight, connections, answer, question, .. } = &self.limits;
        if [in_flight, connections, answer, question].into_iter().any(|limit| *limit == 0) {
            return Err(SettingsError::new("limits", "no limit may be 0"));
        }
        Ok(())
    }
}

/// What a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI's Chat Completions; what "compatible" servers speak.
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
}

impl Dialect {
    /// `chat`, `responses`, `messages`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Messages => "messages",
        }
    }
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
            connections: 64,
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

impl SettingsError {
    pub(crate) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

#[cfg(test)]
mod tests;
