//! Parts of schemas that are written once: conditions, and what may not change.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

/// A schema of JSON that is known to be one.
pub(crate) fn schema(value: Value) -> Schema {
    Schema::try_from(value).unwrap_or_default()
}

/// A schema that was made from the language's.
pub(crate) fn made(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// A keyed list of conditions, as Kubernetes describes them.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    schema(json!({
        "description": "What holds of the object now. Each type is there from the first look on.",
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"type": "string", "maxLength": 316, "description": "Its name."},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it holds."},
                "reason": {"type": "string", "minLength": 1, "maxLength": 1024, "description": "Why, for programs."},
                "message": {"type": "string", "maxLength": 32768, "description": "Why, for people."},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0, "description": "The generation of the spec it is about."},
                "lastTransitionTime": {"type": "string", "format": "date-time", "description": "When its status changed last."},
            },
        },
    }))
}

/// Any JSON object, kept as it was written.
pub(crate) fn open_object(description: &str) -> Schema {
    schema(json!({
        "description": description,
        "type": "object",
        "maxProperties": 256,
        "x-kubernetes-preserve-unknown-fields": true,
    }))
}
