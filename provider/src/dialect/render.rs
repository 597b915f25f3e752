//! What the dialects' requests have in common.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::answer::ToolCall;
use crate::ask::{Ask, Choice, Turn, canonical};

/// Turns of a question, at most.
const MOST_TURNS: usize = 4_096;

/// Whether a question can be asked at all.
pub(super) fn check(ask: &Ask) -> Result<(), String> {
    if !matches!(ask.turns.first(), Some(Turn::User(_))) {
        return Err("a conversation begins with a turn of the user".to_owned());
    }
    if ask.turns.iter().any(|turn| matches!(turn, Turn::User(text) if text.trim().is_empty())) {
        return Err("a turn of the user has no text".to_owned());
    }
    if ask.turns.len() > MOST_TURNS {
        return Err(format!("a conversation has at most {MOST_TURNS} turns"));
    }
    if ask.max_tokens == 0 {
        return Err("an answer needs at least one token".to_owned());
    }
    if let Some(output) = &ask.output {
        let is_plain = |one: char| one.is_ascii_alphanumeric() || one == '_' || one == '-';
        if output.name.is_empty() || output.name.len() > 64 || !output.name.chars().all(is_plain) {
            return Err("the output's name is 1 to 64 letters, digits, `_` or `-`".to_owned());
        }
        if !output.schema.is_object() {
            return Err("the output's schema is a JSON object".to_owned());
        }
    }
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for turn in &ask.turns {
        match turn {
            Turn::Results(results) => {
                for result in results {
                    if !open.remove(&*result.id) {
                        return Err(format!("no open call has the id of result `{}`", result.id));
                    }
                }
            }
            Turn::User(_) | Turn::Model { .. } => {}
        }
        if let Some(id) = open.first() {
            return Err(format!("the call `{id}` has no result in the turn after it"));
        }
        if let Turn::Model { calls, .. } = turn {
            for call in calls {
                if !open.insert(&call.id) {
                    return Err(format!("two calls of one turn have the id `{}`", call.id));
                }
            }
        }
    }
    match open.first() {
        Some(id) => Err(format!("the call `{id}` has no result in the turn after it")),
        None => Ok(()),
    }
}

/// Arguments as they are shown again. What was no object is shown as one that quotes it.
pub(super) fn shown(call: &ToolCall) -> Value {
    match &call.arguments {
        Ok(value) => value.clone(),
        Err(malformed) => json!({ "malformed": malformed.excerpt }),
    }
}

/// The tools that may be called, as the wire has their names; none if there is no such restriction.
pub(super) fn only<'a>(ask: &'a Ask) -> Option<Vec<&'a str>> {
    let Choice::Only(names) = &ask.choice else { return None };
    Some(names.iter().map(|name| ask.prefix.wire_name(name)).collect())
}

/// A body put together in a fixed order, so that it begins with the same bytes whenever what comes first is the same.
pub(super) struct Body(String);

impl Body {
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// One more field.
    pub(super) fn field(&mut self, name: &str, value: &Value) {
        self.open(name);
        self.0.push_str(&canonical(value));
    }

    /// A field whose value follows.
    pub(super) fn open(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    /// A value of the list that was opened; `[` opens it.
    pub(super) fn item(&mut self, value: &Value) {
        if !self.0.ends_with('[') {
            self.0.push(',');
        }
        self.0.push_str(&canonical(value));
    }

    pub(super) fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn end(mut self) -> bytes::Bytes {
        self.0.push('}');
        self.0.into()
    }
}
