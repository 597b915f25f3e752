//! Keeping workflows and starting runs.

use std::sync::Arc;

use aob_engine::canonical::canonical_json;
use aob_engine::ir::Ir;
use aob_engine::patch::Record;
use aob_engine::state::IrSet;
use aob_engine::step::{Now, Replay, StartRequest};
use aob_store::{Commit, Item, Outcome, id};
use serde_json::Value;

use super::admission::Counted;
use super::cache::Known;
use super::patch_set::Ground;
use super::share::Told;
use super::{Ending, Error, Runs};
use crate::clock;

/// A workflow that has been judged and kept.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its name.
    pub name: String,
    /// Digest of its spec.
    pub digest: String,
    /// The compiled graph, with its warnings.
    pub ir: Arc<Ir>,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// Who owns the run.
    pub tenant: Arc<str>,
    /// Digest of the workflow's spec.
    pub digest: String,
    /// Its input; an object.
    pub input: Arc<Value>,
    /// Who asks: `user:<name>`.
    pub by: Arc<str>,
    /// The same key within 72 h is the same run.
    pub key: Option<String>,
    /// Digest of a set of patches to begin on.
    pub patch_set: Option<String>,
    /// Answers of another run to begin with.
    pub replay: Option<Arc<Replay>>,
    /// Milliseconds that it stays after its end at least, whatever its graph says.
    pub keep: u64,
    /// What its id is made of; without it of the clock and chance.
    pub derived: Option<Derived>,
}

/// What an id is made of where whoever asks for a run has a name for it: asked for twice, it is one run for as long as
/// it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Derived {
    /// Milliseconds since 1970.
    pub time: u64,
    /// Random bits; the upper 32 choose the shard.
    pub random: u128,
}

impl StartOptions {
    /// A run on a graph as it was kept, under no key.
    pub fn new(
        tenant: impl Into<Arc<str>>,
        digest: impl Into<String>,
        input: Value,
        by: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            tenant: tenant.into(),
            digest: digest.into(),
            input: Arc::new(input),
            by: by.into(),
            key: None,
            patch_set: None,
            replay: None,
            keep: 0,
            derived: None,
        }
    }
}

/// A tag to point at what is kept, and in whose name.
#[derive(Debug, Clone, Copy)]
pub struct Tagged<'a> {
    /// The tag.
    pub tag: &'a str,
    /// `user:<name>`.
    pub by: &'a str,
}

/// A run that began, or had begun before under the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// `run_...`.
    pub run: Arc<str>,
    /// Whether it was there already.
    pub existing: bool,
}

impl Runs {
    /// Judges a workflow, keeps it under its digest, and points a tag at it if one is named.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every finding, or the store's.
    pub async fn publish(
        &self,
        tenant: &str,
        document: &Value,
        tagged: Option<Tagged<'_>>,
    ) -> Result<Published, Error> {
        let ir = self.judge_for(Some(tenant), document).await?.map_err(Error::Invalid)?;
        let published =
            Published { name: ir.name.clone(), digest: ir.digest.clone(), ir: ir.clone() };
        self.store.put_artifact(&published.digest, canonical_json(document).as_bytes()).await?;
        if let Some(Tagged { tag, by }) = tagged {
            self.point(tenant, &published.name, tag, &published.digest, by, None).await?;
        }
        Ok(published)
    }

    /// Starts a run.
    ///
    /// # Errors
    /// [`Error::NoGraph`], [`Error::Refused`] if the input does not fit, [`Error::Throttled`], or the store's.
    pub async fn start(&self, options: &StartOptions) -> Result<Started, Error> {
        Ok(self.begin(options, false).await?.0)
    }

    /// Starts a run, with a handle on its end: nothing is missed, however soon that is.
    ///
    /// # Errors
    /// As [`Runs::start`].
    pub async fn start_followed(&self, options: &StartOptions) -> Result<(Started, Ending), Error> {
        let (started, ending) = self.begin(options, true).await?;
        let ending = match ending {
            Some(ending) if !started.existing => ending,
            _ => self.endings.of(&started.run),
        };
        Ok((started, ending))
    }

    /// The id of a run that is started under no key with `derived`.
    pub fn id_of(&self, derived: Derived) -> Arc<str> {
        id::run(derived.time, derived.random, shard_of(derived.random) % self.store.shards())
    }

    async fn begin(
        &self,
        options: &StartOptions,
        follow: bool,
    ) -> Result<(Started, Option<Ending>), Error> {
        if let Some(key) = &options.key
            && let Some(run) = self.store.keyed(&options.tenant, key).await?
        {
            return Ok((Started { run, existing: true }, None));
        }
        let Ground { ir, revision, on, overlay } = self.ground(options).await?;
        let random: u128 = options.derived.map_or_else(rand::random, |derived| derived.random);
        let shard = match &options.key {
            // One key, one shard: the store decides between two who start it at once.
            Some(key) => key
                .bytes()
                .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))),
            None => shard_of(random),
        } % self.store.shards();
        let allowed = self.allowed(&options.tenant).await?;
        let mut alone = false;
        let mut counted = Counted::default();
        for attempt in 0..10 {
            let now = Now { time: clock::now(), epoch: self.store.epoch() };
            let time = options.derived.map_or(now.time, |derived| derived.time);
            let run = id::run(time, random, shard);
            let request = StartRequest {
                on: on.clone(),
                replay: options.replay.clone(),
                keep: options.keep,
                allowed,
                ..StartRequest::new(
                    run.clone(),
                    options.tenant.clone(),
                    options.input.clone(),
                    options.by.clone(),
                )
            };
            let irs = IrSet::new(revision, ir.clone());
            let step = self.first_step(&irs, revision, &request, now.time).await??;
            // What cannot start does not count; what is tried again counts once.
            if attempt == 0 {
                let about =
                    options.key.as_ref().map_or(["run", &*run], |key| ["key", key.as_str()]);
                let tier = step.state.head.tier();
                counted = self.count_start(&options.tenant, tier, &about).await?;
            }
            let record = overlay.as_ref().map(|overlay| overlay.record(&options.by, now, shard));
            let ending = follow.then(|| self.endings.of(&run));
            if !step.effects.children.is_empty() {
                let started = self.start_with_children(step, &ir, options, run, record).await;
                if is_unwritten(&started) {
                    self.give_back(counted).await;
                }
                return Ok((started?, ending));
            }
            let item = self.first_item(step, &ir, options.key.clone(), record);
            let first = item.after.clone();
            // Its first task may be answered here before this commit is: nothing is to be loaded then.
            self.expect(&item);
            let outcome = self.write_start(shard, item, alone).await;
            if !matches!(outcome, Ok(Some(Outcome::Applied))) || first.is_ended() {
                drop(self.cache.take(&run));
            }
            let started = match outcome {
                Ok(Some(Outcome::Exists(run))) => Started { run, existing: true },
                Ok(Some(_)) => Started { run, existing: false },
                Ok(None) => {
                    alone = true;
                    continue;
                }
                Err(aob_store::Error::Epoch) => continue,
                Err(error) => {
                    let failed = Err(error.into());
                    if is_unwritten(&failed) {
                        self.give_back(counted).await;
                    }
                    return failed.map(|started| (started, None));
                }
            };
            if first.is_ended() && !started.existing {
                self.endings.tell(&first);
            }
            return Ok((started, ending));
        }
        Err(aob_store::Error::Epoch.into())
    }

    /// Writes a run's first item, with a lane's commit if there is a busy one; none if it is to be tried `alone`.
    async fn write_start(
        &self,
        shard: u32,
        item: Item,
        alone: bool,
    ) -> aob_store::Result<Option<Outcome>> {
        let mut item = Some(item);
        if !alone && let Some(told) = self.shares.leave(shard, &mut item) {
            return match told.await {
                Ok(Told::Outcome(outcome)) => Ok(Some(outcome)),
                Ok(Told::Alone) => Ok(None),
                Ok(Told::Failed(error)) => Err(error),
                Err(_) => {
                    Err(aob_store::Error::Unreachable("the lane that wrote it is gone".to_owned()))
                }
            };
        }
        let items = item.into_iter().collect();
        let committed = self.put(Commit { items, ..Commit::default() }, &[]).await?;
        Ok(committed.outcomes.into_iter().next())
    }

    /// Keeps what a start will have made true.
    fn expect(&self, first: &Item) {
        let context = first.effects.context.iter();
        let context =
            context.map(|(key, envelope)| (key.clone(), Some(envelope.clone()))).collect();
        let known = Known { state: Some(first.after.clone()), context };
        self.cache.put(&first.after.head.run, known, first.line.len());
    }

    /// A run whose first nodes are child runs: all of them begin, or none.
    async fn start_with_children(
        &self,
        step: aob_engine::step::Step,
        ir: &Arc<Ir>,
        options: &StartOptions,
        run: Arc<str>,
        record: Option<Arc<Record>>,
    ) -> Result<Started, Error> {
        let decided = super::decide::Decided {
            before: Arc::new(step.state.clone()),
            step,
            known: Default::default(),
            ir: ir.clone(),
        };
        let (mut items, _) = self.items(decided, Vec::new(), 1).await?;
        if let Some(first) = items.first_mut() {
            first.before = None;
            first.key.clone_from(&options.key);
            first.patch = record;
        }
        let committed = self.put(Commit { items, ..Commit::default() }, &[]).await?;
        match committed.outcomes.into_iter().next() {
            Some(Outcome::Applied) => Ok(Started { run, existing: false }),
            Some(Outcome::Exists(run)) => Ok(Started { run, existing: true }),
            _ => Err(Error::Busy(run.to_string())),
        }
    }

    /// The digest behind a workflow's name and tag (`main` without one).
    ///
    /// # Errors
    /// [`Error::NoWorkflow`].
    pub async fn resolve(
        &self,
        tenant: &str,
        name: &str,
        tag: Option<&str>,
    ) -> Result<String, Error> {
        let tag = tag.unwrap_or("main");
        let digest = self.store.tag(tenant, name, tag).await?;
        digest.ok_or_else(|| Error::NoWorkflow(format!("{name} with tag {tag}")))
    }
}

fn shard_of(random: u128) -> u32 {
    (random >> 96) as u32
}

/// Whether a start certainly left nothing behind: after other failures it may be there, and counts.
fn is_unwritten(started: &Result<Started, Error>) -> bool {
    use aob_store::Error::{Full, Limit};
    matches!(started, Err(Error::Busy(_) | Error::Invalid(_) | Error::Store(Full(_) | Limit(_))))
}
