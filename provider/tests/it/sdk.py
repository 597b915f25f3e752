"""Asks the scripted server as the providers' own programs do, and prints what they understood, as JSON.

sdk.py DIALECT BASE_URL KEY
"""

import json
import sys

dialect, base_url, key = sys.argv[1:]
TOOL = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def chat():
    import openai

    client = openai.OpenAI(api_key=key, base_url=base_url, max_retries=2)
    with client.chat.completions.stream(
        model="gpt-5.6",
        messages=[{"role": "system", "content": "You check."}, {"role": "user", "content": "Check 17"}],
        tools=[{"type": "function", "function": {"name": "patch", "description": "d", "parameters": TOOL, "strict": True}}],
        max_completion_tokens=100,
        stream_options={"include_usage": True},
    ) as stream:
        for _ in stream:
            pass
        done = stream.get_final_completion()
    message = done.choices[0].message
    return {
        "text": message.content,
        "calls": [[call.function.name, json.loads(call.function.arguments)] for call in message.tool_calls],
        "stop": done.choices[0].finish_reason,
        "model": done.model,
        "input": done.usage.prompt_tokens,
        "output": done.usage.completion_tokens,
    }


def responses():
    import openai

    client = openai.OpenAI(api_key=key, base_url=base_url, max_retries=2)
    with client.responses.stream(
        model="gpt-5.6",
        input=[{"role": "developer", "content": "You check."}, {"role": "user", "content": "Check 17"}],
        tools=[{"type": "function", "name": "patch", "description": "d", "parameters": TOOL, "strict": True}],
        max_output_tokens=100,
        store=False,
    ) as stream:
        for _ in stream:
            pass
        done = stream.get_final_response()
    return {
        "text": done.output_text,
        "calls": [[item.name, json.loads(item.arguments)] for item in done.output if item.type == "function_call"],
        "stop": done.status,
        "model": done.model,
        "input": done.usage.input_tokens,
        "output": done.usage.output_tokens,
    }


def messages():
    import anthropic

    client = anthropic.Anthropic(api_key=key, base_url=base_url.removesuffix("/v1"), max_retries=2)
    with client.messages.stream(
        model="claude-opus-5",
        system="You check.",
        messages=[{"role": "user", "content": "Check 17"}],
        tools=[{"name": "patch", "description": "d", "input_schema": TOOL}],
        max_tokens=100,
    ) as stream:
        for _ in stream:
            pass
        done = stream.get_final_message()
    usage = done.usage
    return {
        "text": "".join(block.text for block in done.content if block.type == "text"),
        "calls": [[block.name, block.input] for block in done.content if block.type == "tool_use"],
        "stop": done.stop_reason,
        "model": done.model,
        "input": usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0),
        "output": usage.output_tokens,
    }


print(json.dumps({"chat": chat, "responses": responses, "messages": messages}[dialect]()))
