//! Examples as YAML blocks. Strings stand in double quotes, as JSON writes them: YAML reads these
//! alike, and no word is taken for a boolean or a number.

use serde_json::Value;

/// `value` as a block, indented by `depth` steps of two.
pub(super) fn block(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let lines: Vec<String> = match value {
        Value::Object(fields) if !fields.is_empty() => fields
            .iter()
            .map(|(name, inner)| format!("{indent}{name}:{}", after(inner, depth)))
            .collect(),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|inner| {
                let text = block(inner, depth + 1);
                format!("{indent}- {}", text.trim_start())
            })
            .collect(),
        other => vec![format!("{indent}{other}")],
    };
    lines.join("\n")
}

/// What follows a colon: a scalar on the same line, anything else below.
fn after(value: &Value, depth: usize) -> String {
    let nested = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested { format!("\n{}", block(value, depth + 1)) } else { format!(" {value}") }
}

#[cfg(test)]
mod tests {
    use aob_engine::read::{self, Limits};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_block_reads_back_as_it_was() {
        let value = json!({
            "list": [{ "a": 1, "b": ["x", []] }, "no", [1, 2]],
            "empty": {}, "text": "a: b # c", "deep": { "er": { "none": null, "flag": true } },
        });
        let text = block(&value, 0);
        let read = read::documents(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(read[0].value, value, "{text}");
    }
}
