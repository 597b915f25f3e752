//! Tags: those of the core schema, written out, and no others.

use super::scalar;
use crate::catalogue::BAD_TAG;
use crate::issue::{Issue, excerpt};
use saphyr_parser::Tag;
use serde_json::Value;

/// The value of a scalar with this tag, or the finding that refuses it (its pointer still empty).
pub(super) fn scalar(tag: &Tag, text: &str) -> Result<Value, Issue> {
    let name = core(tag);
    if name == Some("str") {
        return Ok(text.into());
    }
    if !matches!(name, Some("null" | "bool" | "int" | "float")) {
        return Err(refusal(tag));
    }
    let value = scalar::plain(text)?;
    match (name, &value) {
        (Some("null"), Value::Null) | (Some("bool"), Value::Bool(_)) => Ok(value),
        (Some("int"), Value::Number(number)) if number.is_i64() => Ok(value),
        (Some("float"), Value::Number(number)) => {
            scalar::float(text, number.as_f64().unwrap_or(f64::NAN))
        }
        _ => {
            let message =
                format!("`{}` is no {} as its tag says", excerpt(text), name.unwrap_or_default());
            Err(Issue::new(&BAD_TAG, "", message)
                .remedy("Remove the tag, or write a value that fits it."))
        }
    }
}

/// Judges the tag of a list (`seq`) or mapping (`map`).
pub(super) fn container(tag: &Tag, wanted: &str) -> Result<(), Issue> {
    if core(tag) == Some(wanted) { Ok(()) } else { Err(refusal(tag)) }
}

/// Whether it says that a scalar is a string.
pub(super) fn is_string(tag: &Tag) -> bool {
    core(tag) == Some("str")
}

/// The finding that refuses a tag where it stands.
pub(super) fn refusal(tag: &Tag) -> Issue {
    let shown = match core(tag) {
        Some(name) => format!("!!{name}"),
        None => format!("{}{}", tag.handle, tag.suffix),
    };
    Issue::new(&BAD_TAG, "", format!("the tag `{}` is not read here", excerpt(&shown)))
}

/// The name of a core tag, of the forms `!!str` and `!<tag:yaml.org,2002:str>`.
fn core(tag: &Tag) -> Option<&str> {
    if tag.is_yaml_core_schema() {
        return Some(&tag.suffix);
    }
    if tag.handle.is_empty() { tag.suffix.strip_prefix("tag:yaml.org,2002:") } else { None }
}
