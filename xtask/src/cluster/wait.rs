//! Waiting for a condition, never longer than said, and telling how long things took.

use std::time::{Duration, Instant};

use crate::shell::say;

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Looks until the condition holds.
pub(crate) fn until(
    what: &str,
    most: Duration,
    mut holds: impl FnMut() -> bool,
) -> Result<(), String> {
    let end = Instant::now() + most;
    while !holds() {
        if Instant::now() >= end {
            return Err(format!("{what}: not within {} s", most.as_secs()));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Tells how far things are.
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn tell(&self, what: &str) {
        say(&format!("{:6.1} s  {what}", self.0.elapsed().as_secs_f64()));
    }
}
