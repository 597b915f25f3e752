use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::condition::Condition;
use crate::shape;

/// A change of a run's graph that is asked for. Nothing of it can be changed; deleting it takes the patch out again.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "aob.dev",
    version = "v1alpha1",
    kind = "RunPatch",
    plural = "runpatches",
    namespaced,
    status = "RunPatchStatus",
    derive = "PartialEq",
    shortname = "apatch",
    category = "aob",
    doc = "A change of the graph of one run while it runs. Applied whole or not at all; deleted, it is undone.",
    printcolumn(name = "Run", type_ = "string", json_path = ".spec.runRef.name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Rev", type_ = "integer", json_path = ".status.revision"),
    printcolumn(name = "Actor", type_ = "string", json_path = ".status.actor"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Id", type_ = "string", json_path = ".status.id", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Applied\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    { "rule": "self.runRef == oldSelf.runRef", "message": "must stay the same: make another RunPatch" },
    {
        "rule": "has(self.baseRevision) == has(oldSelf.baseRevision) && has(self.cancel) == has(oldSelf.cancel) && has(self.reason) == has(oldSelf.reason) && has(self.onConflict) == has(oldSelf.onConflict)",
        "message": "must keep what was asked: make another RunPatch"
    },
    {
        "rule": "size(self.operations) == size(oldSelf.operations) && self.operations.all(i, o, o.op == oldSelf.operations[i].op && o.path == oldSelf.operations[i].path)",
        "message": "must keep its operations: make another RunPatch"
    }
]))]
pub struct RunPatchSpec {
    /// The run.
    pub run_ref: RunRef,
    /// Revision of the graph that the operations were written against. Needed as soon as a path counts positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("x-kubernetes-validations" = [
        { "rule": "self == oldSelf", "message": "must stay the same: make another RunPatch" }
    ]))]
    pub base_revision: Option<i32>,
    /// What if the graph has moved on since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "on_conflict")]
    pub on_conflict: Option<OnConflict>,
    /// Why, in words. Kept in the run's events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), extend("x-kubernetes-validations" = [
        { "rule": "self == oldSelf", "message": "must stay the same: make another RunPatch" }
    ]))]
    pub reason: Option<String>,
    /// What to change, in order.
    #[schemars(schema_with = "operations")]
    pub operations: Vec<Value>,
    /// Claimed instances to cancel by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "cancel")]
    pub cancel: Vec<String>,
}

/// The run that is patched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [
    { "rule": "has(self.name) != has(self.id)", "message": "must have a name or an id, and not both" }
]))]
pub struct RunRef {
    /// The Run of this name in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// The run with this id, also one that no Run asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 30), pattern(r"^run_[0-9a-hjkmnp-tv-z]{26}$"))]
    pub id: Option<String>,
}

/// What if the graph has moved on since the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnConflict {
    /// Refused, with what came between.
    Strict,
    /// Applied again, if nothing that the patch names was touched.
    Rebase,
}

/// Where a patch stands: for people, no code decides by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PatchPhase {
    /// Not answered.
    #[default]
    Pending,
    /// It made a revision.
    Applied,
    /// A rule was broken; nothing was changed.
    Refused,
    /// A later patch took it out again.
    Undone,
}

/// What became of the patch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RunPatchStatus {
    /// The generation of the spec that was acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The patch's id in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The run's id in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// For people.
    pub phase: PatchPhase,
    /// The revision that it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i32>,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Why it was refused, at most 10 findings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "atomic"))]
    pub findings: Vec<PatchFinding>,
    /// Applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shape::conditions")]
    pub conditions: Vec<Condition>,
}

/// A rule that was broken, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatchFinding {
    /// `AOB2003`: `aob explain` tells the rule.
    pub code: String,
    /// JSON pointer into the request.
    pub pointer: String,
    /// One sentence.
    pub message: String,
}

/// Part of the one schema of requests.
fn part(name: &str) -> Value {
    let all = shape::made(aob_schema::structural::PATCH_REQUEST);
    all.pointer(&format!("/properties/{name}")).cloned().unwrap_or_default()
}

fn with_rule(name: &str, rule: &str) -> Schema {
    let mut part = part(name);
    part["x-kubernetes-validations"] =
        json!([{ "rule": rule, "message": "must stay the same: make another RunPatch" }]);
    shape::schema(part)
}

fn operations(_: &mut SchemaGenerator) -> Schema {
    let mut all = part("operations");
    all["x-kubernetes-list-type"] = json!("atomic");
    shape::schema(all)
}

fn cancel(_: &mut SchemaGenerator) -> Schema {
    with_rule("cancel", "self == oldSelf")
}

fn on_conflict(_: &mut SchemaGenerator) -> Schema {
    with_rule("onConflict", "self == oldSelf")
}
