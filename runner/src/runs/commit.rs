//! Committing decisions, several runs at once, until each is written or refused.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use aob_engine::step::{Input, Verdict};
use aob_store::commit::MOST_ITEMS;
use aob_store::{Claim, Commit, Committed, Item, Outcome, Task};
use futures::future::join_all;

use super::cache::weight;
use super::decide::Learnt;
use super::share::{Told, told};
use super::ticket::call_for_notices;
use super::{Error, Runs};
use crate::measure;

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

/// How far a commit has come. It takes several calls of the store where races are lost, and any of them may fail: what
/// came of those before, the tasks claimed above all, must not be lost with it.
#[derive(Debug, Default)]
pub struct Progress {
    /// By work.
    done: Vec<Option<Done>>,
    claimed: Vec<Task>,
    /// Not made yet.
    claim: Option<Claim>,
    /// Whose holds let these works pass.
    holder: Option<Arc<str>>,
}

impl Progress {
    /// Nothing has been done.
    pub fn new(works: usize, claim: Option<Claim>) -> Self {
        let done = (0..works).map(|_| None).collect();
        Self { done, claimed: Vec::new(), claim, holder: None }
    }

    /// What became of each work, and what was claimed.
    pub fn end(self) -> (Vec<Done>, Vec<Task>) {
        (self.done.into_iter().map(|done| done.unwrap_or(Done::Raced)).collect(), self.claimed)
    }
}

impl Runs {
    /// Commits works. Works of different runs stand for themselves; a run must not be named twice.
    ///
    /// # Errors
    /// The store's, if it cannot be reached: what became of the works is unknown then, and asking again is safe.
    pub async fn commit(&self, works: &[Work]) -> Result<Vec<Done>, Error> {
        self.commit_as(None, works).await
    }

    /// Commits works, and goes first where the runs are held under this name.
    ///
    /// # Errors
    /// As [`Runs::commit`].
    pub async fn commit_as(
        &self,
        holder: Option<&Arc<str>>,
        works: &[Work],
    ) -> Result<Vec<Done>, Error> {
        let mut progress = Progress::new(works.len(), None);
        progress.holder = holder.cloned();
        self.commit_on(works, &mut progress).await?;
        Ok(progress.end().0)
    }

    /// Commits works, then claims. With a claim, starts that wait for a lane of its shard go along.
    ///
    /// # Errors
    /// As [`Runs::commit`]; asking again with the same progress goes on where it stopped.
    pub async fn commit_on(&self, works: &[Work], progress: &mut Progress) -> Result<(), Error> {
        let Progress { done, claimed, claim, holder } = progress;
        let mut open: Vec<usize> = (0..works.len()).filter(|&at| done[at].is_none()).collect();
        for race in 0.. {
            if race == MOST_RACES {
                for at in open.drain(..) {
                    done[at] = Some(Done::Raced);
                }
            }
            if open.is_empty() && claim.is_none() {
                break;
            }
            let mut rest = open.split_off(open.len().min(MOST_ITEMS));
            let mut prepared = Vec::with_capacity(open.len());
            let mut late = Vec::new();
            for at in std::mem::take(&mut open) {
                match self.prepare_known(&works[at]) {
                    Some(known) => prepared.push((at, Ok(known))),
                    None => late.push(at),
                }
            }
            if !late.is_empty() {
                // All at once: what has to be loaded costs one wait together, not one for each.
                let loaded = join_all(late.iter().map(|&at| self.prepare(&works[at], at))).await;
                prepared.extend(late.into_iter().zip(loaded));
            }
            let mut items: Vec<Item> = Vec::with_capacity(prepared.len());
            let mut decided = Vec::with_capacity(prepared.len());
            for (at, prepared) in prepared {
                match prepared {
                    // More children than were counted on.
                    Ok(Prepared::Items(own, _))
                        if !items.is_empty() && items.len() + own.len() > MOST_ITEMS =>
                    {
                        rest.push(at);
                    }
                    Ok(Prepared::Items(own, learnt)) => {
                        decided.push((at, learnt, items.len()));
                        items.extend(own);
                    }
                    Ok(Prepared::Done(settled)) => done[at] = Some(settled),
                    // A damaged run is no other run's matter.
                    Err(error @ Error::Store(aob_store::Error::Corrupt(_))) => {
                        done[at] = Some(Done::Failed(error));
                    }
                    Err(Error::Store(error)) => return Err(error.into()),
                    Err(error) => done[at] = Some(Done::Failed(error)),
                }
            }
            open = rest;
            let own = items.len();
            let mut starts = Vec::new();
            if let Some(claim) = claim.as_ref() {
                for start in self.shares.take(claim.shard, MOST_ITEMS.saturating_sub(own)) {
                    let (item, told) = start.part();
                    items.push(item);
                    starts.push(told);
                }
            }
            if items.is_empty() && claim.is_none() {
                continue;
            }
            let commit = Commit { items, claim: claim.clone(), holder: holder.clone() };
            let Committed { mut outcomes, claimed: tasks } = match self.put(commit, works).await {
                Ok(committed) => committed,
                Err(error) => {
                    let shared = claim.as_ref().filter(|_| !starts.is_empty());
                    for start in starts {
                        // Whoever no longer waits does not need to know.
                        drop(start.send(told(&error)));
                    }
                    match error {
                        aob_store::Error::Epoch => {
                            self.cache.clear();
                            self.trails.clear();
                        }
                        // It may be for a start that nothing was written.
                        aob_store::Error::Full(_) | aob_store::Error::Limit(_)
                            if let Some(claim) = shared =>
                        {
                            self.shares.shut(claim.shard);
                        }
                        error => return Err(error.into()),
                    }
                    open.extend(decided.into_iter().map(|(at, _, _)| at));
                    open.sort_unstable();
                    continue;
                }
            };
            *claim = None;
            claimed.extend(tasks);
            for (start, outcome) in
                starts.into_iter().zip(outcomes.split_off(own.min(outcomes.len())))
            {
                drop(start.send(Told::Outcome(outcome)));
            }
            for (at, learnt, item) in decided {
                match outcomes.get(item) {
                    Some(Outcome::Applied) => {
                        let verdicts = self.learn(&works[at].run, learnt);
                        measure::hops(&works[at].inputs, &verdicts);
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
        Ok(())
    }

    /// Applies inputs to one run, however many others do so too.
    ///
    /// # Errors
    /// [`Error::NoRun`], the engine's, the store's, [`Error::Busy`].
    pub async fn apply(&self, run: &str, inputs: Vec<Input>) -> Result<Vec<Verdict>, Error> {
        self.apply_then_claim(run, inputs, None).await.0
    }

    /// Applies inputs to one run and claims tasks of its shard, in one commit where nobody comes between. What was
    /// claimed is the caller's, whatever became of the inputs.
    pub(crate) async fn apply_then_claim(
        &self,
        run: &str,
        inputs: Vec<Input>,
        claim: Option<Claim>,
    ) -> (Result<Vec<Verdict>, Error>, Vec<Task>) {
        let works = [Work { run: run.into(), inputs, signals: Vec::new() }];
        let mut progress = Progress::new(works.len(), claim);
        let done = self.apply_on(run, &works, &mut progress).await;
        (done, progress.claimed)
    }

    async fn apply_on(
        &self,
        run: &str,
        works: &[Work],
        progress: &mut Progress,
    ) -> Result<Vec<Verdict>, Error> {
        let holder = self.new_holder();
        progress.holder = Some(holder.clone());
        for attempt in 0..20 {
            if attempt > 0 {
                // Whoever lost that often goes first once.
                self.store.hold(run, &holder, 100, false).await?;
            }
            self.commit_on(works, progress).await?;
            match progress.done.first_mut().and_then(Option::take) {
                Some(Done::Decided(verdicts)) => return Ok(verdicts),
                Some(Done::NoRun) => return Err(Error::NoRun(run.to_owned())),
                Some(Done::Failed(error)) => return Err(error),
                Some(Done::Raced) | None => {}
            }
        }
        Err(Error::Busy(run.to_owned()))
    }

    /// A name that nobody else holds a run under.
    pub(crate) fn new_holder(&self) -> Arc<str> {
        let number = self.holders.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number}", self.process).into()
    }

    /// Hands a commit to the store; `works` are what it was decided on, if they are known.
    pub(super) async fn put(&self, commit: Commit, works: &[Work]) -> aob_store::Result<Committed> {
        let sent = measure::Sent::new(&commit);
        let answer = self.store.commit(commit).await;
        sent.answered(&answer, works);
        answer
    }

    /// Decides one work on what is known here; none if that is not enough.
    fn prepare_known(&self, work: &Work) -> Option<Prepared> {
        let mut decided = self.decide_known(&work.run, &work.inputs)?;
        call_for_notices(&mut decided.step);
        let (item, learnt) = decided.item(work.signals.clone());
        Some(Prepared::Items(vec![item], learnt))
    }

    /// Decides one work; settles at once what needs no commit.
    async fn prepare(&self, work: &Work, at: usize) -> Result<Prepared, Error> {
        let Some(decided) = self.decide(&work.run, &work.inputs).await? else {
            self.acknowledge(work).await?;
            return Ok(Prepared::Done(Done::NoRun));
        };
        if decided.step.event.is_none() {
            let verdicts = decided.step.verdicts;
            let mut known = decided.known;
            known.state = Some(decided.before);
            self.cache.put(&work.run, known, 0);
            self.acknowledge(work).await?;
            return Ok(Prepared::Done(Done::Decided(verdicts)));
        }
        let link = at as u32 + 1;
        let (items, learnt) = self.items(decided, work.signals.clone(), link).await?;
        Ok(Prepared::Items(items, learnt))
    }

    async fn acknowledge(&self, work: &Work) -> Result<(), Error> {
        if work.signals.is_empty() {
            return Ok(());
        }
        let shard = aob_store::id::shard(&work.run).unwrap_or(0) % self.store.shards();
        Ok(self.store.ack_signals(shard, &work.signals).await?)
    }

    /// Keeps what a commit has made true; answers its verdicts.
    pub(super) fn learn(&self, run: &Arc<str>, learnt: Learnt) -> Vec<Verdict> {
        let Learnt { verdicts, after, context, mut known } = learnt;
        if after.is_ended() {
            self.endings.tell(&after);
            return verdicts;
        }
        let mut grown = 0;
        for (key, envelope) in context {
            grown += key.len() + envelope.value.as_deref().map_or(0, weight);
            known.context.insert(key, Some(envelope));
        }
        known.state = Some(after);
        self.cache.put(run, known, grown);
        verdicts
    }
}

/// A work that has been decided.
enum Prepared {
    /// To be written, then known.
    Items(Vec<Item>, Learnt),
    /// Nothing is to be written.
    Done(Done),
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aob_engine::check::Ceiling;
    use aob_engine::registry::Registry;
    use aob_engine::step::Answer;
    use aob_store::Store as _;
    use aob_store::embedded::Embedded;
    use serde_json::json;

    use super::*;
    use crate::runs::{PatchAsk, StartOptions, What};

    /// A run that cannot be read holds up none that is decided with it.
    #[tokio::test]
    async fn a_damaged_run_is_decided_for_itself() {
        let store = Arc::new(Embedded::volatile());
        let open = || Runs::new(store.clone(), Registry::builtin(), Ceiling::default());
        let runs = open();
        let document = json!({
            "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "one"},
            "spec": {"nodes": [{"id": "a", "type": "noop"}]}
        });
        let digest = runs.publish("default", &document, None).await.unwrap().digest;
        let options = StartOptions::new("default", digest, json!({}), "user:ada");
        let damaged = runs.start(&options).await.unwrap().run;
        let sound = runs.start(&options).await.unwrap().run;
        let operations =
            json!([{"op": "add", "path": "/nodes/-", "value": {"id": "b", "type": "noop"}}]);
        let ask = PatchAsk {
            id: "patch_00000000000000000000000001".into(),
            what: What::Request(json!({ "operations": operations })),
            by: "user:ada".to_owned(),
            groups: Vec::new(),
            approves: Vec::new(),
            dry_run: false,
        };
        assert!(runs.patch(&damaged, &ask).await.unwrap().record.accepted().is_some());
        let state = store.load(&damaged).await.unwrap().unwrap();

        // Another process, to which the patched graph is told wrongly.
        let other = open();
        other.remember_document(&state.head.digest, &Arc::new(document));
        let late = |run: &Arc<str>| {
            let result = Answer::Output(Arc::new(json!(null)));
            let fence = "0.1".parse().unwrap();
            let input = Input::Settled { instance: "a".to_owned(), fence, result };
            Work { run: run.clone(), inputs: vec![input], signals: Vec::new() }
        };
        let done = other.commit(&[late(&damaged), late(&sound)]).await.unwrap();
        let [Done::Failed(why), Done::Decided(_)] = &done[..] else { panic!("{done:?}") };
        assert!(why.to_string().contains("made of patches"), "{why}");
    }

    /// What was claimed is kept where a later call of the store fails, and asking again makes nothing twice.
    #[tokio::test]
    async fn what_was_claimed_outlives_a_failure() {
        let store = Arc::new(Embedded::volatile());
        let runs = Runs::new(store.clone(), Registry::builtin(), Ceiling::default());
        let document = json!({
            "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "two"},
            "spec": {"nodes": [{"id": "a", "type": "noop"}, {"id": "b", "type": "noop"}]}
        });
        let digest = runs.publish("default", &document, None).await.unwrap().digest;
        let options = StartOptions::new("default", digest, json!({}), "user:ada");
        let run = runs.start(&options).await.unwrap().run;
        let types: Arc<[Arc<str>]> = Arc::new(["noop".into()]);
        let claim = Claim { consumer: "lane".into(), types, shard: 0, max: 1 };
        let mut progress = Progress::new(0, Some(claim));
        runs.commit_on(&[], &mut progress).await.unwrap();
        let task = progress.claimed.first().cloned().expect("a task");
        let input = Input::Settled {
            instance: task.at.instance.clone(),
            fence: task.at.fence,
            result: Answer::Output(Arc::new(json!(null))),
        };
        let works = [Work { run: run.clone(), inputs: vec![input], signals: Vec::new() }];
        progress.done.push(None);
        runs.cache.clear();
        store.close().await.unwrap();
        runs.commit_on(&works, &mut progress).await.expect_err("the store is closed");
        assert_eq!(progress.claimed, [task], "it is not lost with the call that failed");
        assert!(progress.claim.is_none(), "and nothing is claimed again");
        let (done, _) = progress.end();
        assert!(matches!(done[..], [Done::Raced]), "nobody takes it for written: {done:?}");
    }
}
