//! The pools that are known: who wants them, and what was last made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aob_engine::ir::{Ir, Kind, Pool as Whose};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::report::Pinned;
use super::scale::{Bounds, Load, Scale};
use super::settings::{Pinning, Settings};
use super::{AGAIN, Key, LOOK, SLOW};

/// Most pools, and most secrets of one.
const MOST: (usize, usize) = (10_000, 256);

/// What a workflow wants of its pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Want {
    /// The pool's name.
    pub runners: String,
    /// `spec.runner` as it is written.
    pub runner: Value,
    /// Secrets that its nodes read, by name.
    pub secrets: BTreeSet<String>,
}

impl Want {
    /// What a graph wants; nothing if none of its nodes runs on pods of its own.
    pub fn of(ir: &Ir, document: &Value) -> Option<Self> {
        let theirs = ir.nodes.iter().filter(|node| node.pool == Whose::Runners);
        let (mut secrets, mut any) = (BTreeSet::new(), false);
        for node in theirs {
            any = true;
            let Kind::Task { config, .. } = &node.kind else { continue };
            for (_, read) in config.reads().filter(|(_, read)| read.root == "secrets") {
                let name = read.text.split('.').nth(1).unwrap_or_default();
                if !name.is_empty() && secrets.len() < MOST.1 {
                    secrets.insert(name.to_owned());
                }
            }
        }
        let runner = document.pointer("/spec/runner").cloned().unwrap_or_else(|| json!({}));
        any.then(|| Self { runners: ir.runners.to_string(), runner, secrets })
    }
}

/// Every pool that is known.
#[derive(Debug, Default)]
pub struct Pools(Mutex<BTreeMap<Key, Pool>>);

#[derive(Debug)]
struct Pool {
    /// Unknown of one that only a Deployment was found of.
    runner: Option<Value>,
    /// Workflows, and the secrets that each reads.
    users: BTreeMap<String, BTreeSet<String>>,
    scale: Scale,
    written: Option<Written>,
    pinned: Option<Pinned>,
    ready: u32,
    looked: Option<Instant>,
    paused: Option<Instant>,
    /// Since when nobody wants it and there is nothing to do.
    unused: Option<Instant>,
    /// Secrets that workflows were told of.
    news: BTreeSet<(String, String)>,
}

#[derive(Debug)]
struct Written {
    pods: u32,
    asked: BTreeMap<String, Vec<String>>,
    at: Instant,
}

/// What is to be done about a pool now.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) pods: u32,
    pub(super) runner: Value,
    pub(super) pinning: Pinning,
    /// Secrets that are read, and by which workflows.
    pub(super) asked: BTreeMap<String, Vec<String>>,
    /// Those that may be mounted.
    pub(super) secrets: Vec<String>,
    pub(super) write: bool,
    pub(super) look: bool,
    pub(super) leave: bool,
}

impl Pool {
    fn new(runner: Option<Value>) -> Self {
        Self {
            runner,
            users: BTreeMap::new(),
            scale: Scale::default(),
            written: None,
            pinned: None,
            ready: 0,
            looked: None,
            paused: None,
            unused: None,
            news: BTreeSet::new(),
        }
    }

    fn asked(&self) -> BTreeMap<String, Vec<String>> {
        let mut asked: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (workflow, secrets) in &self.users {
            for secret in secrets {
                asked.entry(secret.clone()).or_default().push(workflow.clone());
            }
        }
        asked
    }
}

impl Pools {
    /// Keeps what a workflow wants, and forgets what it wanted before.
    pub fn want(&self, namespace: &str, workflow: &str, want: Option<&Want>) {
        let mut all = self.all();
        for (key, pool) in all.iter_mut() {
            if key.namespace == namespace && want.is_none_or(|want| want.runners != key.runners) {
                pool.users.remove(workflow);
            }
        }
        let Some(want) = want else { return };
        let key = Key { namespace: namespace.to_owned(), runners: want.runners.clone() };
        if all.len() >= MOST.0 && !all.contains_key(&key) {
            return;
        }
        let pool = all.entry(key).or_insert_with(|| Pool::new(None));
        pool.runner = Some(want.runner.clone());
        pool.users.insert(workflow.to_owned(), want.secrets.clone());
    }

    /// Whether the pods of a workflow have cores of their own, if it has any.
    pub fn pinned(&self, namespace: &str, runners: &str) -> Option<Pinned> {
        let key = Key { namespace: namespace.to_owned(), runners: runners.to_owned() };
        self.all().get(&key)?.pinned.clone()
    }

    /// There is work for a pool that may not be known: one that asks for nothing special can be made all the same.
    pub(super) fn meet(&self, key: Key) {
        let mut all = self.all();
        if all.len() < MOST.0 && key.runners == aob_engine::pool::name(None) {
            all.entry(key).or_insert_with(|| Pool::new(Some(json!({}))));
        }
    }

    /// A pool that was made before this process began, and how many pods it has.
    pub(super) fn found(&self, key: Key, pods: u32) {
        let mut all = self.all();
        let runner = (key.runners == aob_engine::pool::name(None)).then(|| json!({}));
        let pool = all.entry(key).or_insert_with(|| Pool::new(runner));
        pool.scale.pods = pool.scale.pods.max(pods);
    }

    /// Workflows that are not there any more want nothing.
    pub(super) fn forget_users(&self, is_gone: impl Fn(&str, &str) -> bool) {
        for (key, pool) in self.all().iter_mut() {
            pool.users.retain(|workflow, _| !is_gone(&key.namespace, workflow));
        }
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.all().keys().cloned().collect()
    }

    /// What is to be done about a pool now, if anything.
    pub(super) fn turn(
        &self,
        key: &Key,
        load: Load,
        settings: &Settings,
        now: Instant,
    ) -> Option<Turn> {
        let mut all = self.all();
        let pool = all.get_mut(key)?;
        let bounds = Bounds {
            min: if pool.users.is_empty() { 0 } else { settings.min },
            max: settings.max,
            slots: settings.slots,
            idle: settings.idle,
        };
        pool.scale.follow(load, bounds, now);
        if pool.paused.is_some_and(|until| now < until) {
            return None;
        }
        let is_unused = pool.users.is_empty() && load == Load::default();
        pool.unused = if is_unused { pool.unused.or(Some(now)) } else { None };
        let leave =
            pool.unused.is_some_and(|since| now.saturating_duration_since(since) >= settings.idle);
        // Of an unknown one nothing can be made; it is left when there is nothing to do.
        let runner = match &pool.runner {
            Some(runner) => runner.clone(),
            None if leave => Value::Null,
            None => return None,
        };
        let (pods, asked) = (pool.scale.pods, pool.asked());
        let write = pool.written.as_ref().is_none_or(|written| {
            written.pods != pods
                || written.asked != asked
                || now.saturating_duration_since(written.at) >= SLOW
        });
        let settled = pool.ready == pods && pool.pinned.as_ref().is_some_and(Pinned::is_settled);
        let pause = if settled { AGAIN } else { LOOK };
        let look = pool.looked.is_none_or(|at| now.saturating_duration_since(at) >= pause);
        let pinning = pinning(&runner, settings);
        let secrets = Vec::new();
        Some(Turn { pods, runner, pinning, asked, secrets, write, look: look || write, leave })
    }

    pub(super) fn written(&self, key: &Key, turn: &Turn, now: Instant) {
        if let Some(pool) = self.all().get_mut(key) {
            pool.paused = None;
            pool.written = Some(Written { pods: turn.pods, asked: turn.asked.clone(), at: now });
        }
    }

    pub(super) fn pause(&self, key: &Key, until: Instant) {
        if let Some(pool) = self.all().get_mut(key) {
            pool.paused = Some(until);
        }
    }

    pub(super) fn counted(&self, key: &Key, ready: u32, now: Instant) {
        if let Some(pool) = self.all().get_mut(key) {
            pool.ready = ready;
            pool.looked = Some(now);
        }
    }

    /// How many pods there are to be, and how many are ready.
    pub(super) fn count(&self, key: &Key) -> (u32, u32) {
        self.all().get(key).map_or((0, 0), |pool| (pool.scale.pods, pool.ready))
    }

    /// Keeps how the pods are; the workflows that are to say so, if it is something new.
    pub(super) fn told(&self, key: &Key, pinned: Pinned) -> Vec<String> {
        let mut all = self.all();
        let Some(pool) = all.get_mut(key) else { return Vec::new() };
        if pool.pinned.as_ref() == Some(&pinned) {
            return Vec::new();
        }
        pool.pinned = Some(pinned);
        pool.users.keys().cloned().collect()
    }

    /// Whether a workflow has not been told of a secret.
    pub(super) fn is_news(&self, key: &Key, workflow: &str, secret: &str) -> bool {
        let mut all = self.all();
        let pool = all.get_mut(key);
        pool.is_some_and(|pool| pool.news.insert((workflow.to_owned(), secret.to_owned())))
    }

    pub(super) fn leave(&self, key: &Key) {
        self.all().remove(key);
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Pool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As a `spec.runner` asks for it, else as the installation has it.
fn pinning(runner: &Value, settings: &Settings) -> Pinning {
    let written = runner.get("pinning").and_then(|value| Pinning::deserialize(value).ok());
    written.unwrap_or(settings.defaults.pinning)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::settings::tests::settings;
    use super::*;

    fn key(runners: &str) -> Key {
        Key { namespace: "finance".into(), runners: runners.into() }
    }

    fn want(secrets: &[&str]) -> Want {
        let runner = json!({"cpu": 2});
        let secrets = secrets.iter().map(|name| (*name).to_owned()).collect();
        Want { runners: aob_engine::pool::name(Some(&runner)), runner, secrets }
    }

    fn load(waiting: u64) -> Load {
        Load { waiting, held: 0 }
    }

    #[test]
    fn a_pool_is_written_when_something_about_it_changes_and_left_when_nobody_wants_it() {
        let (pools, settings, start) = (Pools::default(), settings(), Instant::now());
        let (want, at) = (want(&["erp"]), |seconds| start + Duration::from_secs(seconds));
        let key = key(&want.runners);
        pools.want("finance", "invoices", Some(&want));
        let turn = pools.turn(&key, load(0), &settings, at(0)).unwrap();
        assert!(turn.write && turn.pods == 0 && !turn.leave, "{turn:?}");
        assert_eq!(turn.asked, [("erp".to_owned(), vec!["invoices".to_owned()])].into());
        pools.written(&key, &turn, at(0));
        pools.want("finance", "invoices", Some(&want));
        assert!(!pools.turn(&key, load(0), &settings, at(1)).unwrap().write, "the same again");
        let turn = pools.turn(&key, load(9), &settings, at(2)).unwrap();
        assert!(turn.write && turn.pods == 3, "{turn:?}");
        pools.written(&key, &turn, at(2));
        // The workflow goes, then the work; the pods stay for a while, then the pool is left.
        pools.forget_users(|_, _| true);
        assert!(!pools.turn(&key, load(1), &settings, at(3)).unwrap().leave);
        assert!(!pools.turn(&key, load(0), &settings, at(4)).unwrap().leave);
        assert!(pools.turn(&key, load(0), &settings, at(604)).unwrap().leave);
        pools.leave(&key);
        assert!(pools.turn(&key, load(0), &settings, at(605)).is_none());
    }

    #[test]
    fn a_workflow_that_changes_its_runner_changes_its_pool() {
        let pools = Pools::default();
        let (first, second) = (want(&[]), Want { runners: "0123456789".into(), ..want(&[]) });
        pools.want("finance", "w", Some(&first));
        pools.want("finance", "w", Some(&second));
        let turn = |key| pools.turn(&key, load(0), &settings(), Instant::now());
        assert_eq!(pools.told(&key(&first.runners), Pinned::none()), Vec::<String>::new());
        assert_eq!(pools.told(&key(&second.runners), Pinned::none()), ["w"]);
        assert_eq!(
            pools.told(&key(&second.runners), Pinned::none()),
            Vec::<String>::new(),
            "no news"
        );
        assert!(turn(key(&first.runners)).is_some());
    }

    #[test]
    fn only_a_pool_without_wishes_is_made_for_work_that_no_workflow_announced() {
        let pools = Pools::default();
        pools.meet(key("0123456789"));
        assert!(pools.keys().is_empty());
        pools.meet(key(&aob_engine::pool::name(None)));
        assert_eq!(pools.keys().len(), 1);
        // One that was found is not ended by a process that knows nothing of it yet.
        pools.found(key("0123456789"), 2);
        assert!(pools.turn(&key("0123456789"), load(1), &settings(), Instant::now()).is_none());
        assert_eq!(pools.count(&key("0123456789")).0, 2);
    }
}
