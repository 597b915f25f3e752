//! Anthropic's Messages.

use serde_json::{Value, json};

use super::chat::too_many;
use super::family::Family;
use super::render::{Body, only, shown};
use super::{Assembly, Failed, Rendered, Step, refusal, schema};
use crate::answer::{Stop, ToolCall};
use crate::ask::{Ask, CachePlan, Choice, Turn, canonical};
use crate::settings::Dialect;
use crate::sse::Sent;

pub(super) fn render(ask: &Ask, family: &Family) -> Result<Rendered, String> {
    let mark = match ask.cache {
        CachePlan::Never => None,
        CachePlan::Minutes => Some(json!({"type": "ephemeral"})),
        CachePlan::Hour => Some(json!({"type": "ephemeral", "ttl": "1h"})),
    };
    let mark = mark.as_ref();
    let mut system = ask.prefix.system().to_owned();
    let mut format = None;
    if let Some(output) = &ask.output {
        if family.is_own && schema::closed(&output.schema).is_empty() {
            format = Some(json!({"format": {"type": "json_schema", "schema": output.schema}}));
        } else {
            system.push_str("\n\n# Answer\nAnswer with nothing but JSON that fits this schema: ");
            system.push_str(&canonical(&output.schema));
        }
    }
    let system = system.trim();
    let mut body = Body::new();
    body.field("model", &json!(ask.model.model));
    let tools: Vec<Value> = tools(ask, family, mark.filter(|_| system.is_empty()));
    if !tools.is_empty() {
        body.field("tools", &Value::Array(tools));
    }
    if let Some(format) = &format {
        body.field("output_config", format);
    }
    if !system.is_empty() {
        body.field("system", &json!([block(system, mark)]));
    }
    body.open("messages");
    body.raw("[");
    let prefix = body.len();
    turns(&mut body, ask, mark);
    body.raw("]");
    body.field("max_tokens", &json!(ask.max_tokens));
    if !ask.prefix.tools().is_empty() {
        body.field("tool_choice", &choice(ask));
    }
    body.field("stream", &json!(true));
    Ok(Rendered { path: "messages", body: body.end(), prefix })
}

fn tools(ask: &Ask, family: &Family, mark: Option<&Value>) -> Vec<Value> {
    let last = ask.prefix.tools().len();
    let tools = ask.prefix.tools().iter().enumerate().map(|(at, tool)| {
        let mut out = json!({
            "name": ask.prefix.wire_name(&tool.name),
            "description": tool.description,
            "input_schema": tool.parameters,
        });
        if !tool.examples.is_empty() {
            out["input_examples"] = json!(tool.examples);
        }
        if family.is_own && tool.strict && schema::closed(&tool.parameters).is_empty() {
            out["strict"] = json!(true);
        }
        if let (Some(mark), true) = (mark, at + 1 == last) {
            out["cache_control"] = mark.clone();
        }
        out
    });
    tools.collect()
}

fn block(text: &str, mark: Option<&Value>) -> Value {
    marked(json!({"type": "text", "text": text}), mark)
}

fn marked(mut block: Value, mark: Option<&Value>) -> Value {
    if let Some(mark) = mark {
        block["cache_control"] = mark.clone();
    }
    block
}

fn turns(body: &mut Body, ask: &Ask, mark: Option<&Value>) {
    let last = ask.turns.len() - 1;
    for (at, turn) in ask.turns.iter().enumerate() {
        let here = mark.filter(|_| at == last && ask.goes_on());
        let (role, content) = match turn {
            Turn::User(said) => {
                let mut content = Vec::new();
                if at == 0 && !ask.context.is_empty() {
                    content.push(block(&ask.context, mark));
                }
                content.push(block(said, here));
                ("user", content)
            }
            Turn::Model { text, calls, verbatim } => {
                let kept = verbatim.as_ref().filter(|kept| kept.dialect == Dialect::Messages);
                ("assistant", said(ask, text, calls, kept.map(|kept| &*kept.items)))
            }
            Turn::Results(results) => {
                let blocks = results.iter().enumerate().map(|(of, result)| {
                    let here = here.filter(|_| of + 1 == results.len());
                    let mut block = json!({"type": "tool_result", "tool_use_id": result.id, "content": result.content});
                    if result.is_error {
                        block["is_error"] = json!(true);
                    }
                    marked(block, here)
                });
                ("user", blocks.collect())
            }
        };
        body.item(&json!({"role": role, "content": content}));
    }
}

/// What the model said, as blocks: in the order it had, if it thought in between.
fn said(ask: &Ask, text: &str, calls: &[ToolCall], kept: Option<&[Value]>) -> Vec<Value> {
    let call = |call: &ToolCall| {
        let name = ask.prefix.wire_name(&call.name);
        json!({"type": "tool_use", "id": call.id, "name": name, "input": shown(call)})
    };
    let mut blocks = Vec::new();
    for item in kept.unwrap_or_default() {
        let field = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        match field("type") {
            "tool_use" => blocks.extend(calls.iter().find(|one| one.id == field("id")).map(call)),
            "text" if field("text").is_empty() => {}
            _ => blocks.push(item.clone()),
        }
    }
    if kept.is_none() {
        blocks.extend((!text.is_empty()).then(|| block(text, None)));
        blocks.extend(calls.iter().map(call));
    }
    if blocks.is_empty() {
        blocks.push(block("(nothing)", None));
    }
    blocks
}

fn choice(ask: &Ask) -> Value {
    let mut choice = match (&ask.choice, only(ask).as_deref()) {
        // Of several none can be left out here: what is called all the same, whoever asked refuses.
        (Choice::None, _) | (_, Some([])) => return json!({"type": "none"}),
        (Choice::Required, _) => json!({"type": "any"}),
        (Choice::Auto | Choice::Only(_), _) => json!({"type": "auto"}),
    };
    choice["disable_parallel_tool_use"] = json!(!ask.parallel);
    choice
}

pub(super) fn read(sent: &Sent, into: &mut Assembly) -> Result<Step, Failed> {
    let event: Value = serde_json::from_str(&sent.data)
        .map_err(|error| Failed::not_understood(format!("an event is no JSON: {error}")))?;
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let index = event.get("index").and_then(Value::as_u64).unwrap_or(0);
    match text("/type") {
        "message_start" => {
            if let Some(message) = event.get("message") {
                into.name(message);
                count(message.get("usage"), into);
                into.counted.has_input = message.get("usage").is_some();
            }
        }
        "content_block_start" => match text("/content_block/type") {
            "tool_use" => {
                let part = into.call(index).ok_or_else(too_many)?;
                part.id = text("/content_block/id").to_owned();
                part.name = text("/content_block/name").to_owned();
                into.begun(text("/content_block/name").to_owned());
                into.verbatim
                    .push((index, json!({"type": "tool_use", "id": text("/content_block/id")})));
            }
            "text" => {
                into.text(text("/content_block/text"));
                into.verbatim
                    .push((index, json!({"type": "text", "text": text("/content_block/text")})));
            }
            "thinking" | "redacted_thinking" => {
                let block = event.get("content_block").cloned().unwrap_or_default();
                into.size += block.to_string().len();
                into.verbatim.push((index, block));
            }
            _ => {}
        },
        "content_block_delta" => delta(index, event.get("delta").unwrap_or(&Value::Null), into)?,
        "message_delta" => {
            count(event.get("usage"), into);
            into.counted.is_whole = event.get("usage").is_some();
            into.stop = Some(match text("/delta/stop_reason") {
                "tool_use" => Stop::Tools,
                "max_tokens" | "model_context_window_exceeded" => Stop::Length,
                "refusal" => Stop::Refused,
                _ => Stop::End,
            });
        }
        "message_stop" if into.stop.is_some() => return Ok(Step::Done),
        "message_stop" => {
            return Err(Failed::not_understood("the message stops without a reason"));
        }
        "error" => return Err(refusal::within(event.get("error").unwrap_or(&event))),
        // Pings, ends of blocks, and whatever is new.
        _ => {}
    }
    Ok(Step::On)
}

fn delta(index: u64, delta: &Value, into: &mut Assembly) -> Result<(), Failed> {
    let text = |name: &str| delta.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "text_delta" => {
            into.text(text("text"));
            grow(index, "text", text("text"), into);
        }
        "input_json_delta" => {
            let piece = text("partial_json");
            into.call(index).ok_or_else(too_many)?.arguments.push_str(piece);
            into.size += piece.len();
        }
        kind @ ("thinking_delta" | "signature_delta") => {
            let field = if kind == "thinking_delta" { "thinking" } else { "signature" };
            let piece = text(field);
            into.size += piece.len();
            grow(index, field, piece, into);
        }
        _ => {}
    }
    Ok(())
}

/// More text in a field of a block that has begun.
fn grow(index: u64, field: &str, piece: &str, into: &mut Assembly) {
    let block = into.verbatim.iter_mut().find(|(place, _)| *place == index);
    if let Some(Value::Object(fields)) = block.map(|(_, block)| block)
        && let Value::String(so_far) = fields.entry(field).or_insert_with(|| json!(""))
    {
        so_far.push_str(piece);
    }
}

/// Anthropic's three kinds of tokens in are apart from one another; later counts take the place of earlier ones.
fn count(usage: Option<&Value>, into: &mut Assembly) {
    let Some(usage) = usage else { return };
    let number = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
    let counted = &mut into.counted.usage;
    let all = number("/cache_creation_input_tokens");
    let long = number("/cache_creation/ephemeral_1h_input_tokens");
    let written = counted.written.saturating_add(counted.written_long);
    let plain = counted.input.saturating_sub(counted.cached).saturating_sub(written);
    let plain = number("/input_tokens").unwrap_or(plain);
    counted.cached = number("/cache_read_input_tokens").unwrap_or(counted.cached);
    let written = all.unwrap_or(written);
    counted.written_long = long.unwrap_or(counted.written_long).min(written);
    counted.written = written - counted.written_long;
    counted.input = plain.saturating_add(counted.cached).saturating_add(written);
    counted.output = number("/output_tokens").unwrap_or(counted.output);
    counted.reasoning =
        number("/output_tokens_details/thinking_tokens").unwrap_or(counted.reasoning);
}
