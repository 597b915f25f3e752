//! The client against the scripted server, over real connections.

mod answers;
mod ask;
mod connections;
mod cut;
mod prefix;
mod raw;
mod real;
mod tls;
