//! JSON Schemas of what other crates define, which know nothing of this one.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Anything at all.
pub(crate) fn any(_: &mut SchemaGenerator) -> Schema {
    json_schema!({})
}

/// An object.
pub(crate) fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object"})
}

/// A document of `workflow.schema.json`, which the gateway judges itself.
pub(crate) fn workflow(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"$ref": "#/components/schemas/Workflow"})
}

/// A document of `patch.schema.json`.
pub(crate) fn patch(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"$ref": "#/components/schemas/Patch"})
}

/// `aob_engine::state::RunOutcome`.
pub(crate) fn outcome(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["succeeded", "failed", "cancelled"]})
}

/// `aob_engine::state::Asks`.
pub(crate) fn asks(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["gate", "failure", "unknown", "budget", "patch"]})
}

/// `aob_runner::remote::Line`s.
pub(crate) fn said(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 256,
        "items": {
            "type": "object",
            "required": ["from", "text"],
            "additionalProperties": false,
            "properties": {
                "from": {"type": "string", "enum": ["out", "err", "aob"]},
                "text": {"type": "string"},
            },
        },
    })
}

/// `aob_runner::remote::Told`.
pub(crate) fn told(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "description": "One of the two.",
        "properties": {
            "answer": {"description": "What the run answers."},
            "failure": {
                "type": "object",
                "required": ["code", "message", "retryable"],
                "properties": {
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                    "retryable": {"type": "boolean"},
                },
            },
        },
    })
}

/// `aob_engine::state::NodeError`.
pub(crate) fn node_error(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": {"type": "string", "description": "Stable, lower case: `http_status`, `timeout`."},
            "message": {"type": "string"},
            "at": {"type": "string", "description": "The instance where it began, where that is another."},
        },
    })
}

/// `aob_store::LogLine`s.
pub(crate) fn log_lines(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["t", "at", "from", "text"],
            "properties": {
                "t": {"type": "integer", "description": "Milliseconds since 1970."},
                "at": {"type": "string", "description": "The instance; empty for the run itself."},
                "from": {"type": "string", "enum": ["out", "err", "aob"]},
                "text": {"type": "string"},
            },
        },
    })
}

/// Documents of `event.schema.json`, by what is the same in all of them.
pub(crate) fn events(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["n", "t"],
            "properties": {
                "n": {"type": "integer", "description": "Its number, from 1."},
                "t": {"type": "integer", "description": "Milliseconds since 1970."},
            },
        },
    })
}

/// `aob_engine::patch::Record`.
pub(crate) fn record(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["id", "request", "by", "time"],
        "properties": {
            "id": {"type": "string"},
            "request": {"type": "string", "description": "`sha256:<hex>` of what was asked."},
            "by": {"type": "string"},
            "time": {"type": "integer", "description": "Milliseconds since 1970."},
            "reason": {"type": "string"},
            "accepted": {
                "type": "object",
                "required": ["revision", "graph", "operations", "effects"],
                "properties": {
                    "revision": {"type": "integer"},
                    "graph": {"type": "string"},
                    "operations": {"type": "array", "items": {"type": "object"}},
                    "cancel": {"type": "array", "items": {"type": "string"}},
                    "undoes": {"type": "string"},
                    "effects": {"type": "object"},
                },
            },
            "refused": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["code", "pointer", "message", "remedy"],
                    "properties": {
                        "code": {"type": "string"},
                        "pointer": {"type": "string"},
                        "message": {"type": "string"},
                        "remedy": {"type": "string"},
                        "details": {"type": "array", "items": {"type": "string"}},
                    },
                },
            },
        },
        "oneOf": [{"required": ["accepted"]}, {"required": ["refused"]}],
    })
}

/// A list of `aob_engine::patch::Record`s.
pub(crate) fn records(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": record(generator)})
}

/// A list of `aob_engine::timeline::Move`s.
pub(crate) fn moves(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["kind", "digest", "by", "time"],
            "properties": {
                "kind": {"type": "string", "enum": ["set", "undo", "redo"]},
                "digest": {"type": "string"},
                "by": {"type": "string"},
                "time": {"type": "integer", "description": "Milliseconds since 1970."},
                "reason": {"type": "string"},
            },
        },
    })
}
