//! A coordinator: turns what happened elsewhere (reports, lost leases, due timers, children's answers,
//! people's decisions) into commits. Stateless: any number may run, and any may stop at any time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aob_engine::step::{Due, Input};
use aob_store::SignalEntry;
use tokio::sync::watch;

use crate::runs::{Done, Runs, Work};

/// Most signals taken at once.
const BATCH: usize = 64;
/// How long an idle coordinator waits in the store.
const IDLE: Duration = Duration::from_secs(2);
/// Longest pause after an error.
const PAUSE: Duration = Duration::from_secs(2);

/// Serves the signals of one shard until `stop` becomes true.
pub async fn coordinate(
    runs: Arc<Runs>,
    shard: u32,
    consumer: Arc<str>,
    mut stop: watch::Receiver<bool>,
) {
    let mut pause = Duration::from_millis(20);
    while !*stop.borrow() {
        let entries = tokio::select! {
            entries = runs.store().signals(shard, &consumer, BATCH, IDLE) => entries,
            // Signals that this read takes along are taken over by another coordinator after 5 s.
            _ = stop.changed() => return,
        };
        let result = match entries {
            Ok(entries) => serve(&runs, entries).await,
            Err(error) => Err(error.into()),
        };
        match result {
            Ok(()) => pause = Duration::from_millis(20),
            Err(error) => {
                tracing::warn!(%error, shard, "signals cannot be served; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE);
            }
        }
    }
}

/// A duration that is over spares what workers hold, so the decision has to know what that is, as of now.
async fn tell_claims(runs: &Runs, work: &mut Work) -> Result<(), crate::runs::Error> {
    for input in &mut work.inputs {
        let over = match input {
            Input::Timer(timer) => timer.instance.is_empty() && timer.what == Due::Duration,
            Input::Overdue { .. } => true,
            _ => false,
        };
        if over && let Some(state) = runs.store().load(&work.run).await? {
            *input = Input::Overdue { claimed: runs.store().claimed(&state).await? };
        }
    }
    Ok(())
}

/// Commits signals, one event per run. What loses every race stays pending and comes again.
async fn serve(runs: &Arc<Runs>, mut entries: Vec<SignalEntry>) -> Result<(), crate::runs::Error> {
    if let Some(notices) = runs.notices() {
        notices.take(runs, &mut entries);
    }
    if entries.is_empty() {
        return Ok(());
    }
    let mut by_run: BTreeMap<Arc<str>, Work> = BTreeMap::new();
    for entry in entries {
        let run = entry.signal.run.clone();
        let work = by_run.entry(run.clone()).or_insert_with(|| Work {
            run,
            inputs: Vec::new(),
            signals: Vec::new(),
        });
        work.inputs.push(entry.signal.input);
        work.signals.push(entry.id);
    }
    let mut works: Vec<Work> = by_run.into_values().collect();
    let holder = runs.new_holder();
    for _ in 0..20 {
        for work in &mut works {
            tell_claims(runs, work).await?;
        }
        let done = runs.commit_as(Some(&holder), &works).await?;
        let mut raced = Vec::new();
        for (done, work) in done.into_iter().zip(works) {
            match done {
                Done::Decided(verdicts) => {
                    tracing::debug!(run_id = %work.run, ?verdicts, "signals served")
                }
                Done::NoRun => {}
                Done::Raced => raced.push(work),
                Done::Failed(error) => {
                    tracing::error!(run_id = %work.run, %error, "a run cannot be decided on; its signals stay");
                }
            }
        }
        for work in &raced {
            runs.store().hold(&work.run, &holder, 100, false).await?;
        }
        works = raced;
        if works.is_empty() {
            return Ok(());
        }
    }
    Ok(())
}
