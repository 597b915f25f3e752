use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::condition::Condition;
use crate::shape;

/// A run that is asked for. Nothing but `suspend`, `cancel` and `ttlAfterFinished` can be changed.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "aob.dev",
    version = "v1alpha1",
    kind = "Run",
    namespaced,
    status = "RunStatus",
    derive = "PartialEq",
    shortname = "arun",
    category = "aob",
    doc = "One run of a workflow: a way to ask for it, and how it stands. The run itself lives in the store.",
    selectable = ".spec.workflowRef.name",
    printcolumn(name = "Workflow", type_ = "string", json_path = ".spec.workflowRef.name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Progress", type_ = "string", json_path = ".status.progress"),
    printcolumn(name = "Rev", type_ = "integer", json_path = ".status.revision"),
    printcolumn(name = "Tier", type_ = "string", json_path = ".status.tier"),
    printcolumn(name = "Waiting", type_ = "string", json_path = ".status.tickets[0].node"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Id", type_ = "string", json_path = ".status.id", priority = 1),
    printcolumn(name = "USD", type_ = "string", json_path = ".status.usage.usd", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.input) == has(oldSelf.input) && has(self.patchSet) == has(oldSelf.patchSet)",
        "message": "must keep what the run began with: make another Run"
    }
]))]
pub struct RunSpec {
    /// What to run.
    #[schemars(extend("x-kubernetes-validations" = [
        { "rule": "self == oldSelf", "message": "must stay the same: make another Run" }
    ]))]
    pub workflow_ref: WorkflowRef,
    /// Its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "input")]
    pub input: Option<Map<String, Value>>,
    /// The set of patches to begin on, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), extend("x-kubernetes-validations" = [
        { "rule": "self == oldSelf", "message": "must stay the same: make another Run" }
    ]))]
    pub patch_set: Option<String>,
    /// How long this object stays after the run's end: `1h`. For ever when not set. The stored run stays as long as its
    /// workflow's `retention` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), pattern(r"^([0-9]{1,9}(ms|s|m|h|d)){1,5}$"))]
    pub ttl_after_finished: Option<String>,
    /// Nothing new begins while it is set. Set from the start, the run begins when it is taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// How to end the run early. Graceful lets `finally` run, Now does not. What was asked for is not taken back.
    #[serde(default, skip_serializing_if = "Cancel::is_none")]
    #[schemars(schema_with = "cancel")]
    pub cancel: Cancel,
}

/// A version of a workflow of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    { "rule": "!(has(self.tag) && has(self.digest))", "message": "must have a tag or a digest, not both" }
]))]
pub struct WorkflowRef {
    /// Its name.
    #[schemars(length(max = 63), pattern(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub name: String,
    /// `main` when neither is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub tag: Option<String>,
    /// One version for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), pattern(r"^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
}

/// How to end a run early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cancel {
    /// It goes on.
    #[default]
    None,
    /// What is under way has a while, then `finally` runs.
    Graceful,
    /// At once, without `finally`.
    Now,
}

impl Cancel {
    /// Whether nothing is asked.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Where a run stands: for people, no code decides by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Not begun.
    #[default]
    Pending,
    /// Under way.
    Running,
    /// For a person.
    Waiting,
    /// On request.
    Suspended,
    /// Over.
    Succeeded,
    /// Over.
    Failed,
    /// Over.
    Cancelled,
}

/// How the run stands, at most once a second anew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RunStatus {
    /// The generation of the spec that was acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The run's id in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The epoch of the store in which the run was last seen, in hex. That a run is not there proves that it is over only in
    /// a store which remembers that epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_epoch: Option<String>,
    /// The version that it began on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// For people.
    pub phase: Phase,
    /// Settled of known instances: 5/8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// The current revision of its graph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i32>,
    /// What it counts as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// What it has used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Questions that are open, at most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]), length(max = 10))]
    pub tickets: Vec<OpenTicket>,
    /// The failure, or what it waits for, in a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Admitted, Waiting, Succeeded, Complete.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shape::conditions")]
    pub conditions: Vec<Condition>,
}

/// What a run has used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// US dollars that its agents have spent, as a decimal string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd: Option<String>,
}

/// A question that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenTicket {
    /// `ticket_...`.
    pub id: String,
    /// The instance that waits.
    pub node: String,
    /// When it is answered by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

fn input(_: &mut SchemaGenerator) -> Schema {
    shape::open_object("Its input, judged by the workflow's own schema.")
}

fn cancel(_: &mut SchemaGenerator) -> Schema {
    shape::schema(serde_json::json!({
        "description": "How to end the run early. Graceful lets `finally` run, Now does not. What was asked for is not taken back.",
        "type": "string",
        "enum": ["None", "Graceful", "Now"],
        "x-kubernetes-validations": [{
            "rule": "oldSelf == 'None' || self == oldSelf || self == 'Now'",
            "message": "must not take back a cancel; Graceful may become Now"
        }]
    }))
}
