//! What the server answers, looked at without copying.

use ::redis::Value;

use crate::{Error, Result};

/// The elements of an array; none if it is something else.
pub(super) fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        _ => &[],
    }
}

/// The bytes of a string; empty if it is something else.
pub(super) fn text(value: &Value) -> &[u8] {
    match value {
        Value::BulkString(bytes) => bytes,
        Value::SimpleString(text) => text.as_bytes(),
        Value::VerbatimString { text, .. } => text.as_bytes(),
        _ => &[],
    }
}

/// The bytes of a string; none if it is something else.
pub(super) fn present(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

/// A string that must be UTF-8.
pub(super) fn utf8(value: &Value) -> Result<&str> {
    std::str::from_utf8(text(value))
        .map_err(|_| Error::Corrupt("what should be text is not UTF-8".into()))
}

/// An integer, also one written as a string; 0 if it is something else.
pub(super) fn int(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => {
            std::str::from_utf8(text(other)).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
        }
    }
}
