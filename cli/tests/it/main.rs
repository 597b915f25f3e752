//! The command as a person or a script uses it: the built binary on data directories of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what it expects, and panics"
)]

mod agent;
mod answer;
mod archive;
mod errors;
mod files;
mod host;
mod look;
mod mission;
mod modes;
mod owner;
mod patch;
mod patch_redis;
mod place;
mod proof;
mod run;
mod stop;
mod terminal;
mod up;
mod version;
mod words;
