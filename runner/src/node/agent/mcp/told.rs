//! What a tool gives, as text for the model.

use rmcp::model::{CallToolResult, ContentBlock};

/// Bytes that the model is told.
const TOLD: usize = 32 * 1024;

/// The text of a result.
///
/// # Errors
/// The same, where the tool says that it failed.
pub(super) fn result(result: &CallToolResult) -> Result<String, String> {
    let mut text = String::new();
    for block in &result.content {
        if text.len() > TOLD {
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        match block {
            ContentBlock::Text(block) => text.push_str(&block.text),
            ContentBlock::Resource(_) | ContentBlock::ResourceLink(_) => {
                text.push_str("(a resource, which is left out)");
            }
            _ => text.push_str("(no text, and left out)"),
        }
    }
    if let (true, Some(value)) = (text.is_empty(), &result.structured_content) {
        text = value.to_string();
    }
    if text.is_empty() {
        text.push_str("(nothing)");
    }
    let text = bounded(&text);
    if result.is_error == Some(true) { Err(text) } else { Ok(text) }
}

/// At most as long as a model is told.
pub(super) fn bounded(text: &str) -> String {
    if text.len() <= TOLD {
        return text.to_owned();
    }
    format!("{}... ({} bytes in all)", &text[..text.floor_char_boundary(TOLD)], text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn results_are_text_of_a_bounded_length() {
        let read = |value| result(&serde_json::from_value(value).unwrap());
        let text = |text: &str| json!({"type": "text", "text": text});
        assert_eq!(read(json!({"content": [text("a"), text("b")]})).unwrap(), "a\nb");
        assert_eq!(
            read(json!({"content": [], "structuredContent": {"n": 1}})).unwrap(),
            "{\"n\":1}"
        );
        assert_eq!(read(json!({"content": []})).unwrap(), "(nothing)");
        assert_eq!(read(json!({"content": [text("no")], "isError": true})).unwrap_err(), "no");
        let image = json!({"type": "image", "data": "AAAA", "mimeType": "image/png"});
        assert_eq!(read(json!({"content": [image]})).unwrap(), "(no text, and left out)");
        let long = read(json!({"content": [text(&"ä".repeat(40_000))]})).unwrap();
        assert!(long.len() < TOLD + 64 && long.ends_with("(80000 bytes in all)"));
    }
}
