//! The engine as a whole, driven without any store or process.

mod examples;
mod simulate;
