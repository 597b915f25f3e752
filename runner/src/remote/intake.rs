//! Answers to tasks of one run go into one event, however many workers give them: one commit at a time for a run.

use std::sync::{Arc, Mutex, PoisonError};

use aob_engine::step::{Input, Verdict};
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use super::{Error, Remote};
use crate::runs;

/// Most answers in one event.
const BATCH: usize = 128;

/// By run: what has come while an answer is being committed.
#[derive(Default)]
pub(super) struct Intake(Mutex<FxHashMap<Arc<str>, Vec<Waiting>>>);

struct Waiting {
    input: Input,
    told: oneshot::Sender<Result<Verdict, runs::Error>>,
}

impl Remote {
    /// Commits an input of a run, with others that come meanwhile. It is carried through, whatever becomes of the caller.
    pub(super) async fn take_in(
        self: &Arc<Self>,
        run: &Arc<str>,
        input: Input,
    ) -> Result<Verdict, Error> {
        let (told, answer) = oneshot::channel();
        let leads = {
            let mut open = self.intake.0.lock().unwrap_or_else(PoisonError::into_inner);
            let leads = !open.contains_key(run);
            open.entry(run.clone()).or_default().push(Waiting { input, told });
            leads
        };
        if leads {
            tokio::spawn(self.clone().lead(run.clone()));
        }
        let gone = || aob_store::Error::Unreachable("the commit was interrupted".to_owned());
        Ok(answer.await.map_err(|_| gone())??)
    }

    async fn lead(self: Arc<Self>, run: Arc<str>) {
        loop {
            let batch: Vec<Waiting> = {
                let mut open = self.intake.0.lock().unwrap_or_else(PoisonError::into_inner);
                match open.get_mut(&run) {
                    Some(waiting) if !waiting.is_empty() => {
                        waiting.drain(..waiting.len().min(BATCH)).collect()
                    }
                    _ => {
                        open.remove(&run);
                        return;
                    }
                }
            };
            let inputs = batch.iter().map(|waiting| waiting.input.clone()).collect();
            let done = self.runs.apply(&run, inputs).await;
            let mut verdicts = match done {
                Ok(verdicts) => verdicts.into_iter(),
                Err(error) => {
                    tell_all(batch, error);
                    continue;
                }
            };
            for waiting in batch {
                // Whoever no longer waits asks again.
                drop(waiting.told.send(Ok(verdicts.next().unwrap_or(Verdict::Unknown))));
            }
        }
    }
}

/// Tells everyone of an error, which the first one is given as it is.
fn tell_all(batch: Vec<Waiting>, error: runs::Error) {
    let again = |error: &runs::Error| match error {
        runs::Error::NoRun(run) => runs::Error::NoRun(run.clone()),
        runs::Error::Busy(run) => runs::Error::Busy(run.clone()),
        other => aob_store::Error::Unreachable(other.to_string()).into(),
    };
    for waiting in batch {
        drop(waiting.told.send(Err(again(&error))));
    }
}
