//! Committing decisions, several runs at once, until each is written or refused.

use std::sync::Arc;

use aob_engine::step::{Input, Verdict};
use aob_store::commit::MOST_ITEMS;
use aob_store::{Claim, Commit, Committed, Item, Outcome, Task};

use super::cache::weight;
use super::decide::Decided;
use super::{Error, Runs};

/// Lost races after which a caller hands its inputs to the coordinators.
const MOST_RACES: usize = 3;

/// Inputs of one run, to be folded into one event.
#[derive(Debug, Clone)]
pub struct Work {
    /// The run.
    pub run: Arc<str>,
    /// What happened, in order.
    pub inputs: Vec<Input>,
    /// Signals that these inputs came with: acknowledged by the commit.
    pub signals: Vec<String>,
}

/// What became of one [`Work`].
#[derive(Debug)]
pub enum Done {
    /// One verdict per input; applied ones are durable.
    Decided(Vec<Verdict>),
    /// No such run.
    NoRun,
    /// Lost the race too often: nothing was written.
    Raced,
    /// It cannot be decided: a damaged run.
    Failed(Error),
}

impl Runs {
    /// Commits works, then claims. Works of different runs stand for themselves; a run must not be named twice.
    ///
    /// # Errors
    /// The store's, if it cannot be reached: what became of the works is unknown then, and asking again is safe.
    pub async fn commit(
        &self,
        works: &[Work],
        mut claim: Option<Claim>,
    ) -> Result<(Vec<Done>, Vec<Task>), Error> {
        let mut done: Vec<Option<Done>> = works.iter().map(|_| None).collect();
        let mut claimed = Vec::new();
        let mut open: Vec<usize> = (0..works.len()).collect();
        for race in 0.. {
            if race == MOST_RACES {
                for at in open.drain(..) {
                    done[at] = Some(Done::Raced);
                }
            }
            if open.is_empty() && claim.is_none() {
                break;
            }
            let mut batch = Batch::default();
            let mut rest = Vec::new();
            for at in open {
                if batch.items.len() + 1 + works[at].inputs.len() > MOST_ITEMS
                    && !batch.items.is_empty()
                {
                    rest.push(at);
                    continue;
                }
                match self.prepare(&works[at], &mut batch, at).await {
                    Ok(None) => {}
                    Ok(Some(settled)) => done[at] = Some(settled),
                    Err(Error::Store(error)) => return Err(error.into()),
                    Err(error) => done[at] = Some(Done::Failed(error)),
                }
            }
            open = rest;
            let Batch { items, decided } = batch;
            if items.is_empty() && claim.is_none() {
                continue;
            }
            let committed = match self.store.commit(Commit { items, claim: claim.clone() }).await {
                Ok(committed) => committed,
                Err(aob_store::Error::Epoch) => {
                    self.cache.clear();
                    open.extend(decided.into_iter().map(|(at, _, _)| at));
                    open.sort_unstable();
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            claim = None;
            let Committed { outcomes, claimed: tasks } = committed;
            claimed.extend(tasks);
            for (at, decided, items) in decided {
                match outcomes.get(items) {
                    Some(Outcome::Applied) => {
                        let verdicts = decided.step.verdicts.clone();
                        self.learn(&works[at].run, decided);
                        done[at] = Some(Done::Decided(verdicts));
                    }
                    Some(Outcome::Ended) => {
                        done[at] =
                            Some(Done::Decided(vec![Verdict::Ended; works[at].inputs.len()]));
                    }
                    Some(Outcome::Unknown) => done[at] = Some(Done::NoRun),
                    Some(Outcome::Held(ms)) => {
                        tokio::time::sleep(std::time::Duration::from_millis((*ms).min(100))).await;
                        open.push(at);
                    }
                    _ => open.push(at),
                }
            }
            open.sort_unstable();
        }
        Ok((done.into_iter().map(|done| done.unwrap_or(Done::Raced)).collect(), claimed))
    }

    /// Applies inputs to one run, however many others do so too.
    ///
    /// # Errors
    /// [`Error::NoRun`], the engine's, the store's, [`Error::Busy`].
    pub async fn apply(&self, run: &str, inputs: Vec<Input>) -> Result<Vec<Verdict>, Error> {
        let works = [Work { run: run.into(), inputs, signals: Vec::new() }];
        for attempt in 0..20 {
            if attempt > 0 {
                // Whoever lost that often goes first once.
                self.store.hold(run, 100).await?;
            }
            let (done, _) = self.commit(&works, None).await?;
            match done.into_iter().next() {
                Some(Done::Decided(verdicts)) => return Ok(verdicts),
                Some(Done::NoRun) | None => return Err(Error::NoRun(run.to_owned())),
                Some(Done::Failed(error)) => return Err(error),
                Some(Done::Raced) => {}
            }
        }
        Err(Error::Busy(run.to_owned()))
    }

    /// Decides one work and adds its items to the batch; answers at once what needs no commit.
    async fn prepare(
        &self,
        work: &Work,
        batch: &mut Batch,
        at: usize,
    ) -> Result<Option<Done>, Error> {
        let Some(decided) = self.decide(&work.run, &work.inputs).await? else {
            self.acknowledge(work).await?;
            return Ok(Some(Done::NoRun));
        };
        if decided.step.event.is_none() {
            let verdicts = decided.step.verdicts.clone();
            let mut known = decided.known;
            known.state = Some(decided.before);
            self.cache.put(&work.run, known, 0);
            self.acknowledge(work).await?;
            return Ok(Some(Done::Decided(verdicts)));
        }
        let link = at as u32 + 1;
        let items = self.items(&decided, work.signals.clone(), link).await?;
        batch.decided.push((at, decided, batch.items.len()));
        batch.items.extend(items);
        Ok(None)
    }

    async fn acknowledge(&self, work: &Work) -> Result<(), Error> {
        if work.signals.is_empty() {
            return Ok(());
        }
        let shard = aob_store::id::shard(&work.run).unwrap_or(0) % self.store.shards();
        Ok(self.store.ack_signals(shard, &work.signals).await?)
    }

    /// Keeps what a commit has made true.
    fn learn(&self, run: &Arc<str>, decided: Decided) {
        let Decided { step, mut known, .. } = decided;
        if step.state.is_ended() {
            return self.endings.tell(&Arc::new(step.state));
        }
        let mut grown = 0;
        for (key, envelope) in step.effects.context {
            grown += key.len() + envelope.value.as_deref().map_or(0, weight);
            known.context.insert(key, Some(envelope));
        }
        known.state = Some(Arc::new(step.state));
        self.cache.put(run, known, grown);
    }
}

#[derive(Default)]
struct Batch {
    items: Vec<Item>,
    /// Position of the work, its decision, position of its item.
    decided: Vec<(usize, Decided, usize)>,
}
