//! What readers are told. Every answer waits until what it rests on is on disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aob_engine::state::State;
use aob_engine::step::Envelope;
use tokio::time::Instant;

use super::change::Op;
use super::commit::KEY_LIFE;
use super::core::{Core, Tenant};
use super::log;
use super::run::Run;
use super::shared::{Shared, Wait, wall};
use crate::{Error, Expired, LogLine, OpenTicket, Result, Summary};

/// Most entries of one page.
const PAGE: usize = 1_000;
/// Most ids that a prefix finds.
const FOUND: usize = 10;
/// How long a tombstone stays, in milliseconds.
const TOMBSTONE_LIFE: u64 = 24 * 3_600_000;
/// Most bytes of log lines in one call.
const LOG_BYTES: usize = 1024 * 1024;

impl Shared {
    pub(super) async fn load(&self, run: &str) -> Result<Option<Arc<State>>> {
        self.of_run(run, |run| run.state.clone()).await
    }

    pub(super) async fn context(
        &self,
        run: &str,
        keys: &[String],
    ) -> Result<BTreeMap<String, Envelope>> {
        let pick = |run: &Run| -> Vec<(&String, Arc<Envelope>)> {
            keys.iter().filter_map(|key| Some((key, run.context.get(key)?.clone()))).collect()
        };
        let found = self.of_run(run, pick).await?.unwrap_or_default();
        Ok(found.into_iter().map(|(key, envelope)| (key.clone(), (*envelope).clone())).collect())
    }

    pub(super) async fn context_keys(&self, run: &str) -> Result<Vec<String>> {
        let keys = |run: &Run| run.context.keys().cloned().collect();
        Ok(self.of_run(run, keys).await?.unwrap_or_default())
    }

    pub(super) async fn events(&self, run: &str, after: u64, most: usize) -> Result<Vec<Vec<u8>>> {
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        let page = |run: &Run| -> Vec<Arc<[u8]>> {
            run.lines.iter().skip(after).take(most).cloned().collect()
        };
        let lines = self.of_run(run, page).await?.unwrap_or_default();
        Ok(lines.iter().map(|line| line.to_vec()).collect())
    }

    /// Waits until a run has more than `after` events, or without that until it is over.
    pub(super) async fn watch(
        &self,
        name: &str,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<u64> {
        let until = Instant::now().checked_add(wait);
        loop {
            self.check()?;
            let found = {
                let mut core = self.core();
                core.runs.get_mut(name).map(|run| {
                    let news = run.followers.get_or_insert_default().clone();
                    let now = run.lines.len() as u64;
                    let has_come = after.map_or_else(|| run.ended.is_some(), |after| now > after);
                    (now, has_come, run.lsn, news.notified_owned())
                })
            };
            let Some((now, has_come, lsn, news)) = found else {
                return self.load(name).await.map(|state| state.map_or(0, |state| state.head.seq));
            };
            if has_come || until.is_some_and(|until| until <= Instant::now()) {
                self.durable(lsn).await?;
                return Ok(now);
            }
            match until {
                // With or without news, the next turn looks.
                Some(until) => drop(tokio::time::timeout_at(until, news).await),
                None => news.await,
            }
        }
    }

    pub(super) async fn log(self: &Arc<Self>, run: &str, lines: &[LogLine]) -> Result<()> {
        let (mut part, mut bytes) = (Vec::new(), 0);
        for (at, line) in lines.iter().enumerate() {
            let line = log::bounded(line);
            bytes += line.text.len() + line.at.len();
            part.push(line);
            if bytes < LOG_BYTES && at + 1 < lines.len() {
                continue;
            }
            let op = Op::Log { run: run.into(), lines: std::mem::take(&mut part) };
            // A flood of lines waits for the disk; a few do not.
            let wait = if bytes >= LOG_BYTES { Wait::Durable } else { Wait::No };
            bytes = 0;
            let known = |core: &Core| core.runs.contains_key(run);
            self.write(wait, |core| (if known(core) { vec![op] } else { Vec::new() }, ())).await?;
        }
        Ok(())
    }

    pub(super) async fn logs(
        &self,
        run: &str,
        after: u64,
        most: usize,
    ) -> Result<(Vec<LogLine>, u64)> {
        let page = self.of_run(run, |run| run.log.page(after, most)).await?;
        let (lines, next) = page.unwrap_or_default();
        Ok((lines.iter().map(|line| (**line).clone()).collect(), next))
    }

    pub(super) async fn put_artifact(
        self: &Arc<Self>,
        digest: &str,
        document: &[u8],
    ) -> Result<()> {
        let op = Op::Artifact { digest: digest.to_owned(), document: document.into() };
        let kept = self.listed(|core| core.artifacts.contains_key(digest)).await?;
        if kept {
            return Ok(());
        }
        self.write(Wait::Durable, |_| (vec![op], ())).await
    }

    pub(super) async fn artifact(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        let document = self.listed(|core| core.artifacts.get(digest).cloned()).await?;
        Ok(document.map(|document| document.to_vec()))
    }

    pub(super) async fn runs(
        &self,
        tenant: &str,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<(Vec<Summary>, Option<String>)> {
        let most = most.clamp(1, PAGE);
        let from = match cursor {
            None => None,
            Some(cursor) => {
                let place = cursor
                    .split_once('-')
                    .and_then(|(t, run)| Some((t.parse().ok()?, Arc::from(run))));
                let place: (u64, Arc<str>) = place.ok_or_else(|| {
                    Error::Limit(format!("{cursor:?} is not a cursor of this list"))
                })?;
                Some(place)
            }
        };
        self.listed(|core| {
            let Some(lists) = core.tenants.get(tenant) else { return (Vec::new(), None) };
            let bound = from.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
            let mut older = lists.started.range((std::ops::Bound::Unbounded, bound)).rev();
            let page: Vec<&(u64, Arc<str>)> = older.by_ref().take(most).collect();
            let more = older.next().is_some();
            let cursor = page.last().filter(|_| more).map(|(t, run)| format!("{t}-{run}"));
            (
                page.iter().filter_map(|(_, run)| core.runs.get(run)).map(Run::summary).collect(),
                cursor,
            )
        })
        .await
    }

    pub(super) async fn tickets(&self, tenant: &str, most: usize) -> Result<Vec<OpenTicket>> {
        let oldest = |lists: &Tenant| -> Vec<OpenTicket> {
            let ids = lists.asked.iter().take(most.min(PAGE));
            let open = ids.filter_map(|(_, id)| lists.tickets.get(id));
            open.map(|(run, opened)| OpenTicket {
                ticket: opened.id.to_string(),
                run: run.to_string(),
                instance: opened.instance.clone(),
                asks: asks(opened.asks).to_owned(),
                since: opened.since,
            })
            .collect()
        };
        Ok(self.of_tenant(tenant, oldest).await?.unwrap_or_default())
    }

    pub(super) async fn keyed(&self, tenant: &str, key: &str) -> Result<Option<Arc<str>>> {
        let t = wall();
        let run = |lists: &Tenant| {
            let (run, since) = lists.keys.get(key)?;
            (t.saturating_sub(*since) < KEY_LIFE).then(|| run.clone())
        };
        Ok(self.of_tenant(tenant, run).await?.flatten())
    }

    pub(super) async fn find(&self, tenant: &str, prefix: &str) -> Result<Vec<String>> {
        let found = |lists: &Tenant| -> Vec<String> {
            let runs = lists
                .ids
                .range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
            let tickets = lists
                .tickets
                .range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
            let runs = runs.take_while(|id| id.starts_with(prefix));
            let tickets = tickets.map(|(id, _)| id).take_while(|id| id.starts_with(prefix));
            runs.chain(tickets).take(FOUND).map(|id| id.to_string()).collect()
        };
        Ok(self.of_tenant(tenant, found).await?.unwrap_or_default())
    }

    pub(super) async fn expired(self: &Arc<Self>, now: u64, most: usize) -> Result<Vec<Expired>> {
        let t = wall();
        self.write(Wait::Durable, |core| {
            core.tombstones.retain(|_, since| t.saturating_sub(*since) < TOMBSTONE_LIFE);
            for lists in core.tenants.values_mut() {
                lists.keys.retain(|_, (_, since)| t.saturating_sub(*since) < KEY_LIFE);
            }
            let due = core.expiring.iter().take_while(|(goes, _)| *goes <= now);
            let named = due.filter_map(|(_, name)| {
                let tenant = core.runs.get(name)?.state.head.tenant.clone();
                Some(Expired { run: name.clone(), tenant })
            });
            (Vec::new(), named.take(most.min(PAGE)).collect())
        })
        .await
    }

    pub(super) async fn remove(self: &Arc<Self>, now: u64, runs: &[Expired]) -> Result<usize> {
        let t = wall();
        self.write(Wait::Durable, |core| {
            let is_due = |name: &Arc<str>| {
                let ended = core.runs.get(name).and_then(|run| run.ended);
                ended.is_some_and(|(ended, retention)| ended.saturating_add(retention) <= now)
            };
            let due = runs.iter().map(|one| &one.run).filter(|name| is_due(name));
            let ops: Vec<Op> = due.map(|run| Op::Drop { run: run.clone(), t }).collect();
            let count = ops.len();
            (ops, count)
        })
        .await
    }

    /// Something of a run, once its last step is on disk.
    pub(super) async fn of_run<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Run) -> T,
    ) -> Result<Option<T>> {
        self.check()?;
        let (found, lsn) = {
            let core = self.core();
            match core.runs.get(name) {
                Some(run) => (Some(read(run)), run.lsn),
                None => (None, core.dropped),
            }
        };
        self.durable(lsn).await?;
        Ok(found)
    }

    pub(super) async fn of_tenant<T>(
        &self,
        tenant: &str,
        read: impl FnOnce(&Tenant) -> T,
    ) -> Result<Option<T>> {
        self.listed(|core| core.tenants.get(tenant).map(read)).await
    }

    /// Something of everything, once all of it is on disk.
    async fn listed<T>(&self, read: impl FnOnce(&Core) -> T) -> Result<T> {
        self.check()?;
        let (found, lsn) = {
            let core = self.core();
            (read(&core), core.lsn)
        };
        self.durable(lsn).await?;
        Ok(found)
    }
}

fn asks(asks: aob_engine::state::Asks) -> &'static str {
    match asks {
        aob_engine::state::Asks::Gate => "gate",
        aob_engine::state::Asks::Failure => "failure",
        aob_engine::state::Asks::Unknown => "unknown",
        aob_engine::state::Asks::Budget => "budget",
        aob_engine::state::Asks::Patch => "patch",
    }
}
