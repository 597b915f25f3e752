//! What every question of an agent begins with.

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::canonical;

/// The stable part of a question. Two prefixes made of equal parts, in whatever order, are the same bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Prefix {
    system: String,
    tools: Vec<Tool>,
    digest: String,
}

/// A tool that a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Letters, digits, `_`, `-`, at most 64.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// JSON Schema of its arguments, an object.
    pub parameters: Value,
    /// Whether the provider is to hold the model to the schema. Only if the linter of schemas finds
    /// nothing against it; otherwise it is sent as plain, and the arguments are checked here alone.
    pub strict: bool,
    /// Arguments as they should look; shown to the model.
    pub examples: Vec<Value>,
}

/// A question with a good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What is asked.
    pub question: String,
    /// What a good answer is.
    pub answer: String,
}

impl Prefix {
    /// Puts instruction, tools, examples and policy into their one order. Tools are sorted by name, of two with the
    /// same name the first stays; examples keep their order, as it is meant.
    pub fn new(system: &str, mut tools: Vec<Tool>, examples: &[Example], policy: &str) -> Self {
        tools.sort_by(|one, other| one.name.cmp(&other.name));
        tools.dedup_by(|later, first| later.name == first.name);
        let mut text = system.trim().to_owned();
        section(&mut text, "Policy", policy.trim());
        if !examples.is_empty() {
            let mut all = String::new();
            for example in examples {
                if !all.is_empty() {
                    all.push_str("\n\n");
                }
                all.push_str("Question: ");
                all.push_str(example.question.trim());
                all.push_str("\nAnswer: ");
                all.push_str(example.answer.trim());
            }
            section(&mut text, "Examples", &all);
        }
        let mut hash = Sha256::new();
        for tool in &tools {
            hash.update(canonical(&tool.value()));
            hash.update([0]);
        }
        hash.update(&text);
        let digest = HEXLOWER.encode(&hash.finalize());
        Self { system: text, tools, digest }
    }

    /// Instruction, policy and examples as one text.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The tools by name.
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// SHA-256 of all of it, in hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl Tool {
    /// All of it as one value.
    fn value(&self) -> Value {
        serde_json::json!({
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
            "strict": self.strict,
            "examples": self.examples,
        })
    }
}

fn section(text: &mut String, title: &str, body: &str) {
    if body.is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str("# ");
    text.push_str(title);
    text.push('\n');
    text.push_str(body);
}
