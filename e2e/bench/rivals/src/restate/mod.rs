//! Restate: the server as its maker packages it, handlers by its Rust SDK, runs started by
//! its ingress.

mod handlers;
mod http;
mod ingress;
mod server;

pub use handlers::serve;
pub use ingress::{Ingress, clients};
pub use server::{Settings, Site};
