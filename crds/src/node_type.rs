use std::borrow::Cow;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::condition::Condition;
use crate::shape;

/// A node type beside the built-in ones, as it was written.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "aob.dev",
    version = "v1alpha1",
    kind = "NodeType",
    status = "NodeTypeStatus",
    derive = "PartialEq",
    shortname = "ant",
    category = "aob",
    doc = "A node type that the installation knows beside the built-in ones.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Run", type_ = "string", json_path = ".status.run"),
    printcolumn(name = "Effect", type_ = "string", json_path = ".spec.effect"),
    printcolumn(name = "Version", type_ = "integer", json_path = ".status.version"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(transparent)]
pub struct NodeTypeSpec(pub Map<String, Value>);

impl JsonSchema for NodeTypeSpec {
    fn schema_name() -> Cow<'static, str> {
        "NodeTypeSpec".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut made = shape::made(aob_schema::structural::NODE_TYPE_SPEC);
        made["properties"]["run"]["x-kubernetes-validations"] = json!([{
            "rule": "[has(self.worker), has(self.http), has(self.lambda), has(self.job)].filter(one, one).size() == 1",
            "message": "must have one of worker, http, lambda and job"
        }]);
        shape::schema(made)
    }
}

/// What has become of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeTypeStatus {
    /// The generation of the spec that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Its version in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Who runs its tasks: worker, http, lambda, job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Ready, Stalled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shape::conditions")]
    pub conditions: Vec<Condition>,
}
