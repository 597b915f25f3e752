//! OpenAI's Responses.

use serde_json::{Value, json};

use super::chat::{described, too_many};
use super::family::{Family, Marks};
use super::render::{Body, only, shown};
use super::{Assembly, Failed, Rendered, Step, refusal, schema};
use crate::answer::{Stop, Usage};
use crate::ask::{Ask, CachePlan, Choice, Turn, canonical};
use crate::settings::Dialect;
use crate::sse::Sent;

pub(super) fn render(ask: &Ask, family: &Family) -> Result<Rendered, String> {
    let writes_cache = family.marks == Marks::Breakpoint && ask.cache != CachePlan::Never;
    let mut body = Body::new();
    body.field("model", &json!(ask.model.model));
    let tools: Vec<Value> = ask
        .prefix
        .tools()
        .iter()
        .map(|tool| {
            // Without the field strict is the default.
            let strict =
                family.is_own && tool.strict && schema::strict(&tool.parameters).is_empty();
            json!({
                "type": "function",
                "name": ask.prefix.wire_name(&tool.name),
                "description": described(tool),
                "parameters": tool.parameters,
                "strict": strict,
            })
        })
        .collect();
    if !tools.is_empty() {
        body.field("tools", &Value::Array(tools));
    }
    if let Some(output) = &ask.output {
        let strict = schema::strict(&output.schema).is_empty();
        let format = json!({"type": "json_schema", "name": output.name, "schema": output.schema, "strict": strict});
        body.field("text", &json!({ "format": format }));
    }
    body.open("input");
    body.raw("[");
    if !ask.prefix.system().is_empty() {
        // Not as `instructions`: a mark can only stand on a block.
        let block = block("input_text", ask.prefix.system(), writes_cache);
        body.item(&json!({"type": "message", "role": "developer", "content": [block]}));
    }
    let prefix = body.len();
    turns(&mut body, ask, writes_cache);
    body.raw("]");
    body.field("max_output_tokens", &json!(ask.max_tokens));
    if !ask.prefix.tools().is_empty() {
        body.field("tool_choice", &choice(ask));
        body.field("parallel_tool_calls", &json!(ask.parallel));
    }
    body.field("stream", &json!(true));
    body.field("store", &json!(false));
    if family.is_own {
        body.field("stream_options", &json!({"include_obfuscation": false}));
        if !ask.cache_key.is_empty() {
            body.field("prompt_cache_key", &json!(ask.wire_cache_key()));
        }
    }
    if family.thinks {
        // Nothing is stored there, so thoughts come along, sealed.
        body.field("include", &json!(["reasoning.encrypted_content"]));
    }
    if family.marks == Marks::Breakpoint {
        body.field("prompt_cache_options", &json!({"mode": "explicit"}));
    }
    Ok(Rendered { path: "responses", body: body.end(), prefix })
}

fn block(kind: &str, text: &str, is_marked: bool) -> Value {
    let mut block = json!({"type": kind, "text": text});
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
            Turn::User(said) => {
                let mut content = Vec::new();
                if at == 0 && !ask.context.is_empty() {
                    content.push(block("input_text", &ask.context, writes_cache));
                }
                content.push(block("input_text", said, is_marked));
                body.item(&json!({"type": "message", "role": "user", "content": content}));
            }
            Turn::Model { verbatim: Some(verbatim), calls, .. }
                if verbatim.dialect == Dialect::Responses =>
            {
                for item in &verbatim.items {
                    let Some(id) = item.get("call_id") else {
                        body.item(item);
                        continue;
                    };
                    // A call that was not written whole has no result, and is not shown.
                    if let Some(call) = calls.iter().find(|call| id == &call.id) {
                        let mut item = item.clone();
                        item["arguments"] = json!(canonical(&shown(call)));
                        body.item(&item);
                    }
                }
            }
            Turn::Model { text, calls, .. } => {
                if !text.is_empty() {
                    let content = json!([{"type": "output_text", "text": text}]);
                    body.item(&json!({"type": "message", "role": "assistant", "content": content}));
                }
                for call in calls {
                    body.item(&json!({
                        "type": "function_call",
                        "call_id": call.id,
                        "name": ask.prefix.wire_name(&call.name),
                        "arguments": canonical(&shown(call)),
                    }));
                }
            }
            Turn::Results(results) => {
                for (of, result) in results.iter().enumerate() {
                    let told = result.told();
                    let output = if is_marked && of + 1 == results.len() {
                        json!([block("input_text", &told, true)])
                    } else {
                        json!(told)
                    };
                    body.item(
                        &json!({"type": "function_call_output", "call_id": result.id, "output": output}),
                    );
                }
            }
        }
    }
}

fn choice(ask: &Ask) -> Value {
    match (&ask.choice, only(ask)) {
        (_, Some(names)) => {
            let tools: Vec<Value> =
                names.iter().map(|name| json!({"type": "function", "name": name})).collect();
            json!({"type": "allowed_tools", "mode": "auto", "tools": tools})
        }
        (Choice::None, None) => json!("none"),
        (Choice::Required, None) => json!("required"),
        (Choice::Auto | Choice::Only(_), None) => json!("auto"),
    }
}

pub(super) fn read(sent: &Sent, into: &mut Assembly) -> Result<Step, Failed> {
    let event: Value = serde_json::from_str(&sent.data)
        .map_err(|error| Failed::not_understood(format!("an event is no JSON: {error}")))?;
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let index = event.get("output_index").and_then(Value::as_u64).unwrap_or(0);
    match text("/type") {
        "response.created" => {
            if let Some(response) = event.get("response") {
                into.name(response);
            }
        }
        "response.output_text.delta" => into.text(text("/delta")),
        "response.refusal.delta" => {
            into.text(text("/delta"));
            into.is_refused = true;
        }
        "response.output_item.added" if text("/item/type") == "function_call" => {
            let part = into.call(index).ok_or_else(too_many)?;
            part.id = text("/item/call_id").to_owned();
            part.name = text("/item/name").to_owned();
            into.begun(text("/item/name").to_owned());
        }
        "response.function_call_arguments.delta" => {
            let piece = text("/delta");
            into.call(index).ok_or_else(too_many)?.arguments.push_str(piece);
            into.size += piece.len();
        }
        "response.output_item.done" => {
            let Some(item) = event.get("item") else { return Ok(Step::On) };
            done(index, item, into)?;
        }
        "response.completed" => return end(&event, Stop::End, into),
        "response.incomplete" => {
            let is_filtered = text("/response/incomplete_details/reason") == "content_filter";
            return end(&event, if is_filtered { Stop::Refused } else { Stop::Length }, into);
        }
        "response.failed" => {
            if let Some(usage) = event.pointer("/response/usage").filter(|one| one.is_object()) {
                into.counted.usage = counted(usage);
                into.counted.has_input = true;
                into.counted.is_whole = true;
            }
            return Err(refusal::within(event.pointer("/response/error").unwrap_or(&Value::Null)));
        }
        "error" => return Err(refusal::within(event.get("error").unwrap_or(&event))),
        // Beginnings and ends of parts, and whatever is new.
        _ => {}
    }
    Ok(Step::On)
}

/// An item is whole: what it says counts, whatever its pieces were.
fn done(index: u64, item: &Value, into: &mut Assembly) -> Result<(), Failed> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut kept = item.clone();
    if let Some(fields) = kept.as_object_mut() {
        fields.remove("status");
        // Ids name what is stored there, and nothing is, but thoughts are sealed under theirs.
        if text("type") != "reasoning" {
            fields.remove("id");
        }
    }
    match text("type") {
        "function_call" => {
            let part = into.call(index).ok_or_else(too_many)?;
            part.id = text("call_id").to_owned();
            part.name = text("name").to_owned();
            part.arguments = text("arguments").to_owned();
        }
        "message" | "reasoning" => {}
        // What was not asked for is not shown again.
        _ => return Ok(()),
    }
    into.size += kept.to_string().len();
    into.verbatim.push((index, kept));
    Ok(())
}

fn end(event: &Value, stop: Stop, into: &mut Assembly) -> Result<Step, Failed> {
    let response = event
        .get("response")
        .ok_or_else(|| Failed::not_understood("the last event has no response"))?;
    into.name(response);
    if let Some(usage) = response.get("usage").filter(|usage| usage.is_object()) {
        into.counted.usage = counted(usage);
        into.counted.has_input = true;
        into.counted.is_whole = true;
    }
    into.stop = Some(if into.is_refused { Stop::Refused } else { stop });
    Ok(Step::Done)
}

fn counted(usage: &Value) -> Usage {
    let number = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    Usage {
        input: number("/input_tokens"),
        cached: number("/input_tokens_details/cached_tokens"),
        written: number("/input_tokens_details/cache_write_tokens"),
        written_long: 0,
        output: number("/output_tokens"),
        reasoning: number("/output_tokens_details/reasoning_tokens"),
    }
}
