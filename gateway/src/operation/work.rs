//! How questions of workers and of registered types are answered.

use aob_runner::remote::{Handed, Sign, Taken};
use aob_runner::runs::TypeView;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schema;

/// A registered node type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TypeRow {
    /// `acme.enrich`.
    pub name: String,
    /// What a change of it may name.
    pub version: u64,
    /// A document of `node-type.schema.json`.
    #[schemars(schema_with = "schema::object")]
    pub document: Value,
}

impl From<TypeView> for TypeRow {
    fn from(view: TypeView) -> Self {
        Self { name: view.kept.name.clone(), version: view.version, document: view.document }
    }
}

/// A node type that is no longer registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TypeGone {
    /// `acme.enrich`.
    pub name: String,
}

/// Tasks for a worker.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Tasks {
    /// None if the wait was over before one was published.
    #[schemars(schema_with = "tasks")]
    pub tasks: Vec<Handed>,
    /// Seconds that a task may go without a heartbeat.
    pub lease: f64,
}

/// What became of the tasks of a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Signs {
    /// One for each, in order.
    #[schemars(schema_with = "signs")]
    pub tasks: Vec<Sign>,
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Answered {
    /// Whether it counts.
    #[schemars(schema_with = "taken")]
    pub result: Taken,
    /// Tasks that were claimed with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "tasks")]
    pub tasks: Vec<Handed>,
}

fn tasks(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["task", "run", "instance", "type", "attempt", "fence", "key", "input"],
            "properties": {
                "task": {"type": "string", "description": "To be given back with every word about it."},
                "run": {"type": "string"},
                "instance": {"type": "string"},
                "type": {"type": "string"},
                "attempt": {"type": "integer", "description": "From 1."},
                "fence": {"type": "string", "description": "To be given back with the answer."},
                "key": {"type": "string", "description": "The same over all attempts."},
                "once": {"type": "boolean", "description": "Whether the attempt must not be repeated."},
                "deadline": {"type": "string", "format": "date-time"},
                "input": {"description": "The node's config, rendered."},
            },
        },
    })
}

fn signs(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": "string", "enum": ["kept", "cancelled", "lost"]}})
}

fn taken(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["recorded", "same", "conflicting", "superseded"]})
}
