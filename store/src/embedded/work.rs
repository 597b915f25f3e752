//! Work in the hands of consumers: claims, answers, signs of life, signals, what has come due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aob_engine::state::State;
use aob_engine::step::Input;
use tokio::time::Instant;

use super::change::{Op, Published};
use super::core::{After, Core};
use super::run::Hold;
use super::shared::{Shared, Wait, wall};
use super::tasks::{Entry, Hand};
use crate::task::{Beat, Claim, Kept, Signal, SignalEntry, Task, TaskRef};
use crate::{Backlog, Demand, Result};

/// Longest hold, in milliseconds.
const LONGEST_HOLD: u64 = 100;
/// Most tasks that a beat tells of, and most leases and timers of one sweep each.
const MOST: usize = 1_000;

impl Shared {
    pub(super) async fn claim(
        self: &Arc<Self>,
        claim: &Claim,
        wait: Duration,
    ) -> Result<Vec<Task>> {
        let until = Instant::now().checked_add(wait);
        loop {
            self.check()?;
            let mut after = After::default();
            let now = Instant::now();
            let over = until.is_some_and(|until| until <= now) || claim.max == 0;
            let (tasks, lsn, waiter) = {
                let mut core = self.core();
                let tasks = core.tasks.claim(claim, claim.max, now, &mut after.wake);
                let lsn = tasks
                    .iter()
                    .filter_map(|task| core.tasks.get(task.id))
                    .map(|entry| entry.lsn)
                    .max();
                let waits = tasks.is_empty() && !over;
                (tasks, lsn, waits.then(|| core.tasks.waiting.join(&claim.types, claim.max)))
            };
            after.run(&self.news);
            let Some((id, called)) = waiter else {
                self.durable(lsn.unwrap_or(0)).await?;
                return Ok(tasks.iter().map(|task| Task::from(&**task)).collect());
            };
            let mut place = Place { shared: self, id, types: &claim.types, taken: false };
            let over = match until {
                Some(until) => tokio::time::timeout_at(until, called).await.is_err(),
                None => called.await.is_err(),
            };
            // Called: the next turn claims. Else the place is given up, or the call passed on.
            place.taken = !over;
        }
    }

    pub(super) async fn report(self: &Arc<Self>, task: &TaskRef, signal: &Signal) -> Result<()> {
        let id = self.next_signal();
        let signal = Arc::new(signal.clone());
        self.write(Wait::Durable, |core| {
            let entry = find(core, task).map(|entry| Op::Reported(entry.task.id));
            (entry.into_iter().chain([Op::Signal { id, signal }]).collect(), ())
        })
        .await
    }

    pub(super) async fn signal(self: &Arc<Self>, signal: &Signal) -> Result<()> {
        let op = Op::Signal { id: self.next_signal(), signal: Arc::new(signal.clone()) };
        self.write(Wait::Durable, |_| (vec![op], ())).await
    }

    pub(super) async fn signals(
        self: &Arc<Self>,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<SignalEntry>> {
        let until = Instant::now().checked_add(wait);
        loop {
            self.check()?;
            let now = Instant::now();
            let news = self.news.notified();
            let (given, lsn, takeover, more) = {
                let mut core = self.core();
                let (given, lsn) = core.inbox.give(max, self.options.takeover, now);
                (given, lsn, core.inbox.next_takeover(self.options.takeover), core.inbox.has_free())
            };
            if !given.is_empty() || max == 0 || until.is_some_and(|until| until <= now) {
                if more {
                    self.news.notify_one();
                }
                self.durable(lsn).await?;
                let entry = |(id, signal): (u64, Arc<Signal>)| {
                    let signal = Arc::try_unwrap(signal).unwrap_or_else(|signal| (*signal).clone());
                    SignalEntry { id: id.to_string(), signal }
                };
                return Ok(given.into_iter().map(entry).collect());
            }
            match [until, takeover].into_iter().flatten().min() {
                // Woken or not, the next turn looks again.
                Some(until) => drop(tokio::time::timeout_at(until, news).await),
                None => news.await,
            }
        }
    }

    pub(super) async fn ack_signals(self: &Arc<Self>, ids: &[String]) -> Result<()> {
        let ids: Vec<u64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        // Should it be lost, they are given out again and come to nothing again.
        self.write(Wait::No, |_| {
            (if ids.is_empty() { Vec::new() } else { vec![Op::Answered(ids)] }, ())
        })
        .await
    }

    pub(super) async fn beat(self: &Arc<Self>, beat: &Beat) -> Result<Kept> {
        let now = Instant::now();
        let (kept, unnamed, lsn) = self
            .write(Wait::Durable, |core| {
                let kept: Vec<Option<u64>> =
                    beat.tasks.iter().map(|task| keep(core, beat, task, now)).collect();
                let begun = |at: &usize| kept.get(*at).copied().flatten();
                let fresh = |id: &u64| core.tasks.get(*id).is_some_and(|entry| !entry.begun);
                let ops =
                    beat.begin.iter().filter_map(begun).filter(fresh).map(Op::Begun).collect();
                let named = |entry: &&Entry| !kept.contains(&Some(entry.task.id));
                let served = |entry: &&Entry| beat.types.contains(&entry.task.node_type);
                let unnamed =
                    core.tasks.owned(&beat.consumer).filter(served).filter(named).take(MOST);
                let unnamed: Vec<(Arc<Published>, u64)> =
                    unnamed.map(|entry| (entry.task.clone(), entry.lsn)).collect();
                let lsn = unnamed.iter().map(|(_, lsn)| *lsn).max().unwrap_or(0);
                (ops, (kept, unnamed, lsn))
            })
            .await?;
        self.durable(lsn).await?;
        Ok(Kept {
            kept: kept.iter().map(Option::is_some).collect(),
            unnamed: unnamed.iter().map(|(task, _)| Task::from(&**task)).collect(),
        })
    }

    pub(super) async fn sweep(
        self: &Arc<Self>,
        lease: Duration,
        t: u64,
    ) -> Result<(usize, Option<u64>)> {
        let now = Instant::now();
        self.write(Wait::Durable, |core| {
            let mut ops = Vec::new();
            for task in core.tasks.expired(lease, now, MOST) {
                let begun = core.tasks.get(task.id).is_some_and(|entry| entry.begun);
                ops.extend(self.lost(&task, begun, t));
            }
            for (_, run, timer) in core.timers.iter().take_while(|(due, ..)| *due <= t).take(MOST) {
                ops.push(Op::Fired { run: run.clone(), timer: timer.clone() });
                let signal = Signal { run: run.clone(), input: Input::Timer(timer.clone()), t };
                ops.push(Op::Signal { id: self.next_signal(), signal: Arc::new(signal) });
            }
            let fired = ops.iter().filter(|op| matches!(op, Op::Fired { .. })).count();
            let next = core.timers.iter().nth(fired).map(|(due, ..)| due.saturating_sub(t));
            let swept = ops.len() / 2;
            (ops, (swept, next))
        })
        .await
    }

    /// What turns a task into a signal that it is lost.
    pub(super) fn lost(&self, task: &Published, begun: bool, t: u64) -> [Op; 2] {
        let input = Input::Lost { instance: task.instance.clone(), fence: task.fence, begun };
        let signal = Arc::new(Signal { run: task.run.clone(), input, t });
        [Op::Parked(task.id), Op::Signal { id: self.next_signal(), signal }]
    }

    pub(super) fn hold(&self, run: &str, holder: &str, ms: u64, patch: bool) -> Result<bool> {
        self.check()?;
        let now = Instant::now();
        let mut core = self.core();
        let Some(run) = core.runs.get_mut(run).filter(|run| run.ended.is_none()) else {
            return Ok(false);
        };
        if run.hold.as_ref().is_some_and(|hold| hold.again > now && (hold.patch || !patch)) {
            return Ok(false);
        }
        let length = Duration::from_millis(ms.min(LONGEST_HOLD));
        let by = Arc::from(holder);
        let (until, again) = (now + length, now + 2 * length);
        run.hold = Some(Hold { by, patch, since: now, until, again });
        Ok(true)
    }

    pub(super) async fn claimed(&self, state: &State) -> Result<Vec<String>> {
        let (names, lsn) = {
            let core = self.core();
            let Some(run) = core.runs.get(&state.head.run) else { return Ok(Vec::new()) };
            let entries = run.cells.values().filter_map(|id| core.tasks.get(*id));
            let held = entries.filter(|entry| entry.hand != Hand::Nobody);
            (held.map(|entry| entry.task.instance.clone()).collect(), run.lsn)
        };
        self.durable(lsn).await?;
        Ok(names)
    }

    pub(super) fn backlog(&self) -> Result<Vec<Backlog>> {
        self.check()?;
        let (core, now) = (self.core(), Instant::now());
        let lines = core.tasks.queued().map(|(name, tasks, oldest)| Backlog {
            node_type: name.to_string(),
            tasks: tasks as u64,
            since: oldest.since,
            idle: core.tasks.last_sign(name).map(|sign| {
                u64::try_from(now.saturating_duration_since(sign).as_millis()).unwrap_or(u64::MAX)
            }),
        });
        Ok(lines.collect())
    }

    pub(super) fn demand(&self) -> Result<Vec<Demand>> {
        self.check()?;
        let core = self.core();
        let mut queues: BTreeMap<&str, Demand> = BTreeMap::new();
        for entry in core.tasks.all() {
            let queue = &*entry.task.node_type;
            let none = || Demand { queue: queue.to_owned(), waiting: 0, held: 0 };
            let demand = queues.entry(queue).or_insert_with(none);
            match entry.hand {
                Hand::Nobody => demand.waiting += 1,
                _ => demand.held += 1,
            }
        }
        Ok(queues.into_values().collect())
    }

    /// After a restart nobody is at work: what had begun and must not be repeated is lost.
    pub(super) fn lose_begun(&self) -> Result<()> {
        let mut core = self.core();
        let begun = core.tasks.all().filter(|entry| entry.begun && entry.hand == Hand::Nobody);
        let begun: Vec<Arc<Published>> = begun.map(|entry| entry.task.clone()).collect();
        let t = wall();
        let ops: Vec<Op> = begun.iter().flat_map(|task| self.lost(task, true, t)).collect();
        let mut after = After::default();
        self.write_ops(&mut core, ops, &mut after)?;
        drop(core);
        after.run(&self.news);
        Ok(())
    }
}

/// A waiter's place. If it is given up after the call has come, the call is passed on.
struct Place<'a> {
    shared: &'a Shared,
    id: u64,
    types: &'a [Arc<str>],
    taken: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut after = After::default();
        {
            let mut core = self.shared.core();
            if !core.tasks.waiting.leave(self.id) {
                core.tasks.pass_on(self.types, &mut after.wake);
            }
        }
        after.run(&self.shared.news);
    }
}

impl From<&Published> for Task {
    fn from(task: &Published) -> Self {
        Self {
            at: TaskRef {
                run: task.run.clone(),
                instance: task.instance.clone(),
                node_type: task.node_type.clone(),
                fence: task.fence,
                cell: task.cell,
                entry: task.id.to_string(),
            },
            attempt: task.attempt,
            timeout: task.timeout,
            once: task.once,
            input: task.input.clone(),
        }
    }
}

/// The task behind a reference, if it is out under that fence.
fn find<'a>(core: &'a Core, task: &TaskRef) -> Option<&'a Entry> {
    let entry = core.tasks.get(task.entry.parse().ok()?)?;
    (entry.task.fence == task.fence && entry.task.run == task.run).then_some(entry)
}

/// Keeps a task that is the consumer's, or nobody's; its number.
fn keep(core: &mut Core, beat: &Beat, task: &TaskRef, now: Instant) -> Option<u64> {
    let entry = find(core, task)?;
    let id = entry.task.id;
    let its_own = match &entry.hand {
        Hand::Worker(consumer, _) => *consumer == beat.consumer,
        Hand::Nobody => true,
        Hand::Reported | Hand::Parked => false,
    };
    its_own.then(|| {
        core.tasks.give(id, &beat.consumer, now);
        id
    })
}
