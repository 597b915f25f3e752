//! Which rule answers.

use std::sync::atomic::{AtomicU64, Ordering};

use regex::{Captures, Regex};
use serde_json::Value;

use super::{Fault, Prompt, Reply, Rule, Script};

/// Rules ready for use.
pub(super) struct Rules {
    all: Vec<Ready>,
}

struct Ready {
    rule: Rule,
    matches: Option<Regex>,
    system: Option<Regex>,
    used: AtomicU64,
}

impl Rules {
    /// Rules whose expressions are none fit nothing; [`Script::parse`] refuses them.
    pub(super) fn new(script: &Script) -> Self {
        let regex =
            |pattern: &Option<String>| pattern.as_deref().and_then(|text| Regex::new(text).ok());
        let all = script.rules.iter().filter_map(|rule| {
            let (matches, system) = (regex(&rule.matches), regex(&rule.system));
            let is_sound = matches.is_some() == rule.matches.is_some()
                && system.is_some() == rule.system.is_some();
            let rule = rule.clone();
            is_sound.then(|| Ready { rule, matches, system, used: AtomicU64::new(0) })
        });
        Self { all: all.collect() }
    }

    /// The answer of the first rule that fits, and what goes wrong with it.
    pub(super) fn answer(&self, prompt: &Prompt) -> Option<(Reply, Fault)> {
        self.all.iter().find_map(|ready| ready.answer(prompt))
    }
}

impl Ready {
    fn answer(&self, prompt: &Prompt) -> Option<(Reply, Fault)> {
        let Rule { after, times, reply, fault, .. } = &self.rule;
        if after.is_some() && *after != prompt.after {
            return None;
        }
        if self.system.as_ref().is_some_and(|system| !system.is_match(&prompt.system)) {
            return None;
        }
        let captures = match &self.matches {
            Some(matches) => Some(matches.captures(&prompt.last)?),
            None => None,
        };
        let most = times.unwrap_or(u64::MAX);
        // Two at once are two uses.
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                (used < most).then_some(used.saturating_add(1))
            })
            .ok()?;
        Some((filled(reply, captures.as_ref()), fault.clone()))
    }
}

/// With `{{1}}` and `{{name}}` replaced by what the groups of the condition matched.
fn filled(reply: &Reply, captures: Option<&Captures<'_>>) -> Reply {
    let Some(captures) = captures else { return reply.clone() };
    let mut reply = reply.clone();
    reply.text = fill(&reply.text, captures);
    for call in &mut reply.calls {
        fill_value(&mut call.arguments, captures);
        call.raw = call.raw.as_deref().map(|raw| fill(raw, captures));
    }
    reply
}

fn fill_value(value: &mut Value, captures: &Captures<'_>) {
    match value {
        Value::String(text) => *text = fill(text, captures),
        Value::Array(items) => items.iter_mut().for_each(|item| fill_value(item, captures)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill_value(field, captures)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn fill(text: &str, captures: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        let found = match name.trim().parse::<usize>() {
            Ok(number) => captures.get(number),
            Err(_) => captures.name(name.trim()),
        };
        match found {
            Some(found) => out.push_str(found.as_str()),
            None => out.push_str(&format!("{{{{{name}}}}}")),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}
