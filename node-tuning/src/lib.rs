//! Tunes a machine that runs AOB: cores, memory, limits and kernel settings, from one set of profiles.
//!
//! [`profile`] holds every number. [`machine`] reads what is there, [`division`] and [`plan`] say what would be
//! changed, [`apply`] changes it and puts it back, [`status`] looks whether it still is so. [`render`] makes the
//! package's units and Kubernetes' fragments of the same profiles. [`cluster`] is the agent of a cluster's nodes.

pub mod apply;
pub mod cluster;
pub mod division;
pub mod machine;
mod owner;
pub mod plan;
pub mod problem;
pub mod profile;
pub mod ranges;
pub mod render;
pub mod root;
pub mod state;
pub mod status;
mod systemd;
