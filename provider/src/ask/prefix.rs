//! What every question of an agent begins with.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::canonical;

/// The stable part of a question. Two prefixes made of equal parts, in whatever order, are the same bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Prefix {
    system: String,
    tools: Vec<Tool>,
    /// What the wire calls each tool, in their order.
    wire: Vec<String>,
    digest: String,
}

/// Longest name of a tool that all providers take, in bytes.
const LONGEST: usize = 64;

/// A tool that a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Any: `mcp.erp.lookup`. Providers take letters, digits, `_` and `-` only, so others are replaced on the way there
    /// and put back on the way here.
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
        let wire = wire(&tools);
        Self { system: text, tools, wire, digest }
    }

    /// Instruction, policy and examples as one text.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The tools by name.
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// How many tokens it has, as most texts are counted.
    pub fn likely_tokens(&self) -> u64 {
        let tools: usize = self.tools.iter().map(|tool| canonical(&tool.value()).len()).sum();
        crate::price::likely(self.system.len() + tools)
    }

    /// What the wire calls a tool; an unknown name stays.
    pub(crate) fn wire_name<'a>(&'a self, name: &'a str) -> &'a str {
        let at = self.tools.binary_search_by(|tool| (*tool.name).cmp(name));
        at.ok().and_then(|at| self.wire.get(at)).map_or(name, String::as_str)
    }

    /// The name of the tool that the wire calls so; an unknown one stays.
    pub(crate) fn name_of<'a>(&'a self, wire: &'a str) -> &'a str {
        let at = self.wire.iter().position(|one| one == wire);
        at.and_then(|at| self.tools.get(at)).map_or(wire, |tool| &*tool.name)
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

/// Names that every provider takes, each different from all others.
fn wire(tools: &[Tool]) -> Vec<String> {
    let is_plain = |one: char| one.is_ascii_alphanumeric() || one == '_' || one == '-';
    let plain = |name: &str| -> String {
        name.chars().map(|one| if is_plain(one) { one } else { '_' }).collect()
    };
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for tool in tools {
        *uses.entry(plain(&tool.name)).or_default() += 1;
    }
    let name = |tool: &Tool| {
        let mut name = plain(&tool.name);
        if name.len() > LONGEST || name.is_empty() || uses.get(&name) != Some(&1) {
            let digest = HEXLOWER.encode(&Sha256::digest(&tool.name));
            name.truncate(LONGEST - 9);
            name.push('_');
            name.push_str(digest.get(..8).unwrap_or_default());
        }
        name
    };
    tools.iter().map(name).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str) -> Tool {
        let parameters = serde_json::json!({"type": "object"});
        let (name, description) = (name.to_owned(), "does".to_owned());
        Tool { name, description, parameters, strict: false, examples: Vec::new() }
    }

    #[test]
    fn the_order_of_parts_does_not_matter() {
        let one = Prefix::new(" s ", vec![tool("b"), tool("a")], &[], "p");
        let other = Prefix::new("s", vec![tool("a"), tool("b"), tool("a")], &[], "p\n");
        assert_eq!(one, other);
        assert_eq!(one.system(), "s\n\n# Policy\np");
        let example = Example { question: "q".to_owned(), answer: "a".to_owned() };
        assert_ne!(
            one.digest(),
            Prefix::new("s", vec![tool("a"), tool("b")], &[example], "p").digest()
        );
    }

    #[test]
    fn names_of_tools_go_there_and_back() {
        let long = "x".repeat(127);
        let names = [
            "mcp.erp.lookup",
            "mcp_erp_lookup",
            "mcp:erp/lookup",
            "patch",
            &*long,
            "gr\u{fc}n",
            "",
        ];
        let prefix = Prefix::new("", names.iter().map(|name| tool(name)).collect(), &[], "");
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            let wire = prefix.wire_name(name);
            let is_plain = |one: char| one.is_ascii_alphanumeric() || one == '_' || one == '-';
            assert!((1..=64).contains(&wire.len()) && wire.chars().all(is_plain), "{wire}");
            assert_eq!(prefix.name_of(wire), name);
            assert!(seen.insert(wire.to_owned()), "{wire} twice");
        }
        assert_eq!((prefix.wire_name("patch"), prefix.name_of("other")), ("patch", "other"));
    }
}
