//! What a model answered, and what it cost.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ask::Turn;
use crate::error::Kind;
use crate::price::Micros;
use crate::settings::Dialect;

/// A whole answer. There is none for a stream that was cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What it says, all text parts in their order.
    pub text: String,
    /// Tools that it wants called, in its order. Only of a stream that ended as it should: never half a call.
    pub calls: Vec<ToolCall>,
    /// Why it ended.
    pub stop: Stop,
    /// What this answer used and cost.
    pub spent: Spent,
    /// The model that answered, as the provider names it. Outside text.
    pub model: String,
    /// The provider's id of the answer. Outside text.
    pub id: String,
    /// The provider's id of the request, for its support.
    pub request_id: Option<String>,
    /// How often the question was sent; those before the last cost nothing.
    pub sent: u32,
    /// Parts that the provider wants to see again as they were (signed thoughts), for [`Answer::turn`].
    pub verbatim: Option<Verbatim>,
}

/// Parts of an answer as its provider wrote them. Whoever speaks another dialect is not shown them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verbatim {
    pub(crate) dialect: Dialect,
    pub(crate) items: Vec<Value>,
}

impl Answer {
    /// The answer as a turn of the conversation; the results of its calls follow it.
    pub fn turn(&self) -> Turn {
        Turn::Model {
            text: self.text.clone(),
            calls: self.calls.clone(),
            verbatim: self.verbatim.clone(),
        }
    }
}

/// A tool that the model wants called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What its result is to name.
    pub id: String,
    /// The tool's name, as the model wrote it: it may be none that it was given.
    pub name: String,
    /// The arguments: a JSON object, or what was written instead. Never call a tool on the latter: answer this id
    /// with a result that is an error.
    pub arguments: Result<Value, Malformed>,
}

/// Arguments that are no JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Malformed {
    /// What is wrong: `EOF while parsing a string at line 1 column 9`.
    pub why: String,
    /// The text, its middle cut out beyond 800 bytes.
    pub excerpt: String,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It was finished.
    End,
    /// It waits for results of its calls.
    Tools,
    /// `max_tokens`, or the model's context, were used up. Calls that were not written whole are left out.
    Length,
    /// The model, or the provider's filter, refused to go on.
    Refused,
}

impl Stop {
    /// `end`, `tools`, `length`, `refused`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Tools => "tools",
            Self::Length => "length",
            Self::Refused => "refused",
        }
    }
}

/// Tokens, counted in one way for all providers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// All tokens in, those read from a cache and those written to one among them.
    pub input: u64,
    /// Of these, read from a cache.
    pub cached: u64,
    /// Of these, written to a cache that lives some minutes.
    pub written: u64,
    /// Of these, written to a cache that lives an hour.
    pub written_long: u64,
    /// All tokens out, thoughts among them.
    pub output: u64,
    /// Of these, thoughts.
    pub reasoning: u64,
}

impl Usage {
    /// Tokens in and out.
    pub const fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// What a question cost, or may have cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens.
    pub usage: Usage,
    /// Their price, rounded up; nothing if the model has no price.
    pub cost: Option<Micros>,
    /// Whether the provider said so itself. Else it is the most that it can have been: the answer was cut before its
    /// usage came, or nobody knows whether the provider began.
    pub is_exact: bool,
}

impl Spent {
    /// Certainly nothing: the provider refused, or was never reached.
    pub const NOTHING: Self = Self {
        usage: Usage { input: 0, cached: 0, written: 0, written_long: 0, output: 0, reasoning: 0 },
        cost: Some(Micros(0)),
        is_exact: true,
    };
}

/// What happens while an answer comes.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// The provider began to answer.
    Begun {
        /// Its id of the request.
        request_id: Option<&'a str>,
    },
    /// More text. It is only worth something once the whole answer has come.
    Text(&'a str),
    /// A call begins to be written; whether it will be whole is not known yet.
    Call {
        /// The tool's name.
        name: &'a str,
    },
    /// What was sent cost nothing and is sent again after this time.
    Again {
        /// Why.
        kind: Kind,
        /// After how long.
        after: std::time::Duration,
    },
}
