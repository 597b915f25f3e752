//! Tests with real servers and real processes, and the benchmark.
//!
//! [`witness`] has node types whose effect is outside of any store, [`answer`] is the person who says what
//! became of an attempt, [`serve`] puts a process together. The tests are in `tests/it`; `aob-witness` is the
//! process that they kill.

pub mod answer;
pub mod serve;
pub mod witness;
