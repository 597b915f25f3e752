//! Workflows, runs and patches as Kubernetes objects.
//!
//! Runs live in the store and are moved by runners; an object is a way to ask for one and a projection of the answer.
//! A controller ([`workflow`], [`run`], [`patch`], [`node_type`]) reads what it needs, judges the object, decides
//! without any IO, does it through [`aob_runner::runs`], and says in the object's status what became of it. Each step is
//! a file of its own; `build` and `status` are functions from values to values.
//!
//! [`drive`] turns watches into reconciles, [`lease`] lets one process act at a time, [`follow`] notices what happens to
//! runs in the store, [`waiting`] remembers who waits for what.
//! [`pool`] keeps runner pods of tenants. [`webhook`] judges what is applied before it is stored.

pub mod arguments;
pub mod context;
pub mod drive;
pub mod error;
pub mod finalizer;
pub mod follow;
pub mod identity;
pub mod job;
pub mod lanes;
pub mod lease;
pub mod namespace;
pub mod node_type;
pub mod note;
pub mod password;
pub mod patch;
pub mod pool;
pub mod retry;
pub mod run;
pub mod serve;
pub mod waiting;
pub mod webhook;
pub mod workflow;
pub mod write;
