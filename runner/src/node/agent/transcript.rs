//! A conversation as it is kept for the next attempt.

use aob_provider::Turn;
use serde::Deserialize as _;
use serde_json::Value;

/// The conversation as JSON; nothing if it has no such form.
pub(super) fn write(turns: &[Turn]) -> Value {
    serde_json::to_value(turns).unwrap_or_default()
}

/// The conversation back; none if it is none.
pub(super) fn read(kept: &Value) -> Option<Vec<Turn>> {
    let turns = Vec::<Turn>::deserialize(kept).ok()?;
    matches!(turns.first(), Some(Turn::User(_))).then_some(turns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aob_provider::{Malformed, ToolCall, ToolResult};
    use serde_json::json;

    #[test]
    fn a_conversation_comes_back_as_it_was() {
        let broken = Malformed { why: "EOF".into(), excerpt: "{".into() };
        let arguments = Ok(json!({"a": 1}));
        let turns = vec![
            Turn::User("p".into()),
            Turn::Model {
                text: "t".into(),
                calls: vec![
                    ToolCall { id: "1".into(), name: "patch".into(), arguments },
                    ToolCall { id: "2".into(), name: "http".into(), arguments: Err(broken) },
                ],
                verbatim: None,
            },
            Turn::Results(vec![ToolResult {
                id: "1".into(),
                content: "ok".into(),
                is_error: false,
            }]),
        ];
        assert_eq!(read(&write(&turns)), Some(turns));
        for wrong in [json!({}), json!([]), json!([{"model": "x"}]), json!([{"results": [1]}])] {
            assert_eq!(read(&wrong), None, "{wrong}");
        }
    }
}
