//! The operator on a real API server, with a real store and a real runner beside it.

mod corpus;
mod faults;
mod guarded;
mod health;
mod jobs;
mod plane;
mod runs;
mod webhook;
mod workflows;
mod world;
