//! A server that answers like a model provider, by a script instead of a model.
//!
//! It speaks all dialects over HTTP/1.1 and HTTP/2, counts cached tokens as providers do, and fails in every way that
//! a rule asks for. Whatever it answers is labelled: its model is named `...+scripted`, and every response has the
//! header `x-aob-scripted`.

mod cache;
mod chance;
mod plan;
mod prompt;
mod read;
mod serve;
mod speak;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

pub use prompt::Prompt;
pub use read::BadScript;
pub use serve::{Asked, Server};

/// The header that every response has.
pub const LABEL: &str = "x-aob-scripted";

/// What the server answers to what: the first rule that fits.
#[derive(Clone, Default)]
pub struct Script {
    pub(crate) rules: Vec<Rule>,
    pub(crate) answer: Option<Arc<Answers>>,
    pub(crate) key: Option<String>,
    /// Tokens that a cached prefix has at least.
    pub(crate) shortest_cached: u64,
    /// Microseconds before an answer begins, for each token that is in no cache.
    pub(crate) micros_per_token: u64,
}

/// Answers that are computed.
type Answers = dyn Fn(&Prompt) -> Option<(Reply, Fault)> + Send + Sync;

/// One rule. Without any condition it fits always.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// A regular expression for the text of the last turn, what the user said or what tools gave. What its groups
    /// match stands for `{{1}}` or `{{name}}` in the answer.
    pub matches: Option<String>,
    /// A regular expression for the instruction.
    pub system: Option<String>,
    /// The last turn is the result of this tool.
    pub after: Option<String>,
    /// How often the rule is used; always without it.
    pub times: Option<u64>,
    /// What is answered.
    pub reply: Reply,
    /// What goes wrong.
    pub fault: Fault,
}

/// An answer.
#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Reply {
    /// Its text.
    pub text: String,
    /// Its calls.
    pub calls: Vec<Call>,
    /// Why it ends: `end`, `tools`, `length`, `refused`. By its calls without it.
    pub stop: Option<String>,
    /// A thought before it, which is wanted back.
    pub thought: String,
}

/// A call of a tool.
#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Call {
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
    /// What is written in their place, be it JSON or not.
    pub raw: Option<String>,
}

/// What goes wrong with an answer. Events are counted from 1, as they are sent.
#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// A refusal with this status, these headers and this body.
    pub status: Option<u16>,
    /// Headers, also of an answer that is none.
    pub headers: BTreeMap<String, String>,
    /// The body of a refusal; one in the dialect's form without it.
    pub body: Option<String>,
    /// The dialect's name of the error: `overloaded_error`, `rate_limit_exceeded`.
    pub error: Option<String>,
    /// The answer begins when so many questions wait for theirs.
    pub gather: Option<u64>,
    /// Milliseconds before the answer begins.
    pub before_ms: u64,
    /// Milliseconds before each event.
    pub between_ms: u64,
    /// The stream is torn after so many bytes.
    pub cut_at_byte: Option<usize>,
    /// The stream ends as if it were whole after so many bytes.
    pub end_at_byte: Option<usize>,
    /// An error takes the place of what follows this event.
    pub error_after: Option<usize>,
    /// Nothing more comes after this event, and the stream stays open.
    pub silent_after: Option<usize>,
    /// After this event the server says that it will close the connection (GOAWAY); the answer goes on.
    pub goaway_after: Option<usize>,
    /// The connection is closed at once, before any answer.
    pub drop_connection: bool,
}

impl Script {
    /// Answers by rules, the first that fits.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules, shortest_cached: 1_024, ..Self::default() }
    }

    /// Answers by a function; what it leaves open goes on to the rules.
    pub fn by(answer: impl Fn(&Prompt) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self::with_faults(move |prompt| Some((answer(prompt)?, Fault::default())))
    }

    /// As [`Script::by`], with what goes wrong.
    pub fn with_faults(
        answer: impl Fn(&Prompt) -> Option<(Reply, Fault)> + Send + Sync + 'static,
    ) -> Self {
        Self { answer: Some(Arc::new(answer)), ..Self::new(Vec::new()) }
    }

    /// These rules for what the function leaves open.
    #[must_use]
    pub fn or(self, rules: Vec<Rule>) -> Self {
        Self { rules, ..self }
    }

    /// Whoever asks must have this key.
    #[must_use]
    pub fn with_key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// It takes so many microseconds to read a token that is in no cache.
    #[must_use]
    pub fn reading(self, micros_per_token: u64) -> Self {
        Self { micros_per_token, ..self }
    }
}

impl Rule {
    /// Always this answer.
    pub fn always(reply: Reply) -> Self {
        Self { reply, ..Self::default() }
    }

    /// This answer if the last turn matches.
    pub fn when(matches: &str, reply: Reply) -> Self {
        Self { matches: Some(matches.to_owned()), reply, ..Self::default() }
    }

    /// Only so often.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    /// And this goes wrong.
    #[must_use]
    pub fn with(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }
}

impl Reply {
    /// Text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// With a call.
    #[must_use]
    pub fn calling(mut self, name: &str, arguments: Value) -> Self {
        self.calls.push(Call { name: name.to_owned(), arguments, raw: None });
        self
    }

    /// With a call whose arguments are this text.
    #[must_use]
    pub fn calling_raw(mut self, name: &str, raw: &str) -> Self {
        let raw = Some(raw.to_owned());
        self.calls.push(Call { name: name.to_owned(), arguments: Value::Null, raw });
        self
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("rules", &self.rules).finish_non_exhaustive()
    }
}
