//! Looking at runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aob_engine::event::{Change, Event};
use aob_engine::ir::Ir;
use aob_engine::patch::materialize_from;
use aob_engine::state::{CancelMode, IrSet, State, encode, fold};
use aob_engine::step::{Input, Verdict};
use serde_json::Value;

use super::{Done, Error, Runs, Work};

/// How long a run that is gone may take to be told as ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// A run with its graph.
#[derive(Debug, Clone)]
pub struct RunView {
    /// The state.
    pub state: Arc<State>,
    /// The graph of its current revision.
    pub ir: Arc<Ir>,
}

impl Runs {
    /// A run as it stands.
    ///
    /// # Errors
    /// [`Error::NoRun`] or the store's.
    pub async fn view(&self, run: &str) -> Result<RunView, Error> {
        let state = self.store.load(run).await?.ok_or_else(|| Error::NoRun(run.to_owned()))?;
        let ir = self.ir_of(&state).await?;
        Ok(RunView { state, ir })
    }

    /// The state that this process saw last, without asking the store.
    pub fn peek(&self, run: &str) -> Option<Arc<State>> {
        self.cache.peek(run)
    }

    /// The output of a run that has ended, or of an instance; none if there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn output(
        &self,
        run: &str,
        instance: Option<&str>,
    ) -> Result<Option<Arc<Value>>, Error> {
        let key = instance.unwrap_or("$output").to_owned();
        let mut found = self.store.context(run, std::slice::from_ref(&key)).await?;
        Ok(found.remove(&key).and_then(|envelope| envelope.value))
    }

    /// Waits until a run has ended, at most `limit`; its state then, or as it stands. A run that is dropped with
    /// its end is seen to end if this process ends it.
    ///
    /// # Errors
    /// [`Error::NoRun`] or the store's.
    pub async fn wait(&self, run: &str, limit: Duration) -> Result<Arc<State>, Error> {
        let until = tokio::time::Instant::now() + limit;
        let mut ending = self.endings.of(&run.into());
        let mut state = self.store.load(run).await?;
        let mut was_there = false;
        loop {
            let Some(now) = state else {
                // It went with its end: who committed that tells it in a moment.
                let told = tokio::time::timeout(FAREWELL, ending.state());
                let missing = || Error::NoRun(run.to_owned());
                return if was_there { told.await.map_err(|_| missing()) } else { Err(missing()) };
            };
            was_there = true;
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if now.is_ended() || left.is_zero() {
                return Ok(now);
            }
            tokio::select! {
                biased;
                state = ending.state() => return Ok(state),
                seq = self.store.watch_end(run, left) => seq?,
            };
            state = self.store.load(run).await?;
        }
    }

    /// Ends a run early. A graceful end spares what a worker holds just now.
    ///
    /// # Errors
    /// As [`Runs::apply`].
    pub async fn cancel(
        &self,
        run: &str,
        mode: CancelMode,
        by: &str,
        reason: Option<String>,
    ) -> Result<Verdict, Error> {
        for _ in 0..20 {
            let state = self.store.load(run).await?.ok_or_else(|| Error::NoRun(run.to_owned()))?;
            let claimed = self.store.claimed(&state).await?;
            let input = Input::Cancel { mode, by: by.to_owned(), reason: reason.clone(), claimed };
            let works = [Work { run: run.into(), inputs: vec![input], signals: Vec::new() }];
            // Decided on stale claims it is refused as a whole, and asked again with fresh ones.
            match self.commit(&works).await?.pop() {
                Some(Done::Decided(mut verdicts)) => {
                    return Ok(verdicts.pop().unwrap_or(Verdict::Unknown));
                }
                Some(Done::NoRun) | None => return Err(Error::NoRun(run.to_owned())),
                Some(Done::Failed(error)) => return Err(error),
                Some(Done::Raced) => {}
            }
        }
        Err(Error::Busy(run.to_owned()))
    }

    /// Every event of a run, parsed, with its bytes.
    ///
    /// # Errors
    /// The store's; [`aob_store::Error::Corrupt`] if an entry cannot be read.
    pub async fn history(&self, run: &str) -> Result<Vec<(Event, Vec<u8>)>, Error> {
        let mut all: Vec<(Event, Vec<u8>)> = Vec::new();
        loop {
            let lines = self.store.events(run, all.len() as u64, 1_000).await?;
            if lines.is_empty() {
                return Ok(all);
            }
            for line in lines {
                let event = serde_json::from_slice(&line).map_err(|error| {
                    aob_store::Error::Corrupt(format!("event {} of {run}: {error}", all.len() + 1))
                })?;
                all.push((event, line));
            }
        }
    }

    /// The graphs of all revisions of a run; its events name the registered types that each was told of.
    async fn every_ir(&self, state: &State, history: &[(Event, Vec<u8>)]) -> Result<IrSet, Error> {
        let mut irs = IrSet::new(state.head.revision, self.ir_of(state).await?);
        if state.head.base.is_some() {
            let base = self.document(state, 0).await?;
            let mut document = Value::clone(&base);
            let types = types_by_revision(history);
            let judge = async |revision: u32, document: &Value| {
                let registry = self.registry_used(types.get(&revision).copied()).await?;
                self.judge_with(document, &registry).await?.map_err(Error::Invalid)
            };
            irs.insert(0, judge(0, &document).await?);
            for (at, overlay) in self.overlays(state).await?.iter().enumerate() {
                document = materialize_from(document, &[&overlay.operations]).map_err(|error| {
                    aob_store::Error::Corrupt(format!("patch {}: {error}", overlay.id))
                })?;
                let revision = at as u32 + 1;
                if revision != state.head.revision {
                    irs.insert(revision, judge(revision, &document).await?);
                }
            }
        }
        Ok(irs)
    }

    /// Folds a run's events and compares the result with what is stored, byte for byte. Answers the number of
    /// events, or what does not fit.
    ///
    /// # Errors
    /// [`Error::NoRun`] or the store's.
    pub async fn verify(&self, run: &str) -> Result<Result<u64, String>, Error> {
        for _ in 0..100 {
            let stored = self.view(run).await?;
            let history = self.history(run).await?;
            if history.len() as u64 != stored.state.head.seq {
                // It went on between the two reads.
                if history.len() as u64 > stored.state.head.seq {
                    continue;
                }
                return Ok(Err(format!(
                    "{} events are stored, the state says {}",
                    history.len(),
                    stored.state.head.seq
                )));
            }
            let irs = self.every_ir(&stored.state, &history).await?;
            let mut state = None;
            for (event, line) in &history {
                match fold(state, event, line, &irs) {
                    Ok(next) => state = Some(next),
                    Err(corrupt) => return Ok(Err(format!("event {}: {corrupt}", event.n))),
                }
            }
            let same = state.is_some_and(|state| encode(&state) == encode(&stored.state));
            let count = history.len() as u64;
            return Ok(if same {
                Ok(count)
            } else {
                Err("the events lead to another state than the stored one".to_owned())
            });
        }
        Err(Error::Busy(run.to_owned()))
    }
}

/// By revision: the digest of what its graph was told of registered types.
fn types_by_revision(history: &[(Event, Vec<u8>)]) -> BTreeMap<u32, &str> {
    let mut told = BTreeMap::new();
    for (event, _) in history {
        for change in &event.changes {
            let (revision, types) = match change {
                Change::Started(started) => (event.rev, &started.types),
                Change::Patched(patched) => (patched.revision, &patched.types),
                _ => continue,
            };
            told.extend(types.as_deref().map(|types| (revision, types)));
        }
    }
    told
}
