//! What a server says that a tool is.

use aob_engine::canonical;
use rmcp::model::Tool;
use serde_json::{Value, json};

/// Misfits told at once.
const MOST: usize = 5;
/// Characters of one misfit.
const LONG: usize = 300;

/// A definition as the model is shown it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Definition {
    pub(super) description: String,
    /// JSON Schema of its arguments.
    pub(super) parameters: Value,
    /// Of name, description and parameters: `sha256:...`.
    pub(super) digest: String,
}

/// What counts of a tool: hints and pictures are the server's own word about itself, and left out.
pub(super) fn plain(tool: &Tool) -> Value {
    let description = tool.description.as_deref().unwrap_or_default();
    json!({"name": tool.name, "description": description, "inputSchema": *tool.input_schema})
}

impl Definition {
    /// Reads what [`plain`] gives.
    ///
    /// # Errors
    /// It is larger than so many bytes, or its schema cannot be used.
    pub(super) fn read(plain: &Value, most: usize) -> Result<Self, String> {
        let size = plain.to_string().len();
        if size > most {
            return Err(format!(
                "its definition has {size} bytes; at most {most} are shown to a model"
            ));
        }
        let parameters = plain.get("inputSchema").cloned().unwrap_or_default();
        // Other documents are not fetched: a schema that names one is refused here.
        jsonschema::validator_for(&parameters).map_err(|error| {
            format!("the schema of its arguments cannot be used: {}", cut(&error.to_string()))
        })?;
        let text = plain.get("description").and_then(Value::as_str).unwrap_or_default();
        Ok(Self { description: text.to_owned(), parameters, digest: canonical::digest(plain) })
    }

    /// Whether arguments fit, before a server sees them.
    ///
    /// # Errors
    /// Every misfit, as it is told to the model.
    pub(super) fn fits(&self, arguments: &Value) -> Result<(), String> {
        let validator = jsonschema::validator_for(&self.parameters).map_err(|error| {
            format!("the schema of its arguments cannot be used: {}", cut(&error.to_string()))
        })?;
        let misfits: Vec<String> = validator
            .iter_errors(arguments)
            .take(MOST)
            .map(|error| {
                let place = error.instance_path().to_string();
                let place = if place.is_empty() { "the arguments" } else { place.as_str() };
                format!("{place}: {}", cut(&error.to_string()))
            })
            .collect();
        match misfits.is_empty() {
            true => Ok(()),
            false => Err(format!("not called, its arguments do not fit: {}", misfits.join("; "))),
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONG).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(schema: Value) -> Value {
        json!({"name": "find", "description": "finds", "inputSchema": schema})
    }

    #[test]
    fn definitions_are_bounded_and_reach_no_other_document() {
        let good = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}});
        let read = Definition::read(&tool(good.clone()), 1_000).unwrap();
        assert!(read.digest.starts_with("sha256:"), "{}", read.digest);
        assert!(read.fits(&json!({"id": 7})).is_ok());
        let misfit = read.fits(&json!({"id": "7"})).unwrap_err();
        assert!(misfit.contains("/id:"), "{misfit}");
        let other = Definition::read(
            &json!({"name": "find", "description": "pays", "inputSchema": good}),
            1_000,
        );
        assert_ne!(other.unwrap().digest, read.digest, "its text counts");
        assert!(Definition::read(&tool(json!({"description": "x".repeat(1_000)})), 1_000).is_err());
        for away in ["http://127.0.0.1:1/x.json", "file:///etc/passwd"] {
            let refused = Definition::read(&tool(json!({"$ref": away})), 1_000);
            assert!(refused.is_err(), "{away}");
        }
    }
}
