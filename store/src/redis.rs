//! The store of many processes: Redis 7.0 and later, Valkey 8 and later.
//!
//! What must be whole is one call of a function (`functions/`); everything else is reading. A process keeps
//! nothing that matters: connections, the epoch it has opened, and who waits for which run.

mod args;
mod claim;
mod client;
mod commit;
mod doorbell;
mod entry;
mod keys;
mod lists;
mod log;
mod memory;
mod patches;
mod rate;
mod read;
mod remember;
mod request;
mod session;
mod signals;
mod spend;
mod tags;
mod types;
mod value;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ::redis::Value;
use aob_engine::id;
use aob_engine::patch::Record;
use aob_engine::state::State;
use aob_engine::step::Envelope;
use aob_engine::tier::Tier;
use aob_engine::timeline::Move;
use async_trait::async_trait;

use self::args::Args;
use self::client::{Client, Failure};
use self::doorbell::Doorbell;
use self::keys::Keys;
use self::memory::Memory;
use self::session::{Session, function};
use crate::admission::{Admitted, Debit};
use crate::task::{Beat, Claim, Kept, Signal, SignalEntry, Task, TaskRef};
use crate::{
    Backlog, Chain, Commit, Committed, Demand, Expired, KeptType, LogLine, OpenTicket, Remembered,
    Result, Spend, Spent, Store, Summary, Version, WorkBell,
};

/// A store on a Redis or Valkey server.
pub struct RedisStore {
    client: Arc<Client>,
    keys: Arc<Keys>,
    session: Session,
    doorbell: Doorbell,
    memory: Memory,
    options: Options,
    /// By shard: when signals of silent coordinators are looked for next.
    takeovers: Mutex<Vec<Instant>>,
}

/// How a server is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many shards; fixed by the first process that opens a server. Absent: what is there, else 4.
    pub shards: Option<u32>,
    /// The longest lease in use: for so long after a restart an unclaimed task of before counts as claimed.
    pub lease: Duration,
    /// After how long a pending signal is given to another coordinator.
    pub takeover: Duration,
    /// How long a call goes on trying to reach the server.
    pub patience: Duration,
    /// Certificates, as PEM, of those whose word is taken for a server at `rediss://`. Absent: those that the system
    /// trusts, or the file that `SSL_CERT_FILE` names.
    pub roots: Option<Vec<u8>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shards: None,
            lease: Duration::from_secs(30),
            takeover: Duration::from_secs(5),
            patience: Duration::from_secs(10),
            roots: None,
        }
    }
}

impl RedisStore {
    /// Opens a server at `redis://[user:password@]host[:port][/db]`, `rediss://` for the same over TLS, or `unix:///path`,
    /// with ordinary settings.
    ///
    /// # Errors
    /// [`crate::Error::Unreachable`]; [`crate::Error::Unfit`] with the setting that must be another.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(url, Options::default()).await
    }

    /// Opens a server.
    ///
    /// # Errors
    /// As [`RedisStore::open`], and [`crate::Error::Unfit`] if it was set up with another number of shards.
    pub async fn open_with(url: &str, options: Options) -> Result<Self> {
        let client = Client::connect(url, options.roots.as_deref(), options.patience).await?;
        let client = Arc::new(client);
        let (session, keys) = Session::open(&client, options.shards, options.lease).await?;
        let keys = Arc::new(keys);
        Ok(Self {
            doorbell: Doorbell::new(client.clone(), keys.clone()),
            takeovers: Mutex::new(vec![Instant::now(); keys.shards() as usize]),
            memory: Memory::default(),
            client,
            keys,
            session,
            options,
        })
    }

    /// Calls a function that decides nothing by what the caller remembers: it may go on under a new epoch.
    async fn function(&self, name: &str, shard: u32, args: &Args) -> Result<Value> {
        for _ in 0..4 {
            let epoch = self.session.epoch();
            let mut command = function(name, &self.keys, shard, epoch, args.size());
            command.arg(args);
            match self.client.call(&command, true).await {
                Err(Failure::Changed) => {
                    self.session.again(&self.client, &self.keys, epoch).await?
                }
                other => return Ok(other?),
            }
        }
        Err(crate::Error::Epoch)
    }
}

#[async_trait]
impl Store for RedisStore {
    fn shards(&self) -> u32 {
        self.keys.shards()
    }

    fn epoch(&self) -> u64 {
        self.session.epoch()
    }

    async fn continues(&self, run: &str, epoch: u64) -> Result<bool> {
        let shard = self.keys.shard(run)?;
        self.session.continues(&self.client, &self.keys, shard, epoch).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.commit_items(commit).await
    }

    async fn claim(&self, claim: &Claim, wait: Duration) -> Result<Vec<Task>> {
        self.claim_tasks(claim, wait).await
    }

    async fn report(&self, _: &str, task: &TaskRef, signal: &Signal) -> Result<()> {
        self.report_task(task, signal).await
    }

    async fn signal(&self, signal: &Signal) -> Result<()> {
        self.write_signal(signal).await
    }

    async fn signals(
        &self,
        shard: u32,
        consumer: &str,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<SignalEntry>> {
        self.read_signals(shard, consumer, max, wait).await
    }

    async fn ack_signals(&self, shard: u32, ids: &[String]) -> Result<()> {
        self.end_signals(shard, ids).await
    }

    async fn beat(&self, beat: &Beat) -> Result<Kept> {
        self.keep_leases(beat).await
    }

    async fn sweep(&self, shard: u32, lease: Duration, now: u64) -> Result<(usize, Option<u64>)> {
        self.sweep_shard(shard, lease, now).await
    }

    async fn hold(&self, run: &str, holder: &str, ms: u64, patch: bool) -> Result<bool> {
        let mut args = Args::default();
        args.push(run);
        args.number(ms.min(100));
        args.push(holder);
        args.push(if patch { "1" } else { "0" });
        Ok(value::int(&self.function("aob1_hold", self.keys.shard(run)?, &args).await?) == 1)
    }

    async fn load(&self, run: &str) -> Result<Option<Arc<State>>> {
        if id::shard(run).is_none() {
            return Ok(None);
        }
        self.read_state(run).await
    }

    async fn context(&self, run: &str, keys: &[String]) -> Result<BTreeMap<String, Envelope>> {
        self.read_context(run, keys).await
    }

    async fn context_keys(&self, run: &str) -> Result<Vec<String>> {
        self.read_context_keys(run).await
    }

    async fn claimed(&self, state: &State) -> Result<Vec<String>> {
        self.claimed_instances(state).await
    }

    async fn events(&self, run: &str, after: u64, most: usize) -> Result<Vec<Vec<u8>>> {
        self.read_events(run, after, most).await
    }

    async fn watch(&self, run: &str, seq: u64, wait: Duration) -> Result<u64> {
        self.watch_run(run, Some(seq), wait).await
    }

    async fn watch_end(&self, run: &str, wait: Duration) -> Result<u64> {
        self.watch_run(run, None, wait).await
    }

    async fn log(&self, run: &str, lines: &[LogLine]) -> Result<()> {
        self.append_log(run, lines).await
    }

    async fn logs(&self, run: &str, after: u64, most: usize) -> Result<(Vec<LogLine>, u64)> {
        self.read_log(run, after, most).await
    }

    async fn put_artifact(&self, digest: &str, document: &[u8]) -> Result<()> {
        self.keep_artifact(digest, document).await
    }

    async fn artifact(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        self.read_artifact(digest).await
    }

    async fn patches(&self, run: &str) -> Result<Vec<Record>> {
        self.read_patches(run).await
    }

    async fn patch(&self, run: &str, id: &str) -> Result<Option<Record>> {
        self.read_patch(run, id).await
    }

    async fn chain(&self, run: &str, revision: u32) -> Result<Chain> {
        self.read_chain(run, revision).await
    }

    async fn compact(&self, run: &str, revision: u32, document: &[u8]) -> Result<()> {
        self.keep_base(run, revision, document).await
    }

    async fn find_patches(&self, tenant: &str, prefix: &str) -> Result<Vec<(String, String)>> {
        self.find_patch_ids(tenant, prefix).await
    }

    async fn move_tag(
        &self,
        tenant: &str,
        workflow: &str,
        tag: &str,
        known: u32,
        to: &Move,
    ) -> Result<bool> {
        self.append_move([tenant, workflow, tag], known, to).await
    }

    async fn timeline(&self, tenant: &str, workflow: &str, tag: &str) -> Result<Vec<Move>> {
        self.read_timeline([tenant, workflow, tag]).await
    }

    async fn name_patch_set(
        &self,
        tenant: &str,
        workflow: &str,
        name: &str,
        digest: &str,
    ) -> Result<()> {
        self.keep_patch_set([tenant, workflow, name], digest).await
    }

    async fn patch_set(&self, tenant: &str, workflow: &str, name: &str) -> Result<Option<String>> {
        self.read_patch_set([tenant, workflow, name]).await
    }

    async fn patch_sets(&self, tenant: &str, workflow: &str) -> Result<Vec<(String, String)>> {
        self.list_patch_sets(tenant, workflow).await
    }

    async fn tag(&self, tenant: &str, workflow: &str, tag: &str) -> Result<Option<String>> {
        self.read_tag(tenant, workflow, tag).await
    }

    async fn workflows(&self, tenant: &str) -> Result<Vec<Version>> {
        self.list_workflows(tenant).await
    }

    async fn admit(&self, debit: &Debit) -> Result<Admitted> {
        self.debit(debit).await
    }

    async fn refund(&self, tenant: &str, tier: Option<Tier>, id: &str) -> Result<()> {
        self.give_back(tenant, tier, id).await
    }

    async fn spend(&self, spend: &Spend) -> Result<Spent> {
        self.take(spend).await
    }

    async fn limits(&self, tenant: &str) -> Result<Option<Vec<u8>>> {
        self.read_limits(tenant).await
    }

    async fn put_limits(&self, tenant: &str, document: Option<&[u8]>) -> Result<()> {
        self.write_limits(tenant, document).await
    }

    async fn types(&self) -> Result<Vec<KeptType>> {
        self.read_types().await
    }

    async fn types_version(&self) -> Result<u64> {
        self.read_types_version().await
    }

    async fn put_type(&self, name: &str, known: u64, document: &[u8]) -> Result<Option<u64>> {
        self.write_type(name, known, document).await
    }

    async fn drop_type(&self, name: &str, known: u64) -> Result<bool> {
        self.remove_type(name, known).await
    }

    async fn work_bell(&self, queues: &[Arc<str>]) -> Result<WorkBell> {
        self.doorbell.work_bell(queues).await
    }

    async fn runs(
        &self,
        tenant: &str,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<(Vec<Summary>, Option<String>)> {
        self.list_runs(tenant, cursor, most).await
    }

    async fn tickets(&self, tenant: &str, most: usize) -> Result<Vec<OpenTicket>> {
        self.list_tickets(tenant, most).await
    }

    async fn keyed(&self, tenant: &str, key: &str) -> Result<Option<Arc<str>>> {
        self.run_of_key(tenant, key).await
    }

    async fn remember(
        &self,
        tenant: &str,
        key: &str,
        request: &str,
        answer: Option<&[u8]>,
    ) -> Result<Option<Remembered>> {
        self.remembered(tenant, key, request, answer).await
    }

    async fn find(&self, tenant: &str, prefix: &str) -> Result<Vec<String>> {
        self.find_ids(tenant, prefix).await
    }

    async fn expired(&self, shard: u32, now: u64, most: usize) -> Result<Vec<Expired>> {
        self.list_expired(shard, now, most).await
    }

    async fn remove(&self, shard: u32, now: u64, runs: &[Expired]) -> Result<usize> {
        let mut removed = 0;
        for runs in runs.chunks(1_000) {
            let mut args = Args::default();
            args.number(now);
            for Expired { run, tenant } in runs {
                args.push(format!("{run} {tenant}"));
            }
            removed += value::int(&self.function("aob1_drop", shard, &args).await?).max(0) as usize;
        }
        Ok(removed)
    }

    async fn backlog(&self) -> Result<Vec<Backlog>> {
        self.count_backlog().await
    }

    async fn demand(&self) -> Result<Vec<Demand>> {
        self.count_demand().await
    }

    async fn ready(&self) -> Result<()> {
        // A hold of a run that cannot be is refused, but only under the epoch in force, in each shard.
        let mut args = Args::default();
        args.push("-");
        args.number(0);
        args.push("");
        args.push("0");
        let before = self.session.epoch();
        for shard in 0..self.keys.shards() {
            self.function("aob1_hold", shard, &args).await?;
        }
        if self.session.epoch() != before {
            return Err(crate::Error::Epoch);
        }
        self.memory.admit(&self.client).await
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        self.client.counts()
    }

    fn inspect(&self, run: &str) -> Vec<String> {
        self.lines_to_type(run)
    }

    async fn close(&self) -> Result<()> {
        // What was acknowledged is as durable as the server's appendfsync says.
        self.doorbell.close();
        Ok(())
    }
}
