//! The pure core of AOB: what a workflow means.
//!
//! Nothing here does IO, sees a clock or draws a random number. A reader follows the data:
//! [`read`] turns text into a document with places, [`check`] judges it, [`compile`] turns it into the
//! [`ir::Ir`], [`route`] decides what a completion leads to, and [`state`] is the fold of its events.

pub mod canonical;
pub mod catalogue;
pub mod check;
pub mod compile;
pub mod event;
pub mod expr;
mod guarded;
pub mod id;
pub mod ir;
pub mod issue;
pub mod layer;
pub mod mutant;
pub mod patch;
pub mod pool;
pub mod read;
mod reads;
pub mod registry;
pub mod route;
pub mod state;
pub mod step;
pub mod tier;
pub mod time;
pub mod timeline;
