//! The protocol over real connections, on a store in memory or a real Redis.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects, and panics")]

mod follow;
mod kubernetes;
mod limits;
mod oidc;
mod once;
mod place;
mod process;
mod rights;
mod routes;
mod work;
