//! An answer as the events of each dialect.

use serde_json::{Value, json};

use super::cache::Input;
use super::{Call, Fault, Prompt, Reply};
use crate::ask::canonical;
use crate::price::likely;
use crate::settings::Dialect;

/// Bytes of text and of arguments in one event.
const PIECE: usize = 16;

/// What an answer is called and counted.
pub(super) struct About<'a> {
    pub(super) prompt: &'a Prompt,
    pub(super) input: Input,
    pub(super) n: u64,
}

impl About<'_> {
    fn model(&self) -> String {
        format!("{}+scripted", self.prompt.model)
    }
}

/// Tokens of an answer.
pub(super) fn output(reply: &Reply) -> u64 {
    let calls: usize = reply.calls.iter().map(|call| call.name.len() + written(call).len()).sum();
    likely(reply.text.len() + reply.thought.len() + calls).max(1)
}

/// The events of an answer, each as it is sent.
pub(super) fn events(about: &About<'_>, reply: &Reply) -> Vec<String> {
    match about.prompt.dialect {
        Dialect::Chat => chat(about, reply),
        Dialect::Responses => responses(about, reply),
        Dialect::Messages => messages(about, reply),
    }
}

/// The body of a refusal.
pub(super) fn refusal(dialect: Dialect, name: &str, message: &str) -> Value {
    match dialect {
        Dialect::Chat | Dialect::Responses => {
            json!({"error": {"message": message, "type": name, "param": null, "code": name}})
        }
        Dialect::Messages => json!({"type": "error", "error": {"type": name, "message": message}}),
    }
}

/// An error within a stream.
pub(super) fn broken(dialect: Dialect, fault: &Fault) -> String {
    let name = fault.error.as_deref().unwrap_or("server_error");
    let message = "the script says that it goes wrong here";
    match dialect {
        Dialect::Chat => data(&refusal(dialect, name, message)),
        Dialect::Responses => {
            let event = json!({"type": "error", "code": name, "message": message, "param": null, "sequence_number": 99});
            named(&event)
        }
        Dialect::Messages => named(&refusal(dialect, name, message)),
    }
}

fn data(value: &Value) -> String {
    format!("data: {}\n\n", canonical(value))
}

/// An event whose type is its name too.
fn named(value: &Value) -> String {
    let name = value.get("type").and_then(Value::as_str).unwrap_or_default();
    format!("event: {name}\ndata: {}\n\n", canonical(value))
}

/// What is written as the arguments of a call.
fn written(call: &Call) -> String {
    match (&call.raw, &call.arguments) {
        (Some(raw), _) => raw.clone(),
        (None, Value::Null) => "{}".to_owned(),
        (None, arguments) => canonical(arguments),
    }
}

/// A text in small pieces, cut between characters.
fn pieces(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.ceil_char_boundary(PIECE.min(rest.len()));
        let (piece, behind) = rest.split_at(at);
        all.push(piece);
        rest = behind;
    }
    all
}

fn stop<'a>(reply: &'a Reply) -> &'a str {
    match &reply.stop {
        Some(stop) => stop,
        None if reply.calls.is_empty() => "end",
        None => "tools",
    }
}

fn chat(about: &About<'_>, reply: &Reply) -> Vec<String> {
    let id = format!("chatcmpl-{}", about.n);
    let chunk = |choices: Value, usage: Value| {
        data(
            &json!({"id": id, "object": "chat.completion.chunk", "created": 1, "model": about.model(),
            "choices": choices, "usage": usage}),
        )
    };
    let delta = |delta: Value| {
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), Value::Null)
    };
    let mut all = vec![delta(json!({"role": "assistant", "content": ""}))];
    all.extend(pieces(&reply.text).iter().map(|piece| delta(json!({"content": piece}))));
    for (index, call) in reply.calls.iter().enumerate() {
        let id = format!("call_{}_{index}", about.n);
        all.push(delta(json!({"tool_calls": [{"index": index, "id": id, "type": "function",
            "function": {"name": call.name, "arguments": ""}}]})));
        all.extend(pieces(&written(call)).iter().map(|piece| {
            delta(json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
        }));
    }
    let reason = match stop(reply) {
        "tools" => "tool_calls",
        "length" => "length",
        "refused" => "content_filter",
        _ => "stop",
    };
    all.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": reason}]), Value::Null));
    let Input { all: input, cached, written } = about.input;
    let output = output(reply);
    all.push(chunk(
        json!([]),
        json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
            "completion_tokens_details": {"reasoning_tokens": likely(reply.thought.len())}}),
    ));
    all.push("data: [DONE]\n\n".to_owned());
    all
}

fn responses(about: &About<'_>, reply: &Reply) -> Vec<String> {
    let id = format!("resp_{}", about.n);
    let mut all: Vec<String> = Vec::new();
    let mut send = |mut event: Value| {
        event["sequence_number"] = json!(all.len());
        all.push(named(&event));
    };
    let response = |status: &str, output: &[Value], usage: Value, details: Value| {
        json!({"id": id, "object": "response", "created_at": 1, "status": status, "model": about.model(),
            "output": output, "usage": usage, "incomplete_details": details, "error": null,
            "parallel_tool_calls": false, "tool_choice": "auto", "tools": []})
    };
    send(
        json!({"type": "response.created", "response": response("in_progress", &[], Value::Null, Value::Null)}),
    );
    let mut items: Vec<Value> = Vec::new();
    if !reply.thought.is_empty() {
        let item = json!({"type": "reasoning", "id": format!("rs_{}", about.n), "summary": [], "encrypted_content": reply.thought});
        send(
            json!({"type": "response.output_item.added", "output_index": items.len(), "item": item}),
        );
        send(
            json!({"type": "response.output_item.done", "output_index": items.len(), "item": item}),
        );
        items.push(item);
    }
    if !reply.text.is_empty() {
        let (index, item_id) = (items.len(), format!("msg_{}", about.n));
        let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
        let item = |status: &str, content: Value| json!({"type": "message", "id": item_id, "role": "assistant", "status": status, "content": content});
        send(
            json!({"type": "response.output_item.added", "output_index": index, "item": item("in_progress", json!([]))}),
        );
        send(
            json!({"type": "response.content_part.added", "output_index": index, "item_id": item_id, "content_index": 0, "part": part("")}),
        );
        for piece in pieces(&reply.text) {
            send(
                json!({"type": "response.output_text.delta", "output_index": index, "item_id": item_id, "content_index": 0, "delta": piece, "logprobs": []}),
            );
        }
        send(
            json!({"type": "response.output_text.done", "output_index": index, "item_id": item_id, "content_index": 0, "text": reply.text, "logprobs": []}),
        );
        send(
            json!({"type": "response.content_part.done", "output_index": index, "item_id": item_id, "content_index": 0, "part": part(&reply.text)}),
        );
        let done = item("completed", json!([part(&reply.text)]));
        send(json!({"type": "response.output_item.done", "output_index": index, "item": done}));
        items.push(done);
    }
    for (at, call) in reply.calls.iter().enumerate() {
        let index = items.len();
        let item_id = format!("fc_{}_{at}", about.n);
        let item = |status: &str, arguments: &str| {
            json!({"type": "function_call", "id": item_id, "status": status,
            "call_id": format!("call_{}_{at}", about.n), "name": call.name, "arguments": arguments})
        };
        let written = written(call);
        send(
            json!({"type": "response.output_item.added", "output_index": index, "item": item("in_progress", "")}),
        );
        for piece in pieces(&written) {
            send(
                json!({"type": "response.function_call_arguments.delta", "output_index": index, "item_id": item_id, "delta": piece}),
            );
        }
        send(
            json!({"type": "response.function_call_arguments.done", "output_index": index, "item_id": item_id, "name": call.name, "arguments": written}),
        );
        let done = item("completed", &written);
        send(json!({"type": "response.output_item.done", "output_index": index, "item": done}));
        items.push(done);
    }
    let (last, status, details) = match stop(reply) {
        "length" => ("response.incomplete", "incomplete", json!({"reason": "max_output_tokens"})),
        "refused" => ("response.incomplete", "incomplete", json!({"reason": "content_filter"})),
        _ => ("response.completed", "completed", Value::Null),
    };
    let Input { all: input, cached, written } = about.input;
    let output = output(reply);
    let usage = json!({"input_tokens": input, "output_tokens": output, "total_tokens": input + output,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens_details": {"reasoning_tokens": likely(reply.thought.len())}});
    send(json!({"type": last, "response": response(status, &items, usage, details)}));
    all
}

fn messages(about: &About<'_>, reply: &Reply) -> Vec<String> {
    let Input { all: input, cached, written: cache } = about.input;
    let usage = |output: u64| {
        json!({"input_tokens": input - cached - cache, "cache_read_input_tokens": cached,
            "cache_creation_input_tokens": cache, "output_tokens": output,
            "cache_creation": {"ephemeral_5m_input_tokens": cache, "ephemeral_1h_input_tokens": 0}})
    };
    let mut all = vec![named(&json!({"type": "message_start", "message": {
        "id": format!("msg_{}", about.n), "type": "message", "role": "assistant", "model": about.model(),
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage(1)}}))];
    all.push(named(&json!({"type": "ping"})));
    let mut index = 0;
    let mut block = |start: Value, deltas: Vec<Value>| {
        all.push(named(
            &json!({"type": "content_block_start", "index": index, "content_block": start}),
        ));
        for delta in deltas {
            all.push(named(
                &json!({"type": "content_block_delta", "index": index, "delta": delta}),
            ));
        }
        all.push(named(&json!({"type": "content_block_stop", "index": index})));
        index += 1;
    };
    if !reply.thought.is_empty() {
        let mut deltas: Vec<Value> = pieces(&reply.thought)
            .iter()
            .map(|piece| json!({"type": "thinking_delta", "thinking": piece}))
            .collect();
        deltas.push(json!({"type": "signature_delta", "signature": format!("sealed-{}", about.n)}));
        block(json!({"type": "thinking", "thinking": "", "signature": ""}), deltas);
    }
    if !reply.text.is_empty() {
        let deltas = pieces(&reply.text)
            .iter()
            .map(|piece| json!({"type": "text_delta", "text": piece}))
            .collect();
        block(json!({"type": "text", "text": ""}), deltas);
    }
    for (at, call) in reply.calls.iter().enumerate() {
        let deltas = pieces(&written(call))
            .iter()
            .map(|piece| json!({"type": "input_json_delta", "partial_json": piece}))
            .collect();
        let id = format!("toolu_{}_{at}", about.n);
        block(json!({"type": "tool_use", "id": id, "name": call.name, "input": {}}), deltas);
    }
    let reason = match stop(reply) {
        "tools" => "tool_use",
        "length" => "max_tokens",
        "refused" => "refusal",
        _ => "end_turn",
    };
    all.push(named(
        &json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
        "usage": {"output_tokens": output(reply)}}),
    ));
    all.push(named(&json!({"type": "message_stop"})));
    all
}
