//! The kinds of `aob.dev` in Kubernetes: their types, and everything else that is said about them, each thing once.
//!
//! A spec that the language has (a workflow's, a node type's, the operations of a patch) has its one schema in
//! `schema/`; here it is kept as it was written and never filled in. [`condition`] names conditions and their reasons,
//! [`label`] labels and annotations, [`event`] the reasons of events, [`rights`] what the operator may do. `aob-crds`
//! prints the manifests that `cargo xtask generate` writes to `crds/manifests`.

pub mod condition;
pub mod event;
pub mod health;
pub mod label;
pub mod manifest;
mod node_type;
pub mod rights;
mod run;
mod run_patch;
mod shape;
pub mod webhook;
mod workflow;

pub use node_type::{NodeType, NodeTypeSpec, NodeTypeStatus};
pub use run::{Cancel, OpenTicket, Phase, Run, RunSpec, RunStatus, Usage, WorkflowRef};
pub use run_patch::{
    OnConflict, PatchFinding, PatchPhase, RunPatch, RunPatchSpec, RunPatchStatus, RunRef,
};
pub use workflow::{Tag, Workflow, WorkflowSpec, WorkflowStatus};

/// The API group of every kind.
pub const GROUP: &str = "aob.dev";
/// Its version.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of every object.
pub const API_VERSION: &str = "aob.dev/v1alpha1";

#[cfg(test)]
mod tests {
    use kube::Resource;

    use super::*;

    fn of<K: Resource<DynamicType = ()>>() -> (String, String, String) {
        let text = |text: std::borrow::Cow<'_, str>| text.into_owned();
        (text(K::group(&())), text(K::version(&())), text(K::api_version(&())))
    }

    #[test]
    fn every_kind_is_of_the_one_group_and_version() {
        let one = (GROUP.to_owned(), VERSION.to_owned(), API_VERSION.to_owned());
        for kind in [of::<Workflow>(), of::<Run>(), of::<RunPatch>(), of::<NodeType>()] {
            assert_eq!(kind, one);
        }
    }
}
