//! What a process says of itself, the same in every binary: log lines, metrics, traces, whether it is well, and
//! that it stops.
//!
//! [`log()`] begins with the log. [`metrics`] has the one table of all metrics, [`trace`] the spans of runs,
//! [`health`] what a process needs to be well; [`admin`] shows them over HTTP, [`notify`] tells systemd.

pub mod admin;
pub mod health;
mod log;
pub mod metrics;
pub mod notify;
mod stop;
pub mod trace;

pub use log::{Format, level, log, set_level};
pub use stop::{Stop, stopped};
