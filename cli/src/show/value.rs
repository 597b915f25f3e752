//! Values as data: JSON, or YAML that every reader reads the same.

use serde_json::Value;

use crate::arguments::Format;

/// A value in a format; without one JSON, indented for a person and compact for a program.
pub(crate) fn value(value: &Value, format: Option<Format>, person: bool) -> String {
    match format {
        Some(Format::Yaml) => yaml(value),
        Some(Format::Json) | None if person => format!("{value:#}"),
        Some(Format::Json) | None => value.to_string(),
    }
}

/// Block style, two spaces, strings in JSON's quotes wherever a reader could take them for something else.
pub(crate) fn yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Array(items) if !items.is_empty() => list(items, 0, &mut out),
        Value::Object(members) if !members.is_empty() => mapping(members, 0, &mut out),
        _ => out.push_str(&scalar(value)),
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn list(items: &[Value], depth: usize, out: &mut String) {
    for item in items {
        out.push_str(&"  ".repeat(depth));
        out.push('-');
        match item {
            Value::Array(inner) if !inner.is_empty() => {
                out.push('\n');
                list(inner, depth + 1, out);
            }
            Value::Object(inner) if !inner.is_empty() => {
                let mut block = String::new();
                mapping(inner, depth + 1, &mut block);
                out.push(' ');
                out.push_str(block.trim_start());
            }
            _ => line(item, out),
        }
    }
}

fn mapping(members: &serde_json::Map<String, Value>, depth: usize, out: &mut String) {
    for (key, member) in members {
        out.push_str(&"  ".repeat(depth));
        out.push_str(&string(key));
        out.push(':');
        match member {
            Value::Array(inner) if !inner.is_empty() => {
                out.push('\n');
                list(inner, depth + 1, out);
            }
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                mapping(inner, depth + 1, out);
            }
            _ => line(member, out),
        }
    }
}

fn line(value: &Value, out: &mut String) {
    out.push(' ');
    out.push_str(&scalar(value));
    out.push('\n');
}

/// Numbers and empty containers are written as in JSON, which YAML reads the same.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        other => other.to_string(),
    }
}

/// Plain only where it begins with a letter, holds nothing but harmless characters, and is no word that some
/// reader takes for a truth value, a null or a number.
fn string(text: &str) -> String {
    let harmless = |letter: char| letter.is_ascii_alphanumeric() || "_-./ ".contains(letter);
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];
    let plain = text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && !text.ends_with(' ')
        && text.len() <= 200
        && text.chars().all(harmless)
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { escaped(text) }
}

/// JSON's escapes, and also those characters that YAML forbids or reads as line ends.
fn escaped(text: &str) -> String {
    let json = Value::from(text).to_string();
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use aob_engine::read::{Limits, documents};
    use serde_json::{Value, json};

    use super::yaml;

    #[test]
    fn yaml_is_plain_where_it_may_be() {
        let value = json!({"greeting": "Hello, Ada!", "name": "Ada", "on": ["yes", "a b", 1, 2.5, null, true, {}, []], "deep": [{"x": 1, "y": [[1, 2], "2026-01-01"]}]});
        let shown = "\
deep:
  - x: 1
    \"y\":
      -
        - 1
        - 2
      - \"2026-01-01\"
greeting: \"Hello, Ada!\"
name: Ada
\"on\":
  - \"yes\"
  - a b
  - 1
  - 2.5
  - null
  - true
  - {}
  - []
";
        assert_eq!(yaml(&value), shown);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for value in [
            json!("x: y"),
            json!("- a"),
            json!(""),
            json!("\u{85}\u{2028}\u{1b}\"\\\n"),
            json!([[], [[]], {"": {"": []}}]),
            json!({"a": "1e3", "b": "0x1f", "c": "1:30", "d": "~", "e": " x", "f": "x ", "g": "x #y", "h": "<<", "i": "n"}),
            json!(-0.5),
            json!(9_007_199_254_740_991_u64),
            json!("😀 \u{feff}"),
        ] {
            let text = yaml(&value);
            let read = documents(text.as_bytes(), &Limits::default());
            let read: Vec<Value> = read
                .unwrap_or_else(|found| panic!("{text}: {found:?}"))
                .into_iter()
                .map(|one| one.value)
                .collect();
            assert_eq!(read, [value], "{text}");
        }
    }
}
