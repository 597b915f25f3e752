//! The worker protocol: tasks for programs that reach no store. They ask a gateway, with these functions behind it.
//!
//! Nothing is kept here that matters. A task's name says all that is needed to keep it and to answer it, so any
//! process may take the answer to what another one gave out.

mod answer;
mod claim;
mod consult;
mod heartbeat;
mod intake;
mod name;
mod patched;
mod release;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use aob_engine::catalogue::Entry;
use aob_engine::issue::Issue;
use aob_engine::patch::Finding;

use crate::runs::{self, Runs};
use intake::Intake;

pub use answer::{Completion, Failing, Taken};
pub use claim::{ClaimAsk, Handed};
pub use consult::{Question, Told};
pub use heartbeat::Sign;
pub use name::TaskName;
pub use tell::{Line, Said};

/// The worker protocol on the runs of a store.
pub struct Remote {
    runs: Arc<Runs>,
    /// Names this process to the store; new at every start.
    consumer: Arc<str>,
    lease: Duration,
    intake: Intake,
}

impl Remote {
    /// On these runs; `lease` is how long a task may go without a sign of life.
    pub fn new(runs: Arc<Runs>, lease: Duration) -> Arc<Self> {
        let consumer = format!("door-{}-{:08x}", std::process::id(), rand::random::<u32>()).into();
        Arc::new(Self { runs, consumer, lease, intake: Intake::default() })
    }

    /// How long a task may go without a sign of life.
    pub fn lease(&self) -> Duration {
        self.lease
    }
}

/// Why a worker's request comes to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It breaks a rule of the protocol.
    #[error("{}: {}", .0.entry.code, .0.message)]
    Refused(Box<Issue>),
    /// The patch that came with an answer is refused; every finding. The task is the worker's still.
    #[error("the patch is refused: {}", .0.first().map_or("", |first| &first.message))]
    Patch(Vec<Finding>),
    /// The run cannot be decided on.
    #[error(transparent)]
    Runs(#[from] runs::Error),
}

impl From<aob_store::Error> for Error {
    fn from(error: aob_store::Error) -> Self {
        Self::Runs(error.into())
    }
}

/// The refusal of a request, at a place in it.
fn refused(entry: &'static Entry, pointer: impl Into<String>, message: impl Into<String>) -> Error {
    Error::Refused(Box::new(Issue::new(entry, pointer, message)))
}
