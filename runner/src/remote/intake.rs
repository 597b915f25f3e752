//! Answers to tasks of one run go into one event, however many workers give them: one commit at a time for a run. Those
//! who want further tasks are given them in the same commit.

use std::sync::{Arc, Mutex, PoisonError};

use aob_engine::step::{Input, Verdict};
use aob_store::{Claim, Task};
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use super::claim::MOST_TASKS;
use super::{Error, Remote};
use crate::runs;

/// Most answers in one event.
const BATCH: usize = 128;

/// By run: what has come while an answer is being committed.
#[derive(Default)]
pub(super) struct Intake(Mutex<FxHashMap<Arc<str>, Vec<Waiting>>>);

struct Waiting {
    input: Input,
    /// Tasks that are wanted with the answer.
    next: Option<Claim>,
    told: oneshot::Sender<Result<(Verdict, Vec<Task>), runs::Error>>,
}

impl Remote {
    /// Commits an input of a run, with others that come meanwhile, and claims what is wanted next. It is carried
    /// through, whatever becomes of the caller.
    pub(super) async fn take_in(
        self: &Arc<Self>,
        run: &Arc<str>,
        input: Input,
        next: Option<Claim>,
    ) -> Result<(Verdict, Vec<Task>), Error> {
        let (told, answer) = oneshot::channel();
        let leads = {
            let mut open = self.intake.0.lock().unwrap_or_else(PoisonError::into_inner);
            let leads = !open.contains_key(run);
            open.entry(run.clone()).or_default().push(Waiting { input, next, told });
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
            let next = wanted(&batch);
            let (done, tasks) = self.runs.apply_then_claim(&run, inputs, next.clone()).await;
            let mut tasks = self.begin(tasks).await;
            let mut verdicts = match done {
                Ok(verdicts) => verdicts.into_iter(),
                Err(error) => {
                    tell_all(batch, error);
                    self.give_back(tasks).await;
                    continue;
                }
            };
            for waiting in batch {
                let own = waiting.next.as_ref().filter(|own| is_like(own, next.as_ref()));
                let most = own.map_or(0, |own| own.max).min(tasks.len());
                let verdict = verdicts.next().unwrap_or(Verdict::Unknown);
                let told = waiting.told.send(Ok((verdict, tasks.drain(..most).collect())));
                // Whoever no longer waits asks again, and others take the tasks.
                if let Err(Ok((_, unwanted))) = told {
                    self.give_back(unwanted).await;
                }
            }
            self.give_back(tasks).await;
        }
    }
}

/// One claim for all who want the same as the first who wants anything; the others ask for themselves.
fn wanted(batch: &[Waiting]) -> Option<Claim> {
    let first = batch.iter().find_map(|waiting| waiting.next.clone())?;
    let alike = batch.iter().filter_map(|waiting| waiting.next.as_ref());
    let alike = alike.filter(|next| is_like(next, Some(&first)));
    let max = alike.map(|next| next.max).sum::<usize>().min(MOST_TASKS);
    Some(Claim { max, ..first })
}

fn is_like(one: &Claim, other: Option<&Claim>) -> bool {
    other.is_some_and(|other| one.types == other.types)
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
