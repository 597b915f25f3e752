//! Everything that can be asked of runs, in one protocol: in process, over a socket and over HTTPS.
//!
//! [`operation`] says what can be asked and how it is answered, [`perform`] does it on a store, [`route`] is the one
//! table that says how each request looks over HTTP and which right it needs; [`http`] serves it, [`client`] asks
//! it, [`openapi`] describes it. [`caller`] says who asks and what that caller may do.

pub mod caller;
pub mod client;
pub mod http;
pub mod openapi;
pub mod operation;
pub mod perform;
pub mod problem;
pub mod route;
pub mod socket;
