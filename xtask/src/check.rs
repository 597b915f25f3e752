//! `cargo xtask check`: what needs no test to be seen.

mod engine;
mod layers;
mod sizes;

use crate::shell::{self, say};
use crate::{Outcome, compat, generate};

/// Stops at the first check that fails; the message says what mends it.
pub(crate) fn run() -> Outcome {
    shell::run("cargo", &["fmt", "--all", "--check"], &[])?;
    layers::run()?;
    engine::run()?;
    sizes::run()?;
    generate::check(false)?;
    compat::check()?;
    shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    shell::run(
        "cargo",
        &["doc", "--workspace", "--no-deps", "--quiet"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )?;
    say("check: all well");
    Ok(())
}
