//! A question to a model.

mod canonical;
mod prefix;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use canonical::canonical;
pub use prefix::{Example, Prefix, Tool};

use crate::answer::{ToolCall, Verbatim};

/// Longest key of a cache, in bytes.
const LONGEST_KEY: usize = 64;
/// Longest name of a provider or model, in bytes.
const LONGEST_NAME: usize = 256;

/// A question: what never changes first, then what changes less, so that caches fit.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who is asked.
    pub model: ModelName,
    /// The same bytes for every question of one agent of one workflow: instruction, tools, examples, policy.
    pub prefix: Arc<Prefix>,
    /// What is the same for all questions of one run: the graph's description. May be empty. No time, no id in it.
    pub context: String,
    /// The conversation. Begins with a [`Turn::User`].
    pub turns: Vec<Turn>,
    /// What the answer's text must be: JSON of this schema.
    pub output: Option<OutputSchema>,
    /// Which tools may be called now. Tools are restricted here, never by leaving one out of the prefix.
    pub choice: Choice,
    /// Most tokens of the answer, thoughts among them.
    pub max_tokens: u32,
    /// Whether writing to the provider's cache pays.
    pub cache: CachePlan,
    /// Groups questions that share a prefix, so that the provider sends them to one cache: a digest of workflow and
    /// node does. At most 64 bytes are sent.
    pub cache_key: String,
    /// Whether several tools may be called in one answer. Not where one of them patches.
    pub parallel: bool,
    /// Whose question this is, for traces.
    pub span: Option<Span>,
}

impl Ask {
    /// Whether another question will most likely go on from this one, so that its whole conversation is worth a cache:
    /// the model may call a tool, and its result is told to it.
    pub(crate) fn goes_on(&self) -> bool {
        !self.prefix.tools().is_empty() && self.choice != Choice::None
    }

    /// [`Ask::cache_key`], or a digest of it if it is too long.
    pub(crate) fn wire_cache_key(&self) -> String {
        if self.cache_key.len() <= LONGEST_KEY {
            return self.cache_key.clone();
        }
        HEXLOWER.encode(&Sha256::digest(&self.cache_key))
    }
}

impl ToolResult {
    /// The content, for dialects that have no field for failure.
    pub(crate) fn told(&self) -> String {
        if self.is_error { format!("Error: {}", self.content) } else { self.content.clone() }
    }
}

/// The attempt that a question belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The run's id.
    pub run: Arc<str>,
    /// The instance's path.
    pub instance: Arc<str>,
    /// The attempt's fence.
    pub fence: Arc<str>,
    /// Which question of this attempt it is, from 0.
    pub n: u64,
}

/// Whether a cache is written. Reading one is always free to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePlan {
    /// This prefix is asked once: a cache would be paid for and never read.
    Never,
    /// It is asked again within minutes: the second question has paid for it.
    Minutes,
    /// It is asked again within the hour, but not within minutes.
    Hour,
}

/// Which tools the model may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Any, or none.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// One of these, or none.
    Only(Vec<String>),
}

/// JSON that the answer's text must be.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputSchema {
    /// Letters, digits, `_`, `-`: `invoice_check`.
    pub name: String,
    /// A JSON Schema. What a provider cannot enforce is enforced by whoever asks: check the answer again.
    pub schema: Value,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Turn {
    /// What is asked, or told.
    User(String),
    /// What the model answered: [`crate::Answer::turn`].
    Model {
        /// Its text.
        text: String,
        /// Its calls; each needs a result in the next turn.
        calls: Vec<ToolCall>,
        /// Parts that the provider wants back as they were.
        verbatim: Option<Verbatim>,
    },
    /// What its calls gave.
    Results(Vec<ToolResult>),
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// [`ToolCall::id`].
    pub id: String,
    /// Text for the model, JSON or not.
    pub content: String,
    /// The tool failed, or was not called.
    pub is_error: bool,
}

/// `provider/model`: `openai/gpt-5.6`, `local/meta-llama/Llama-4`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelName {
    /// A provider of the settings.
    pub provider: String,
    /// What that provider calls the model.
    pub model: String,
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

/// A text that names no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a model is `provider/model`, without spaces, at most {LONGEST_NAME} bytes, like `openai/gpt-5.6`"
)]
pub struct NotAModel;

impl FromStr for ModelName {
    type Err = NotAModel;

    fn from_str(text: &str) -> Result<Self, NotAModel> {
        let (provider, model) = text.split_once('/').ok_or(NotAModel)?;
        let is_plain = |part: &str| {
            !part.is_empty()
                && part.chars().all(|one| one.is_ascii_graphic() && one != '"' && one != '\\')
        };
        if text.len() > LONGEST_NAME || !is_plain(provider) || !is_plain(model) {
            return Err(NotAModel);
        }
        Ok(Self { provider: provider.to_owned(), model: model.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_a_provider() {
        let name: ModelName = "local/meta-llama/Llama-4".parse().unwrap();
        assert_eq!((&*name.provider, &*name.model), ("local", "meta-llama/Llama-4"));
        assert_eq!(name.to_string(), "local/meta-llama/Llama-4");
        for bad in ["gpt-5.6", "/gpt", "openai/", "open ai/gpt", "openai/g\"pt", &"a/".repeat(200)]
        {
            assert_eq!(bad.parse::<ModelName>(), Err(NotAModel), "{bad}");
        }
    }
}
