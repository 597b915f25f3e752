//! OpenAI's Chat Completions, and what others that are compatible make of it.

use serde_json::{Value, json};

use super::family::{Family, Marks};
use super::render::{Body, only, shown};
use super::{Assembly, Failed, Rendered, Step, refusal, schema};
use crate::answer::{Stop, Usage};
use crate::ask::{Ask, CachePlan, Choice, Tool, Turn, canonical};
use crate::sse::Sent;

pub(super) fn render(ask: &Ask, family: &Family) -> Result<Rendered, String> {
    let writes_cache = family.marks == Marks::Breakpoint && ask.cache != CachePlan::Never;
    let mut body = Body::new();
    body.field("model", &json!(ask.model.model));
    let tools: Vec<Value> = ask.prefix.tools().iter().map(|one| tool(one, ask, family)).collect();
    if !tools.is_empty() {
        body.field("tools", &Value::Array(tools));
    }
    if let Some(output) = &ask.output {
        let strict = schema::strict(&output.schema).is_empty();
        let format = json!({"name": output.name, "schema": output.schema, "strict": strict});
        body.field("response_format", &json!({"type": "json_schema", "json_schema": format}));
    }
    body.open("messages");
    body.raw("[");
    if !ask.prefix.system().is_empty() {
        let content = text(ask.prefix.system(), writes_cache);
        body.item(&json!({"role": "system", "content": content}));
    }
    let prefix = body.len();
    turns(&mut body, ask, writes_cache);
    body.raw("]");
    let most = if family.is_own { "max_completion_tokens" } else { "max_tokens" };
    body.field(most, &json!(ask.max_tokens));
    if !ask.prefix.tools().is_empty() {
        body.field("tool_choice", &choice(ask));
        if family.is_own {
            body.field("parallel_tool_calls", &json!(ask.parallel));
        }
    }
    body.field("stream", &json!(true));
    body.field("stream_options", &json!({"include_usage": true}));
    if family.is_own && !ask.cache_key.is_empty() {
        body.field("prompt_cache_key", &json!(ask.wire_cache_key()));
    }
    if family.marks == Marks::Breakpoint {
        body.field("prompt_cache_options", &json!({"mode": "explicit"}));
    }
    Ok(Rendered { path: "chat/completions", body: body.end(), prefix })
}

fn tool(tool: &Tool, ask: &Ask, family: &Family) -> Value {
    let mut function = json!({
        "name": ask.prefix.wire_name(&tool.name),
        "description": described(tool),
        "parameters": tool.parameters,
    });
    if family.is_own && tool.strict && schema::strict(&tool.parameters).is_empty() {
        function["strict"] = json!(true);
    }
    json!({"type": "function", "function": function})
}

/// The description with its examples, as there is no field for these.
pub(super) fn described(tool: &Tool) -> String {
    let mut text = tool.description.clone();
    for example in &tool.examples {
        text.push_str("\nExample: ");
        text.push_str(&canonical(example));
    }
    text
}

/// Text as the content of a message; in a block of its own only where it needs a mark, as not all servers know blocks.
fn text(text: &str, is_marked: bool) -> Value {
    if is_marked { json!([block(text, true)]) } else { json!(text) }
}

fn block(text: &str, is_marked: bool) -> Value {
    let mut block = json!({"type": "text", "text": text});
    if is_marked {
        block["prompt_cache_breakpoint"] = json!({"mode": "explicit"});
    }
    block
}

fn turns(body: &mut Body, ask: &Ask, writes_cache: bool) {
    let last = ask.turns.len() - 1;
    for (at, turn) in ask.turns.iter().enumerate() {
        let is_marked = writes_cache && at == last && ask.goes_on();
        match turn {
            Turn::User(said) if at == 0 && !ask.context.is_empty() => {
                let content = if writes_cache {
                    json!([block(&ask.context, true), block(said, is_marked)])
                } else {
                    json!(format!("{}\n\n{said}", ask.context))
                };
                body.item(&json!({"role": "user", "content": content}));
            }
            Turn::User(said) => {
                body.item(&json!({"role": "user", "content": text(said, is_marked)}));
            }
            Turn::Model { text, calls, .. } => {
                let mut message = json!({"role": "assistant", "content": text});
                if !calls.is_empty() {
                    let calls = calls.iter().map(|call| {
                        let arguments = canonical(&shown(call));
                        let name = ask.prefix.wire_name(&call.name);
                        json!({"id": call.id, "type": "function", "function": {"name": name, "arguments": arguments}})
                    });
                    message["tool_calls"] = calls.collect();
                }
                body.item(&message);
            }
            Turn::Results(results) => {
                for (of, result) in results.iter().enumerate() {
                    let is_marked = is_marked && of + 1 == results.len();
                    let content = text(&result.told(), is_marked);
                    body.item(
                        &json!({"role": "tool", "tool_call_id": result.id, "content": content}),
                    );
                }
            }
        }
    }
}

fn choice(ask: &Ask) -> Value {
    match (&ask.choice, only(ask)) {
        (_, Some(names)) => {
            let tools: Vec<Value> = names
                .iter()
                .map(|name| json!({"type": "function", "function": {"name": name}}))
                .collect();
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": tools}})
        }
        (Choice::None, None) => json!("none"),
        (Choice::Required, None) => json!("required"),
        (Choice::Auto | Choice::Only(_), None) => json!("auto"),
    }
}

pub(super) fn read(sent: &Sent, into: &mut Assembly) -> Result<Step, Failed> {
    if sent.data == "[DONE]" {
        return if into.stop.is_some() {
            Ok(Step::Done)
        } else {
            Err(Failed::not_understood("the stream says it is done, but not why"))
        };
    }
    let chunk: Value = serde_json::from_str(&sent.data)
        .map_err(|error| Failed::not_understood(format!("a chunk is no JSON: {error}")))?;
    if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
        return Err(refusal::within(error));
    }
    into.name(&chunk);
    if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
        into.counted.usage = counted(usage);
        into.counted.has_input = true;
        into.counted.is_whole = true;
    }
    // Only one answer was asked for; the last chunk, with the usage, has none.
    let Some(choice) = chunk.pointer("/choices/0") else { return Ok(Step::On) };
    let Some(delta) = choice.get("delta") else { return finish(choice, into) };
    if let Some(text) = delta.get("content").and_then(Value::as_str) {
        into.text(text);
    }
    if let Some(text) = delta.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty())
    {
        into.text(text);
        into.is_refused = true;
    }
    for piece in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
        call(piece, into)?;
    }
    finish(choice, into)
}

fn call(piece: &Value, into: &mut Assembly) -> Result<(), Failed> {
    let id = piece.get("id").and_then(Value::as_str).unwrap_or_default();
    // Who leaves the index out sends whole calls, each with an id.
    let index = piece.get("index").and_then(Value::as_u64).unwrap_or_else(|| {
        let known = into.calls.iter().find(|part| !id.is_empty() && part.id == id);
        known.map_or(into.calls.len() as u64, |part| part.index)
    });
    let is_new = !into.calls.iter().any(|part| part.index == index);
    let part = into.call(index).ok_or_else(too_many)?;
    if part.id.is_empty() {
        part.id = id.to_owned();
    }
    if let Some(name) = piece.pointer("/function/name").and_then(Value::as_str)
        && part.name != name
    {
        part.name.push_str(name);
    }
    let name = part.name.clone();
    if let Some(arguments) = piece.pointer("/function/arguments").and_then(Value::as_str) {
        part.arguments.push_str(arguments);
        into.size += arguments.len();
    }
    if is_new {
        into.begun(name);
    }
    Ok(())
}

pub(super) fn too_many() -> Failed {
    Failed::not_understood("the answer has more calls than any answer may have")
}

fn finish(choice: &Value, into: &mut Assembly) -> Result<Step, Failed> {
    let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) else {
        return Ok(Step::On);
    };
    into.stop = Some(match reason {
        _ if into.is_refused => Stop::Refused,
        "stop" => Stop::End,
        "tool_calls" | "function_call" => Stop::Tools,
        "length" => Stop::Length,
        "content_filter" => Stop::Refused,
        // A reason that is new: the answer is there all the same.
        _ => Stop::End,
    });
    Ok(Step::On)
}

/// OpenAI's cached tokens lie within those of the prompt.
fn counted(usage: &Value) -> Usage {
    let number = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    Usage {
        input: number("/prompt_tokens"),
        cached: number("/prompt_tokens_details/cached_tokens"),
        written: number("/prompt_tokens_details/cache_write_tokens"),
        written_long: 0,
        output: number("/completion_tokens"),
        reasoning: number("/completion_tokens_details/reasoning_tokens"),
    }
}
