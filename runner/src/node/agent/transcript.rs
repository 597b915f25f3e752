//! A conversation as it is kept for the next attempt.

use aob_provider::{Malformed, ToolCall, ToolResult, Turn};
use serde_json::{Value, json};

/// The conversation as JSON.
pub(super) fn write(turns: &[Turn]) -> Value {
    turns.iter().map(one).collect()
}

/// The conversation back; none if it is none.
pub(super) fn read(kept: &Value) -> Option<Vec<Turn>> {
    let turns: Option<Vec<Turn>> = kept.as_array()?.iter().map(turn).collect();
    turns.filter(|turns| matches!(turns.first(), Some(Turn::User(_))))
}

fn one(turn: &Turn) -> Value {
    match turn {
        Turn::User(text) => json!({"user": text}),
        Turn::Model { text, calls, verbatim } => {
            let calls: Vec<Value> = calls.iter().map(call).collect();
            json!({"model": text, "calls": calls, "verbatim": verbatim})
        }
        Turn::Results(results) => {
            let each = |one: &ToolResult| json!({"id": one.id, "content": one.content, "error": one.is_error});
            json!({"results": results.iter().map(each).collect::<Vec<_>>()})
        }
    }
}

fn call(call: &ToolCall) -> Value {
    let ToolCall { id, name, arguments } = call;
    match arguments {
        Ok(arguments) => json!({"id": id, "name": name, "arguments": arguments}),
        Err(wrong) => json!({"id": id, "name": name, "why": wrong.why, "excerpt": wrong.excerpt}),
    }
}

fn turn(kept: &Value) -> Option<Turn> {
    let text = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
    if let Some(text) = text(kept, "user") {
        return Some(Turn::User(text));
    }
    if let Some(results) = kept.get("results").and_then(Value::as_array) {
        let each = |one: &Value| {
            let is_error = one.get("error")?.as_bool()?;
            Some(ToolResult { id: text(one, "id")?, content: text(one, "content")?, is_error })
        };
        return Some(Turn::Results(results.iter().map(each).collect::<Option<_>>()?));
    }
    let each = |one: &Value| {
        let arguments = match one.get("arguments") {
            Some(arguments) => Ok(arguments.clone()),
            None => Err(Malformed { why: text(one, "why")?, excerpt: text(one, "excerpt")? }),
        };
        Some(ToolCall { id: text(one, "id")?, name: text(one, "name")?, arguments })
    };
    Some(Turn::Model {
        text: text(kept, "model")?,
        calls: kept.get("calls")?.as_array()?.iter().map(each).collect::<Option<_>>()?,
        verbatim: kept.get("verbatim")?.as_array()?.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_comes_back_as_it_was() {
        let broken = Malformed { why: "EOF".into(), excerpt: "{".into() };
        let turns = vec![
            Turn::User("p".into()),
            Turn::Model {
                text: "t".into(),
                calls: vec![
                    ToolCall {
                        id: "1".into(),
                        name: "patch".into(),
                        arguments: Ok(json!({"a": 1})),
                    },
                    ToolCall { id: "2".into(), name: "http".into(), arguments: Err(broken) },
                ],
                verbatim: vec![json!({"signed": "x"})],
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
