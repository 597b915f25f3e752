//! The store's calls: those about a run that is gone are answered from the archive, all others by the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aob_engine::patch::Record;
use aob_engine::state::State;
use aob_engine::step::Envelope;
use aob_engine::tier::Tier;
use aob_engine::timeline::Move;
use async_trait::async_trait;

use super::Archived;
use crate::{
    Admitted, Backlog, Beat, Chain, Claim, Commit, Committed, Debit, Demand, Expired, Kept,
    KeptType, LogLine, OpenTicket, Remembered, Result, Signal, SignalEntry, Spend, Spent, Store,
    Summary, Task, TaskRef, Version, WorkBell,
};

#[async_trait]
impl Store for Archived {
    async fn load(&self, run: &str) -> Result<Option<Arc<State>>> {
        match self.inner.load(run).await? {
            Some(state) => Ok(Some(state)),
            None => Ok(self.past(run).await?.map(|past| past.state.clone())),
        }
    }

    async fn context(&self, run: &str, keys: &[String]) -> Result<BTreeMap<String, Envelope>> {
        let found = self.inner.context(run, keys).await?;
        if !found.is_empty() || keys.is_empty() {
            return Ok(found);
        }
        Ok(self.gone(run).await?.map(|past| past.context(keys)).unwrap_or_default())
    }

    async fn context_keys(&self, run: &str) -> Result<Vec<String>> {
        match self.gone(run).await? {
            Some(past) => Ok(past.parts.context.keys().cloned().collect()),
            None => self.inner.context_keys(run).await,
        }
    }

    async fn claimed(&self, state: &State) -> Result<Vec<String>> {
        if state.is_ended() { Ok(Vec::new()) } else { self.inner.claimed(state).await }
    }

    async fn events(&self, run: &str, after: u64, most: usize) -> Result<Vec<Vec<u8>>> {
        let found = self.inner.events(run, after, most).await?;
        if !found.is_empty() || most == 0 {
            return Ok(found);
        }
        Ok(self.gone(run).await?.map(|past| past.events(after, most)).unwrap_or_default())
    }

    async fn watch(&self, run: &str, seq: u64, wait: Duration) -> Result<u64> {
        match self.inner.watch(run, seq, wait).await? {
            0 => Ok(self.past(run).await?.map_or(0, |past| past.seq())),
            seq => Ok(seq),
        }
    }

    async fn watch_end(&self, run: &str, wait: Duration) -> Result<u64> {
        match self.inner.watch_end(run, wait).await? {
            0 => Ok(self.past(run).await?.map_or(0, |past| past.seq())),
            seq => Ok(seq),
        }
    }

    async fn logs(&self, run: &str, after: u64, most: usize) -> Result<(Vec<LogLine>, u64)> {
        let found = self.inner.logs(run, after, most).await?;
        if !found.0.is_empty() || most == 0 {
            return Ok(found);
        }
        Ok(self.gone(run).await?.map_or(found, |past| past.logs(after, most)))
    }

    async fn patches(&self, run: &str) -> Result<Vec<Record>> {
        let found = self.inner.patches(run).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        Ok(self.gone(run).await?.map(|past| past.parts.patches.clone()).unwrap_or_default())
    }

    async fn patch(&self, run: &str, id: &str) -> Result<Option<Record>> {
        if let Some(record) = self.inner.patch(run, id).await? {
            return Ok(Some(record));
        }
        let past = self.gone(run).await?;
        Ok(past.and_then(|past| past.parts.patches.iter().find(|one| one.id == id).cloned()))
    }

    async fn chain(&self, run: &str, revision: u32) -> Result<Chain> {
        match self.gone(run).await? {
            Some(past) => past.chain(run, revision),
            None => self.inner.chain(run, revision).await,
        }
    }

    /// Of the archive only whole ids are found.
    async fn find(&self, tenant: &str, prefix: &str) -> Result<Vec<String>> {
        let found = self.inner.find(tenant, prefix).await?;
        if !found.is_empty() || !prefix.starts_with("run_") {
            return Ok(found);
        }
        let past = self.past(prefix).await?;
        let theirs = past.filter(|past| *past.state.head.tenant == *tenant);
        Ok(theirs.map(|_| prefix.to_owned()).into_iter().collect())
    }

    async fn drop_expired(&self, shard: u32, now: u64, most: usize) -> Result<usize> {
        let due = self.inner.expired(shard, now, most).await?;
        match self.keep(due).await.as_slice() {
            [] => Ok(0),
            kept => self.inner.remove(shard, now, kept).await,
        }
    }

    fn shards(&self) -> u32 {
        self.inner.shards()
    }

    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }

    async fn continues(&self, run: &str, epoch: u64) -> Result<bool> {
        self.inner.continues(run, epoch).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.inner.commit(commit).await
    }

    async fn claim(&self, claim: &Claim, wait: Duration) -> Result<Vec<Task>> {
        self.inner.claim(claim, wait).await
    }

    async fn report(&self, consumer: &str, task: &TaskRef, signal: &Signal) -> Result<()> {
        self.inner.report(consumer, task, signal).await
    }

    async fn signal(&self, signal: &Signal) -> Result<()> {
        self.inner.signal(signal).await
    }

    async fn signals(
        &self,
        shard: u32,
        consumer: &str,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<SignalEntry>> {
        self.inner.signals(shard, consumer, max, wait).await
    }

    async fn ack_signals(&self, shard: u32, ids: &[String]) -> Result<()> {
        self.inner.ack_signals(shard, ids).await
    }

    async fn beat(&self, beat: &Beat) -> Result<Kept> {
        self.inner.beat(beat).await
    }

    async fn sweep(&self, shard: u32, lease: Duration, now: u64) -> Result<(usize, Option<u64>)> {
        self.inner.sweep(shard, lease, now).await
    }

    async fn hold(&self, run: &str, holder: &str, ms: u64, patch: bool) -> Result<bool> {
        self.inner.hold(run, holder, ms, patch).await
    }

    async fn log(&self, run: &str, lines: &[LogLine]) -> Result<()> {
        self.inner.log(run, lines).await
    }

    async fn put_artifact(&self, digest: &str, document: &[u8]) -> Result<()> {
        self.inner.put_artifact(digest, document).await
    }

    async fn artifact(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        self.inner.artifact(digest).await
    }

    async fn compact(&self, run: &str, revision: u32, document: &[u8]) -> Result<()> {
        self.inner.compact(run, revision, document).await
    }

    async fn find_patches(&self, tenant: &str, prefix: &str) -> Result<Vec<(String, String)>> {
        self.inner.find_patches(tenant, prefix).await
    }

    async fn move_tag(
        &self,
        tenant: &str,
        workflow: &str,
        tag: &str,
        known: u32,
        to: &Move,
    ) -> Result<bool> {
        self.inner.move_tag(tenant, workflow, tag, known, to).await
    }

    async fn timeline(&self, tenant: &str, workflow: &str, tag: &str) -> Result<Vec<Move>> {
        self.inner.timeline(tenant, workflow, tag).await
    }

    async fn name_patch_set(
        &self,
        tenant: &str,
        workflow: &str,
        name: &str,
        digest: &str,
    ) -> Result<()> {
        self.inner.name_patch_set(tenant, workflow, name, digest).await
    }

    async fn patch_set(&self, tenant: &str, workflow: &str, name: &str) -> Result<Option<String>> {
        self.inner.patch_set(tenant, workflow, name).await
    }

    async fn patch_sets(&self, tenant: &str, workflow: &str) -> Result<Vec<(String, String)>> {
        self.inner.patch_sets(tenant, workflow).await
    }

    async fn tag(&self, tenant: &str, workflow: &str, tag: &str) -> Result<Option<String>> {
        self.inner.tag(tenant, workflow, tag).await
    }

    async fn workflows(&self, tenant: &str) -> Result<Vec<Version>> {
        self.inner.workflows(tenant).await
    }

    async fn admit(&self, debit: &Debit) -> Result<Admitted> {
        self.inner.admit(debit).await
    }

    async fn refund(&self, tenant: &str, tier: Option<Tier>, id: &str) -> Result<()> {
        self.inner.refund(tenant, tier, id).await
    }

    async fn spend(&self, spend: &Spend) -> Result<Spent> {
        self.inner.spend(spend).await
    }

    async fn limits(&self, tenant: &str) -> Result<Option<Vec<u8>>> {
        self.inner.limits(tenant).await
    }

    async fn put_limits(&self, tenant: &str, document: Option<&[u8]>) -> Result<()> {
        self.inner.put_limits(tenant, document).await
    }

    async fn types(&self) -> Result<Vec<KeptType>> {
        self.inner.types().await
    }

    async fn types_version(&self) -> Result<u64> {
        self.inner.types_version().await
    }

    async fn put_type(&self, name: &str, known: u64, document: &[u8]) -> Result<Option<u64>> {
        self.inner.put_type(name, known, document).await
    }

    async fn drop_type(&self, name: &str, known: u64) -> Result<bool> {
        self.inner.drop_type(name, known).await
    }

    async fn work_bell(&self, queues: &[Arc<str>]) -> Result<WorkBell> {
        self.inner.work_bell(queues).await
    }

    async fn runs(
        &self,
        tenant: &str,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<(Vec<Summary>, Option<String>)> {
        self.inner.runs(tenant, cursor, most).await
    }

    async fn tickets(&self, tenant: &str, most: usize) -> Result<Vec<OpenTicket>> {
        self.inner.tickets(tenant, most).await
    }

    async fn keyed(&self, tenant: &str, key: &str) -> Result<Option<Arc<str>>> {
        self.inner.keyed(tenant, key).await
    }

    async fn remember(
        &self,
        tenant: &str,
        key: &str,
        request: &str,
        answer: Option<&[u8]>,
    ) -> Result<Option<Remembered>> {
        self.inner.remember(tenant, key, request, answer).await
    }

    async fn expired(&self, shard: u32, now: u64, most: usize) -> Result<Vec<Expired>> {
        self.inner.expired(shard, now, most).await
    }

    async fn remove(&self, shard: u32, now: u64, runs: &[Expired]) -> Result<usize> {
        self.inner.remove(shard, now, runs).await
    }

    async fn backlog(&self) -> Result<Vec<Backlog>> {
        self.inner.backlog().await
    }

    async fn demand(&self) -> Result<Vec<Demand>> {
        self.inner.demand().await
    }

    async fn ready(&self) -> Result<()> {
        self.inner.ready().await
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        self.inner.counts()
    }

    fn inspect(&self, run: &str) -> Vec<String> {
        self.inner.inspect(run)
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
