//! An answer that has to fit a schema.

use serde_json::{Value, json};

/// Misfits told at once.
const MOST: usize = 10;
/// Characters of one misfit.
const LONG: usize = 300;

/// The output of an answer's text; without a schema `{text}`.
///
/// # Errors
/// Everything that does not fit, as it is told to the model.
pub(super) fn output(text: &str, schema: Option<&Value>) -> Result<Value, Vec<String>> {
    let Some(schema) = schema else { return Ok(json!({"text": text})) };
    let value: Value = serde_json::from_str(bare(text)).map_err(|error| {
        vec![format!(
            "the answer is no JSON: {error}. Answer with one JSON value and nothing else."
        )]
    })?;
    let validator = jsonschema::validator_for(schema).map_err(|error| {
        vec![format!(
            "the schema of this node's output cannot be used: {}",
            cut(&error.to_string())
        )]
    })?;
    let misfits: Vec<String> = validator
        .iter_errors(&value)
        .take(MOST)
        .map(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "the whole" } else { place.as_str() };
            format!("{place}: {}", cut(&error.to_string()))
        })
        .collect();
    if misfits.is_empty() { Ok(value) } else { Err(misfits) }
}

/// What the model is told of them.
pub(super) fn told(misfits: &[String], schema: &Value) -> String {
    let list: Vec<String> = misfits.iter().map(|misfit| format!("- {misfit}")).collect();
    format!(
        "Your answer does not fit:\n{}\nAnswer again with one JSON value, and nothing else, of this schema:\n{schema}",
        list.join("\n")
    )
}

/// The text without the fence that models like to put around JSON.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```json").or_else(|| text.strip_prefix("```"));
    inner.and_then(|inner| inner.strip_suffix("```")).map_or(text, str::trim)
}

fn cut(text: &str) -> String {
    text.chars().take(LONG).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_judged_by_its_schema() {
        let schema = json!({"type": "object", "required": ["rows"], "properties": {"rows": {"type": "array"}}});
        let fits = |text: &str| output(text, Some(&schema));
        assert_eq!(fits("```json\n{\"rows\": []}\n```"), Ok(json!({"rows": []})));
        assert_eq!(output("well", None), Ok(json!({"text": "well"})));
        assert!(fits("Here it is: {}").unwrap_err()[0].contains("no JSON"));
        assert!(fits("{\"rows\": 1}").unwrap_err()[0].starts_with("/rows: "));
        let told = told(&fits("{}").unwrap_err(), &schema);
        assert!(told.contains("- the whole: ") && told.contains("\"required\""), "{told}");
    }
}
