//! An agent's config as rendered.

use aob_engine::catalogue::AGENT_CONFIG;
use aob_provider::ModelName;
use serde::Deserialize;
use serde_json::Value;

use crate::node::Failure;

/// Calls of the model within one attempt when the config does not say.
const TURNS: u32 = 20;

/// What an attempt is asked to do.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) model: ModelName,
    pub(super) prompt: String,
    pub(super) system: String,
    pub(super) tools: Vec<String>,
    pub(super) output: Option<Value>,
    pub(super) policy: Option<Policy>,
    pub(super) turns: u32,
}

/// What it may do to the graph.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) allow: Vec<String>,
    // What needs no gate is judged on the graph, by the engine.
    #[serde(default, rename = "ungated")]
    _ungated: Vec<String>,
    pub(super) max_nodes: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    model: String,
    prompt: Value,
    #[serde(default)]
    system: Option<Value>,
    #[serde(default)]
    tools: Option<Vec<String>>,
    #[serde(default)]
    output: Option<Value>,
    #[serde(default)]
    patch: Option<Policy>,
    #[serde(default)]
    max_turns: Option<u32>,
    // Held to by the engine, which alone keeps the books.
    #[serde(default, rename = "budget")]
    _budget: Option<Value>,
}

impl Policy {
    /// Nodes that the agent may add over the whole run.
    pub(super) fn most(&self) -> u32 {
        self.max_nodes.unwrap_or(5)
    }
}

impl Config {
    pub(super) fn read(input: &Value) -> Result<Self, Failure> {
        let wrong = |message: String| Failure::new(&AGENT_CONFIG, message);
        let written =
            Written::deserialize(input).map_err(|error| wrong(format!("config: {error}")))?;
        let model = written.model.parse().map_err(|error| wrong(format!("`model`: {error}")))?;
        let turns = written.max_turns.unwrap_or(TURNS);
        if !(1..=1_000).contains(&turns) {
            return Err(wrong(format!("`maxTurns` is {turns}; it is a number from 1 to 1,000")));
        }
        let prompt = text(written.prompt);
        if prompt.trim().is_empty() {
            return Err(wrong("`prompt` says nothing once its expressions have values".to_owned()));
        }
        Ok(Self {
            model,
            prompt,
            system: written.system.map(text).unwrap_or_default(),
            tools: written.tools.unwrap_or_default(),
            output: written.output,
            policy: written.patch,
            turns,
        })
    }
}

/// A template of one expression keeps the type of its value.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_cannot_be_used_is_named() {
        let read = |input: Value| Config::read(&input).map_err(|failure| failure.message);
        let good = json!({"model": "a/b", "prompt": {"rows": 1}, "patch": {"allow": ["noop"]}});
        let config = read(good).unwrap();
        assert_eq!((config.prompt.as_str(), config.turns), (r#"{"rows":1}"#, 20));
        assert_eq!(config.policy.unwrap().most(), 5);
        for (input, told) in [
            (json!({"model": "b", "prompt": "p"}), "`model`"),
            (json!({"model": "a/b", "prompt": " "}), "`prompt`"),
            (json!({"model": "a/b", "prompt": "p", "maxTurns": 0}), "`maxTurns`"),
            (json!({"model": "a/b", "prompt": "p", "tools": "x"}), "config"),
            (json!({"model": "a/b", "prompt": "p", "patch": {"allow": [], "all": 1}}), "`all`"),
        ] {
            let message = read(input).unwrap_err();
            assert!(message.contains(told), "{message}");
        }
    }
}
