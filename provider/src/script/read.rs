//! A script as it is written.

use regex::Regex;
use serde::Deserialize;

use super::{Rule, Script};

/// Longest script, in bytes.
const LONGEST: usize = 1024 * 1024;

/// A script that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadScript(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key: Option<String>,
    shortest_cached: Option<u64>,
    #[serde(default)]
    micros_per_token: u64,
    #[serde(default)]
    rule: Vec<Rule>,
}

impl Script {
    /// A script of TOML: `[[rule]]` with the fields of [`Rule`].
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, BadScript> {
        if text.len() > LONGEST {
            return Err(BadScript(format!("a script has at most {LONGEST} bytes")));
        }
        let file: File = toml::from_str(text).map_err(|error| BadScript(error.to_string()))?;
        for (at, rule) in file.rule.iter().enumerate() {
            for (field, pattern) in [("matches", &rule.matches), ("system", &rule.system)] {
                if let Some(Err(error)) = pattern.as_deref().map(Regex::new) {
                    return Err(BadScript(format!("rule {}: `{field}`: {error}", at + 1)));
                }
            }
            let stop = rule.reply.stop.as_deref();
            if !matches!(stop, None | Some("end" | "tools" | "length" | "refused")) {
                let message = "`stop` is end, tools, length or refused";
                return Err(BadScript(format!("rule {}: {message}", at + 1)));
            }
        }
        let script = Self::new(file.rule).reading(file.micros_per_token);
        let shortest_cached = file.shortest_cached.unwrap_or(script.shortest_cached);
        Ok(Self { key: file.key, shortest_cached, ..script })
    }
}
