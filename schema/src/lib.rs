//! The workflow language: its JSON Schemas, and the Rust types made from them.
//!
//! The schemas in `schema/` are the single source. `cargo xtask generate` makes
//! the types in `generated/` from them, and a test fails when the two differ.
//!
//! A document is judged in this order: the JSON Schema (every length, pattern
//! and range), then these types (shape only: ids, durations and expressions are
//! plain strings), then the engine (the graph). The types are lossless: a valid
//! document read and written again is the same document, absent, empty and null
//! kept apart. Integers are `u32` or `u64` by their range, other numbers `f64`;
//! a written `2` in an `f64` field comes back as `2.0`, equal in canonical JSON.
//!
//! A field has one name, and the compiler knows it:
//!
//! ```
//! fn count(spec: &aob_schema::Spec) -> usize {
//!     spec.nodes.len()
//! }
//! ```
//!
//! ```compile_fail,E0609
//! fn count(spec: &aob_schema::Spec) -> usize {
//!     spec.nods.len()
//! }
//! ```
//!
//! The typed view of a config is a closed enum, so that a match has an arm for each type:
//!
//! ```
//! use aob_schema::NodeConfig::{self, *};
//!
//! fn waits(config: &NodeConfig) -> bool {
//!     match config {
//!         Approval(_) | Delay(_) => true,
//!         Agent(_) | Exec(_) | Foreach(_) | Http(_) | Job(_) | Loop(_) => false,
//!         Noop(_) | Transform(_) | Workflow(_) | Other(_) => false,
//!     }
//! }
//! ```
//!
//! ```compile_fail,E0004
//! use aob_schema::NodeConfig::{self, *};
//!
//! fn waits(config: &NodeConfig) -> bool {
//!     match config {
//!         Approval(_) | Delay(_) => true,
//!         Exec(_) | Foreach(_) | Http(_) | Job(_) | Loop(_) => false,
//!         Noop(_) | Transform(_) | Workflow(_) | Other(_) => false,
//!     }
//! }
//! ```

mod generated;
mod present;
mod scalar;
mod templated;

pub use generated::event::{Change, Event, EventKind};
pub use generated::node_types::{
    AgentConfig, ApprovalConfig, Approvers, Assertion, Budget, DelayConfig, ExecConfig,
    ForeachConfig, HttpConfig, HttpConfigExpect, HttpConfigExpectArrayItem, JobConfig, LoopConfig,
    NODE_TYPES, NodeConfig, NoopConfig, OnDeadline, PatchPolicy, Resources, ResourcesCpu,
    TransformConfig, TransformConfigAssert, WorkflowConfig,
};
pub use generated::patch::{OnConflict, Op, Operation, PatchRequest};
pub use generated::workflow::{
    After, ApiVersion, Edge, Effect, Join, Kind, Limits, Metadata, Node, OnError, Pinning,
    Retention, Retry, Runner, Spec, Spend, UnknownTypes, Workflow,
};
pub use scalar::Scalar;
pub use templated::Templated;

/// JSON Schema of a workflow document.
pub const WORKFLOW: &str = include_str!("../workflow.schema.json");

/// JSON Schema of a request to patch a run.
pub const PATCH: &str = include_str!("../patch.schema.json");

/// JSON Schema of one event of a run.
pub const EVENT: &str = include_str!("../event.schema.json");

/// JSON Schema of a document that registers a node type.
pub const NODE_TYPE: &str = include_str!("../node-type.schema.json");

/// Structural schemas for Kubernetes, made of those above: a workflow's `spec`, a node type's, a request to patch.
pub mod structural {
    /// `spec` of a Workflow.
    pub const WORKFLOW_SPEC: &str = include_str!("../gen/kubernetes/workflow-spec.json");
    /// `spec` of a NodeType.
    pub const NODE_TYPE_SPEC: &str = include_str!("../gen/kubernetes/node-type-spec.json");
    /// A request to patch a run.
    pub const PATCH_REQUEST: &str = include_str!("../gen/kubernetes/patch-request.json");
}

/// JSON Schema of the config of a built-in node type, or `None` for any other.
pub fn node_type(name: &str) -> Option<&'static str> {
    let found = NODE_TYPES.binary_search_by_key(&name, |(known, _)| *known).ok()?;
    NODE_TYPES.get(found).map(|(_, schema)| *schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_type_is_found_and_no_other() {
        for (name, schema) in NODE_TYPES {
            assert_eq!(node_type(name), Some(*schema));
        }
        assert_eq!(node_type("acme.enrich"), None);
        assert_eq!(node_type(""), None);
    }
}
