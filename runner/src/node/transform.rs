//! `transform`: returns its value if every assertion held. Both were evaluated when the node was rendered.

use aob_engine::catalogue::{ASSERT, NODE_INPUT};
use serde::Deserialize;
use serde_json::Value;

use super::{Failure, NodeType, Task};

/// How many false assertions a failure names.
const NAMED: usize = 5;

pub(super) struct Transform;

/// One assertion with its verdict.
#[derive(Deserialize)]
struct Assertion {
    that: String,
    message: Option<String>,
    ok: bool,
}

impl NodeType for Transform {
    fn name(&self) -> &'static str {
        "transform"
    }

    fn is_immediate(&self) -> bool {
        true
    }

    fn run_now(&self, task: &Task) -> Result<Value, Failure> {
        let value = task.input.get("value").unwrap_or(&Value::Null);
        let Some(assertions) = task.input.get("assert") else { return Ok(value.clone()) };
        let assertions = Vec::<Assertion>::deserialize(assertions).map_err(|error| {
            Failure::new(
                &NODE_INPUT,
                format!("`assert` is a list of {{that, message, ok}}: {error}"),
            )
        })?;
        let fallen: Vec<String> =
            assertions.into_iter().filter(|assertion| !assertion.ok).map(told).collect();
        if fallen.is_empty() {
            return Ok(value.clone());
        }
        let more = if fallen.len() > NAMED {
            format!("; and {} more", fallen.len() - NAMED)
        } else {
            String::new()
        };
        let named = fallen.into_iter().take(NAMED).collect::<Vec<_>>().join("; ");
        Err(Failure::new(&ASSERT, named + &more))
    }
}

fn told(assertion: Assertion) -> String {
    assertion.message.unwrap_or_else(|| format!("`{}` is false", assertion.that))
}

#[cfg(test)]
mod tests {
    use super::super::tests::task;
    use super::*;
    use serde_json::json;

    fn run(input: Value) -> Result<Value, Failure> {
        Transform.run_now(&task("transform", input))
    }

    #[test]
    fn the_value_is_the_output() {
        assert_eq!(run(json!({"value": {"a": [1, null]}})), Ok(json!({"a": [1, null]})));
        assert_eq!(
            run(json!({"value": 1, "assert": [{"that": "value > 0", "ok": true}]})),
            Ok(json!(1))
        );
        assert_eq!(run(json!({"assert": []})), Ok(Value::Null));
    }

    #[test]
    fn what_is_false_is_named() {
        let falls = |that: &str, message: Option<&str>| json!({"that": that, "message": message, "ok": false});
        let failure = run(json!({"value": 1, "assert": [
            {"that": "true", "ok": true}, falls("value > 1", None), falls("value > 2", Some("too small")),
        ]}))
        .unwrap_err();
        assert_eq!(failure, Failure::new(&ASSERT, "`value > 1` is false; too small"));
        let many = run(json!({"assert": vec![falls("false", Some("no")); 8]})).unwrap_err();
        assert_eq!(many.message, "no; no; no; no; no; and 3 more");
    }

    #[test]
    fn verdicts_are_required() {
        assert_eq!(
            run(json!({"value": 1, "assert": [{"that": "true"}]})).unwrap_err().code,
            "node_input"
        );
        assert_eq!(run(json!({"value": 1, "assert": "true"})).unwrap_err().code, "node_input");
    }
}
