//! An answer while its pieces come.

use serde_json::Value;

use crate::answer::{Event, Malformed, Stop, ToolCall, Usage, Verbatim};
use crate::ask::Prefix;
use crate::settings::Dialect;

/// Bytes of malformed arguments that are quoted.
const EXCERPT: usize = 800;
/// Bytes of a name that a provider says.
const LONGEST_NAME: usize = 256;
/// Calls of one answer, at most.
const MOST_CALLS: usize = 128;

/// Pieces of an answer.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    pub(crate) text: String,
    pub(crate) calls: Vec<Part>,
    pub(crate) stop: Option<Stop>,
    pub(crate) counted: Counted,
    pub(crate) id: String,
    pub(crate) model: String,
    /// The answer's parts as the provider wants to see them again, by their place.
    pub(crate) verbatim: Vec<(u64, Value)>,
    /// Text that came with the event just read.
    pub(crate) news: Vec<News>,
    /// Bytes of text and arguments.
    pub(crate) size: usize,
    /// What it says is a refusal.
    pub(crate) is_refused: bool,
}

/// Something to tell whoever asked.
#[derive(Debug)]
pub(crate) enum News {
    Text(String),
    Call(String),
}

/// Tokens, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) usage: Usage,
    /// The provider has said how many tokens went in.
    pub(crate) has_input: bool,
    /// It has said all.
    pub(crate) is_whole: bool,
}

/// A call while it is written.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Which one it is, in the provider's counting.
    pub(crate) index: u64,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

impl Assembly {
    /// More text.
    pub(crate) fn text(&mut self, piece: &str) {
        if !piece.is_empty() {
            self.size += piece.len();
            self.text.push_str(piece);
            self.news.push(News::Text(piece.to_owned()));
        }
    }

    /// The call with this index, a new one if there is none; none if there are too many.
    pub(crate) fn call(&mut self, index: u64) -> Option<&mut Part> {
        let at = match self.calls.iter().position(|part| part.index == index) {
            Some(at) => at,
            None if self.calls.len() < MOST_CALLS => {
                self.calls.push(Part { index, ..Part::default() });
                self.calls.len() - 1
            }
            None => return None,
        };
        self.calls.get_mut(at)
    }

    /// Whether the provider has said anything yet, be it a name.
    pub(crate) fn has_begun(&self) -> bool {
        !self.id.is_empty() || self.size > 0 || !self.calls.is_empty() || self.counted.has_input
    }

    /// A call with this name begins.
    pub(crate) fn begun(&mut self, name: String) {
        self.news.push(News::Call(name));
    }

    /// The answer's id and its model, where they are said.
    pub(crate) fn name(&mut self, said: &Value) {
        for (to, field) in [(&mut self.id, "id"), (&mut self.model, "model")] {
            if let Some(text) = said.get(field).and_then(Value::as_str) {
                let end = text.floor_char_boundary(LONGEST_NAME);
                *to = text.get(..end).unwrap_or_default().to_owned();
            }
        }
    }

    /// Tells of news, and forgets them.
    pub(crate) fn tell(&mut self, prefix: &Prefix, on_event: &mut (dyn FnMut(Event<'_>) + Send)) {
        for one in self.news.drain(..) {
            match &one {
                News::Text(text) => on_event(Event::Text(text)),
                News::Call(name) => on_event(Event::Call { name: prefix.name_of(name) }),
            }
        }
    }

    /// The calls of a whole answer, under the names that their tools have here, and why it ended.
    pub(crate) fn calls(&self, prefix: &Prefix) -> (Vec<ToolCall>, Stop) {
        let stop = self.stop.unwrap_or(Stop::End);
        let mut calls: Vec<ToolCall> = self.calls.iter().map(|part| part.finish(prefix)).collect();
        match stop {
            // Whatever was being written when the tokens ran out is no call, though it may look like one.
            Stop::Length | Stop::Refused => calls.retain(|call| call.arguments.is_ok()),
            Stop::End | Stop::Tools => {}
        }
        let stop = match stop {
            Stop::End if !calls.is_empty() => Stop::Tools,
            Stop::Tools if calls.is_empty() => Stop::End,
            other => other,
        };
        (calls, stop)
    }

    /// What the provider wants to see again.
    pub(crate) fn verbatim(&mut self, dialect: Dialect) -> Option<Verbatim> {
        let mut all = std::mem::take(&mut self.verbatim);
        all.sort_by_key(|(place, _)| *place);
        let items: Vec<Value> = all.into_iter().map(|(_, item)| item).collect();
        // Without thoughts there is nothing that could not be said anew.
        let is_thought = |item: &Value| {
            let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
            matches!(kind, "reasoning" | "thinking" | "redacted_thinking")
        };
        items.iter().any(is_thought).then_some(Verbatim { dialect, items })
    }
}

impl Part {
    fn finish(&self, prefix: &Prefix) -> ToolCall {
        let id = if self.id.is_empty() { format!("call_{}", self.index) } else { self.id.clone() };
        let name = prefix.name_of(&self.name).to_owned();
        ToolCall { id, name, arguments: arguments(&self.arguments) }
    }
}

/// Arguments as an object. None written is an empty one, as tools without parameters are called so.
pub(super) fn arguments(text: &str) -> Result<Value, Malformed> {
    if text.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Malformed { why: "not a JSON object".to_owned(), excerpt: excerpt(text) }),
        Err(error) => Err(Malformed { why: error.to_string(), excerpt: excerpt(text) }),
    }
}

fn excerpt(text: &str) -> String {
    if text.len() <= EXCERPT {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(EXCERPT / 2);
    let tail = text.ceil_char_boundary(text.len() - EXCERPT / 2);
    format!("{} ... {}", text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_is_arguments() {
        assert_eq!(arguments(" "), Ok(serde_json::json!({})));
        assert_eq!(arguments("{\"a\": 1}\n"), Ok(serde_json::json!({"a": 1})));
        for bad in ["{\"a\": ", "[1]", "\"{}\"", "{} {}", "null", "{'a': 1}"] {
            assert!(arguments(bad).is_err(), "{bad}");
        }
        let long = arguments(&format!("{{\"a\": \"{}", "\u{fc}".repeat(5_000))).unwrap_err();
        assert!(long.excerpt.len() < 820 && long.why.starts_with("EOF"), "{long:?}");
    }
}
