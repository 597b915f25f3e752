//! The operator on a real API server, with a real store and a real runner beside it.

mod guarded;
mod plane;
mod runs;
mod workflows;
mod world;
