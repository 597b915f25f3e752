//! Takes the values of secrets out of what a node gives back.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde_json::Value;

use super::forms::{SHORTEST, forms};
use crate::node::Failure;

/// What stands where a secret was.
const STARS: &str = "***";
/// Deeper than anything read as JSON.
const DEPTH: usize = 256;

/// Hides the secrets of one task in outputs, errors and logs. Short values (under 8 bytes) are not hidden.
#[derive(Default)]
pub struct Redactor {
    /// By its first eight bytes, so that one pass over a text meets every pattern.
    patterns: HashMap<[u8; SHORTEST], Vec<String>>,
    longest: usize,
    tainted: BTreeSet<String>,
}

impl Redactor {
    pub(super) fn new(secrets: impl Iterator<Item = String>, tainted: BTreeSet<String>) -> Self {
        let mut patterns: HashMap<_, Vec<String>> = HashMap::new();
        let mut longest = 0;
        let all: BTreeSet<String> = secrets.flat_map(|secret| forms(&secret)).collect();
        for pattern in all {
            let Some(start) = pattern.as_bytes().first_chunk::<SHORTEST>() else { continue };
            longest = longest.max(pattern.len());
            patterns.entry(*start).or_default().push(pattern);
        }
        Self { patterns, longest, tainted }
    }

    /// `text` with every secret replaced by `***`.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let spans = self.spans(text);
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for (start, end) in spans {
            out.push_str(text.get(from..start).unwrap_or_default());
            out.push_str(STARS);
            from = end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// `value` with every string, key and number gone through as [`Redactor::text`] does.
    #[must_use]
    pub fn value(&self, value: Value) -> Value {
        self.value_at(value, 0)
    }

    /// `failure` with its code and message gone through.
    #[must_use]
    pub fn failure(&self, failure: Failure) -> Failure {
        let Failure { code, message, retryable } = failure;
        Failure {
            code: self.text(&code).into_owned(),
            message: self.text(&message).into_owned(),
            retryable,
        }
    }

    /// Whether the string at this JSON pointer of the task's input held a secret.
    #[must_use]
    pub fn came_from_secret(&self, pointer: &str) -> bool {
        self.tainted.contains(pointer)
    }

    /// Whether any string at or below this JSON pointer held a secret.
    #[must_use]
    pub fn any_below(&self, pointer: &str) -> bool {
        let inside = format!("{pointer}/");
        self.came_from_secret(pointer)
            || self
                .tainted
                .range(inside.clone()..)
                .next()
                .is_some_and(|first| first.starts_with(&inside))
    }

    /// The length of the longest text that is hidden, in bytes: how much a reader of a stream must hold
    /// beyond what it shows, so that no secret is cut in two.
    #[must_use]
    pub const fn longest(&self) -> usize {
        self.longest
    }

    /// Where secrets lie in `text`; those that overlap or touch are one, so that no part of either stays.
    fn spans(&self, text: &str) -> Vec<(usize, usize)> {
        let mut spans: Vec<(usize, usize)> = Vec::new();
        if self.patterns.is_empty() {
            return spans;
        }
        for (start, window) in text.as_bytes().windows(SHORTEST).enumerate() {
            let Some(found) =
                <&[u8; SHORTEST]>::try_from(window).ok().and_then(|first| self.patterns.get(first))
            else {
                continue;
            };
            let rest = text.get(start..).unwrap_or_default();
            let Some(length) = found
                .iter()
                .filter(|pattern| rest.starts_with(pattern.as_str()))
                .map(String::len)
                .max()
            else {
                continue;
            };
            match spans.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(start + length),
                _ => spans.push((start, start + length)),
            }
        }
        spans
    }

    fn value_at(&self, value: Value, depth: usize) -> Value {
        match value {
            _ if depth > DEPTH => Value::from(STARS),
            Value::String(text) => match self.text(&text) {
                Cow::Borrowed(_) => Value::String(text),
                Cow::Owned(hidden) => Value::String(hidden),
            },
            Value::Number(number) if !self.spans(&number.to_string()).is_empty() => {
                Value::from(STARS)
            }
            Value::Array(items) => {
                items.into_iter().map(|item| self.value_at(item, depth + 1)).collect()
            }
            Value::Object(fields) => fields
                .into_iter()
                .map(|(key, field)| (self.text(&key).into_owned(), self.value_at(field, depth + 1)))
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} patterns)", self.patterns.values().map(Vec::len).sum::<usize>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn hiding(secrets: &[&str]) -> Redactor {
        Redactor::new(secrets.iter().map(|&secret| secret.to_owned()), BTreeSet::new())
    }

    #[test]
    fn values_are_gone_through_to_the_last() {
        let redactor = hiding(&["hunter2-hunter2", "12345678"]);
        let value = json!({"a": ["x hunter2-hunter2 y", {"hunter2-hunter2": 1}], "n": 12345678, "m": 1234567, "f": 812345678.5});
        let expected = json!({"a": ["x *** y", {"***": 1}], "n": "***", "m": 1234567, "f": "***"});
        assert_eq!(redactor.value(value), expected);
        let failure =
            Failure { code: "x".into(), message: "no hunter2-hunter2".into(), retryable: true };
        assert_eq!(redactor.failure(failure).message, "no ***");
    }

    #[test]
    fn secrets_that_overlap_leave_nothing() {
        let redactor = hiding(&["abcdefgh", "efghijkl", "abcdefghXYZ"]);
        assert_eq!(redactor.text("-abcdefghijkl-abcdefghXYZ-abcdefghabcdefgh-"), "-***-***-***-");
        assert_eq!(hiding(&["aaaaaaaa"]).text("aaaaaaaaaaa b"), "*** b");
    }

    proptest! {
        /// Wherever it lies and however it is written, nothing is left that gives the secret away.
        #[test]
        fn no_form_of_a_secret_stays(
            secret in "[a-zA-Z0-9/+=<>&\"\\\\ äß🔑\n-]{8,40}",
            other in "[a-z]{8,12}",
            before in ".{0,12}",
            after in ".{0,12}",
            which in 0_usize..64,
        ) {
            prop_assume!(secret.len() >= 8 && !STARS.contains(&secret));
            let redactor = hiding(&[&secret, &other]);
            let all = forms(&secret);
            let form = &all[which % all.len()];
            let text = format!("{before}{form}{other}{after}");
            let hidden = redactor.text(&text);
            prop_assert!(!hidden.contains(form.as_str()), "{hidden}");
            prop_assert!(!hidden.contains(&other), "{hidden}");
            prop_assert!(redactor.text(&hidden) == hidden, "a second pass finds more in {hidden}");
            prop_assert!(form.len() <= redactor.longest());
        }

        /// What holds no secret is left as it is.
        #[test]
        fn other_text_stays(text in "[a-y ]{0,200}") {
            prop_assert_eq!(hiding(&["zzzzzzzzz"]).text(&text), text.as_str());
        }
    }
}
