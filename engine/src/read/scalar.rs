//! What a plain scalar is worth, or why it is refused.

use super::schemas::{Meaning, kubectl, yaml_1_1, yaml_1_2};
use crate::catalogue::{ALIAS, BAD_KEY, BAD_NUMBER, YAML_AMBIGUOUS};
use crate::issue::{Issue, excerpt};
use serde_json::Value;

/// 2^53 - 1: up to here every reader of JSON keeps an integer as it is.
pub(super) const MOST_INTEGER: i64 = (1 << 53) - 1;

/// The value of a plain scalar, or the finding that refuses it (its pointer still empty).
pub(super) fn plain(text: &str) -> Result<Value, Issue> {
    let (old, new) = (yaml_1_1(text), yaml_1_2(text));
    // A number that nobody can keep is that, whatever kubectl makes of it.
    let value = if old == new { Some(value(text, new)?) } else { None };
    match value {
        Some(Value::Number(number)) if leading_zero(text) => Err(zero(text, &number)),
        Some(value) if kubectl(text) == new => Ok(value),
        _ => Err(ambiguous(text)),
    }
}

/// Judges a plain scalar as a key: it must be a string to every reader.
pub(super) fn plain_key(text: &str) -> Result<(), Issue> {
    if text == "<<" {
        return Err(Issue::new(
            &ALIAS,
            "",
            "`<<` is a merge key in YAML 1.1 and a plain key in YAML 1.2",
        )
        .remedy("Write the keys out; quote it, `\"<<\"`, if a key of that name is meant."));
    }
    match plain(text) {
        Ok(Value::String(_)) => Ok(()),
        Ok(_) if text.is_empty() => {
            Err(Issue::new(&BAD_KEY, "", "the key is empty").remedy("Write a key before the `:`."))
        }
        Err(issue) if issue.entry.code != BAD_NUMBER.code => Err(issue),
        Ok(_) | Err(_) => {
            let shown = excerpt(text);
            let meaning = describe(yaml_1_2(text));
            Err(Issue::new(&BAD_KEY, "", format!("the key `{shown}` is {meaning}, not a string"))
                .remedy(format!("Quote it: `{}`.", quoted(text))))
        }
    }
}

/// An integer that was written without point and exponent; nothing where its digits did not fit.
pub(super) fn integer(text: &str, value: Option<i64>) -> Result<Value, Issue> {
    match value {
        Some(value) if value.unsigned_abs() <= MOST_INTEGER.unsigned_abs() => Ok(value.into()),
        _ => Err(Issue::new(
            &BAD_NUMBER,
            "",
            format!("the integer {} is beyond 2^53 - 1", excerpt(text)),
        )),
    }
}

/// Any other number.
pub(super) fn float(text: &str, value: f64) -> Result<Value, Issue> {
    serde_json::Number::from_f64(value).map(Value::Number).ok_or_else(|| {
        Issue::new(&BAD_NUMBER, "", format!("`{}` is not a finite number", excerpt(text)))
    })
}

fn value(text: &str, meaning: Meaning) -> Result<Value, Issue> {
    match meaning {
        Meaning::Null => Ok(Value::Null),
        Meaning::Bool(value) => Ok(value.into()),
        Meaning::Int(value) => integer(text, value),
        Meaning::Float(value) => float(text, value),
        Meaning::Moment | Meaning::Merge | Meaning::Default | Meaning::Text => Ok(text.into()),
    }
}

fn ambiguous(text: &str) -> Issue {
    let shown = excerpt(text);
    let readings =
        [("YAML 1.1", yaml_1_1(text)), ("YAML 1.2", yaml_1_2(text)), ("kubectl", kubectl(text))];
    // kubectl is worth naming only where it sides with neither of the two.
    let sides = readings[..2].iter().any(|(_, meaning)| *meaning == readings[2].1);
    let named = if sides { &readings[..2] } else { &readings[..] };
    let told: Vec<String> =
        named.iter().map(|(who, meaning)| format!("{} to {who}", describe(*meaning))).collect();
    let (last, first) = told
        .split_last()
        .map_or((String::new(), String::new()), |(last, rest)| (last.clone(), rest.join(", ")));
    let mut remedy = format!("Write `{}` if the string is meant", quoted(text));
    let mut offered = Vec::new();
    for (_, meaning) in readings {
        if let Some(plainly) = unambiguous(meaning)
            && !offered.contains(&plainly)
        {
            remedy = format!(
                "{remedy}, `{plainly}` if the {} is",
                if plainly.parse::<f64>().is_ok() { "number" } else { "truth value" }
            );
            offered.push(plainly);
        }
    }
    Issue::new(&YAML_AMBIGUOUS, "", format!("`{shown}` is {first} and {last}")).remedy(remedy + ".")
}

/// `07` is 7 to all, by luck; `010` and `08` are not, so that none of them is written.
fn leading_zero(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn zero(text: &str, number: &serde_json::Number) -> Issue {
    let message =
        format!("`{}` begins with a zero: octal to YAML 1.1, decimal to YAML 1.2", excerpt(text));
    Issue::new(&YAML_AMBIGUOUS, "", message).remedy(format!(
        "Write `{}` if the string is meant, `{number}` if the number is.",
        quoted(text)
    ))
}

fn describe(meaning: Meaning) -> String {
    match meaning {
        Meaning::Null => "null".to_owned(),
        Meaning::Bool(value) => value.to_string(),
        Meaning::Int(Some(value)) => format!("the number {value}"),
        Meaning::Int(None) => "a very large number".to_owned(),
        Meaning::Float(value) if value.is_finite() => format!("the number {}", decimal(value)),
        Meaning::Float(_) => "a number that is not finite".to_owned(),
        Meaning::Moment => "a date".to_owned(),
        Meaning::Merge => "a merge key".to_owned(),
        Meaning::Default => "the default key".to_owned(),
        Meaning::Text => "a string".to_owned(),
    }
}

/// How the same value is written so that all readers agree.
fn unambiguous(meaning: Meaning) -> Option<String> {
    match meaning {
        Meaning::Bool(value) => Some(value.to_string()),
        Meaning::Int(Some(value)) => Some(value.to_string()),
        Meaning::Float(value) if value.is_finite() => Some(decimal(value)),
        _ => None,
    }
}

/// The shortest digits; beyond what one writes out, with the point and the sign that YAML 1.1 asks for.
fn decimal(value: f64) -> String {
    if value == 0.0 || (1e-6..1e15).contains(&value.abs()) {
        return value.to_string();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", excerpt(text).replace('\\', "\\\\").replace('"', "\\\""))
}
