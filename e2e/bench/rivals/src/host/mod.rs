//! The machine's side: packages that the rivals' servers come from, and their processes.

mod package;
mod server;

pub use package::{RESTATE_VERSION, locked_version, postgres, restate_server};
pub use server::{Account, Launch, Server, Stop, file_system, free_port, output};
