//! Made by `cargo xtask generate` from the JSON Schemas; not edited by hand.
//! Not formatted by rustfmt either, so that the check can compare bytes.
#![allow(clippy::all, clippy::use_self, reason = "the generator's style is not ours")]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "only what lib.rs names is public")]

#[rustfmt::skip]
pub mod event;
#[rustfmt::skip]
pub mod node_types;
#[rustfmt::skip]
pub mod patch;
#[rustfmt::skip]
pub mod workflow;
