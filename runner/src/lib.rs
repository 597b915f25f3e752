//! The execution side: runs nodes, routes their results, turns time and signals into commits. It knows
//! nothing of Kubernetes and holds nothing in memory that matters.
//!
//! [`runs`] decides and commits, [`work`] executes, [`coordinate`] and [`sweep`] bring in what
//! happened elsewhere, [`service`] puts them together, [`vitals`] says whether it is well. [`remote`] is for
//! workers that reach no store, [`afar`] a runner that is one of them.

pub mod afar;
pub mod clock;
pub mod coordinate;
pub mod cores;
mod measure;
pub mod node;
pub mod notice;
pub mod remote;
pub mod runs;
pub mod secret;
pub mod service;
pub mod signature;
pub mod sweep;
pub mod vitals;
pub mod work;
