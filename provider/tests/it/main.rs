//! The client against the scripted server, over real connections.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod answers;
mod ask;
mod connections;
mod cut;
mod prefix;
mod raw;
mod real;
mod script;
mod sdk;
mod tls;
