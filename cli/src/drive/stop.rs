//! The word to stop.

use aob_engine::catalogue;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::problem::{Problem, Result};

/// SIGINT, SIGTERM and SIGHUP, from when it is made on.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stop {
    pub(crate) fn new() -> Result<Self> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Problem::new(&catalogue::SYSTEM, "signals", error.to_string()))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one; how a command ends that it stops.
    pub(crate) async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
            _ = self.hang_up.recv() => Exit::Terminated,
        }
    }
}
