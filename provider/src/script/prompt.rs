//! What was asked, whatever the dialect.

use serde_json::Value;

use crate::ask::canonical;
use crate::settings::Dialect;

/// What was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// The dialect it was asked in.
    pub dialect: Dialect,
    /// The model that was asked for.
    pub model: String,
    /// The instruction.
    pub system: String,
    /// The text of the last turn: what the user said, or what tools gave.
    pub last: String,
    /// The tool that the last turn is the result of, as the wire calls it.
    pub after: Option<String>,
    /// The tools that may be called.
    pub tools: Vec<String>,
    /// Turns of the conversation.
    pub turns: usize,
    /// The whole body.
    pub body: Value,
    /// All of it as providers read it, in pieces, and whether a cache is to end after each.
    pub(super) blocks: Vec<(String, bool)>,
    /// Whether caches end only where they are marked.
    pub(super) is_marked: bool,
}

impl Prompt {
    /// What a body asks; what is wrong with it otherwise, as the provider would say.
    pub(super) fn read(dialect: Dialect, body: Value) -> Result<Self, String> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("model").is_empty() {
            return Err("`model` is required".to_owned());
        }
        if body.get("stream") != Some(&Value::Bool(true)) {
            return Err("this stand-in answers streams only: set `stream`".to_owned());
        }
        let list = if dialect == Dialect::Responses { "input" } else { "messages" };
        let Some(messages) = body.get(list).and_then(Value::as_array).filter(|all| !all.is_empty())
        else {
            return Err(format!("`{list}` is required"));
        };
        if dialect == Dialect::Messages && !body.get("max_tokens").is_some_and(Value::is_u64) {
            return Err("`max_tokens` is required".to_owned());
        }
        let mut prompt = Self {
            dialect,
            model: text("model").to_owned(),
            system: String::new(),
            last: String::new(),
            after: None,
            tools: Vec::new(),
            turns: 0,
            blocks: Vec::new(),
            is_marked: dialect == Dialect::Messages
                || body.pointer("/prompt_cache_options/mode") == Some(&Value::from("explicit")),
            body: Value::Null,
        };
        for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
            let name = tool.pointer("/function/name").or_else(|| tool.get("name"));
            let name = name.and_then(Value::as_str).ok_or("a tool has no name")?;
            prompt.tools.push(name.to_owned());
            prompt.blocks.push((canonical(tool), is_mark(tool)));
        }
        for name in ["response_format", "text", "output_config"] {
            if let Some(format) = body.get(name) {
                prompt.blocks.push((canonical(format), false));
            }
        }
        if let Some(system) = body.get("system") {
            prompt.system = prompt.content(system);
        }
        let mut names: Vec<(String, String)> = Vec::new();
        for message in messages {
            prompt.message(message, &mut names)?;
        }
        prompt.body = body;
        Ok(prompt)
    }

    /// Takes one message or item.
    fn message(
        &mut self,
        message: &Value,
        names: &mut Vec<(String, String)>,
    ) -> Result<(), String> {
        let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
        let role = text("role");
        let of = |names: &[(String, String)], id: &str| {
            let found = names.iter().rev().find(|(known, _)| known == id);
            found.map(|(_, name)| name.clone()).ok_or(format!("no call has the id `{id}`"))
        };
        match text("type") {
            "function_call" => {
                names.push((text("call_id").to_owned(), text("name").to_owned()));
                self.blocks.push((canonical(message), false));
                return Ok(());
            }
            "function_call_output" => {
                self.after = Some(of(names, text("call_id"))?);
                self.last = self.content(message.get("output").unwrap_or(&Value::Null));
                self.turns += 1;
                return Ok(());
            }
            "reasoning" => {
                self.blocks.push((canonical(message), false));
                return Ok(());
            }
            _ => {}
        }
        let content = message.get("content").unwrap_or(&Value::Null);
        let said = self.content(content);
        match role {
            "system" | "developer" => {
                self.system = said;
                return Ok(());
            }
            "assistant" => {
                for call in
                    message.get("tool_calls").and_then(Value::as_array).into_iter().flatten()
                {
                    let name = call.pointer("/function/name").and_then(Value::as_str);
                    let id = call.get("id").and_then(Value::as_str);
                    names.push((
                        id.unwrap_or_default().to_owned(),
                        name.unwrap_or_default().to_owned(),
                    ));
                    self.blocks.push((canonical(call), false));
                }
                for block in content.as_array().into_iter().flatten() {
                    if block.get("type") == Some(&Value::from("tool_use")) {
                        let field = |name: &str| {
                            block.get(name).and_then(Value::as_str).unwrap_or_default()
                        };
                        names.push((field("id").to_owned(), field("name").to_owned()));
                    }
                }
            }
            "tool" => {
                self.after = Some(of(names, text("tool_call_id"))?);
                self.last = said;
            }
            "user" => {
                let result = content
                    .as_array()
                    .into_iter()
                    .flatten()
                    .rev()
                    .find_map(|block| block.get("tool_use_id").and_then(Value::as_str));
                self.after = result.map(|id| of(names, id)).transpose()?;
                self.last = said;
            }
            other => return Err(format!("there is no role `{other}`")),
        }
        self.turns += 1;
        Ok(())
    }

    /// The text of a content, and its blocks.
    fn content(&mut self, content: &Value) -> String {
        let Some(blocks) = content.as_array() else {
            let text = content.as_str().unwrap_or_default().to_owned();
            self.blocks.push((text.clone(), false));
            return text;
        };
        let mut all: Vec<String> = Vec::new();
        for block in blocks {
            let said = block.get("text").or_else(|| block.get("content"));
            let text = said.and_then(Value::as_str).unwrap_or_default();
            if !text.is_empty() {
                all.push(text.to_owned());
            }
            let mut plain = block.clone();
            if let Some(fields) = plain.as_object_mut() {
                fields.remove("cache_control");
                fields.remove("prompt_cache_breakpoint");
            }
            self.blocks.push((canonical(&plain), is_mark(block)));
        }
        all.join("\n")
    }
}

fn is_mark(block: &Value) -> bool {
    block.get("cache_control").is_some() || block.get("prompt_cache_breakpoint").is_some()
}
