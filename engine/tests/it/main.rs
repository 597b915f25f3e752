//! The engine as a whole, driven without any store or process.

mod examples;
mod laws;
mod random;
mod simulate;
