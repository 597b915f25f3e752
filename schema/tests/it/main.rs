//! The schemas and the types made from them, judged by the corpus in
//! `testdata/` and by the rules of the dialect they are written in.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

mod corpus;
mod dialect;
mod documents;
mod examples;
