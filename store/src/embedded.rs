//! The store of one process: everything in memory, and a journal that a restart reads.
//!
//! A data directory belongs to one process at a time. Commits are applied under one lock and written by one
//! thread in groups (`journal`); snapshots keep the journal in proportion to what it holds (`compact`);
//! opening reads both (`recover`). Claims are not written: after a restart nobody of before is at work, so
//! every task is in its queue again, but for `once` tasks that had said that they begin: those are lost.

mod admission;
mod change;
mod codec;
mod commit;
mod compact;
mod core;
mod debits;
mod folder;
mod frame;
mod inbox;
mod journal;
mod log;
mod patches;
mod prepare;
mod reads;
mod record;
mod recover;
mod remember;
mod run;
mod shared;
mod spend;
mod tags;
mod tail;
mod tasks;
mod types;
mod waiting;
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use aob_engine::patch::Record;
use aob_engine::state::State;
use aob_engine::step::Envelope;
use aob_engine::tier::Tier;
use aob_engine::timeline::Move;
use async_trait::async_trait;

use self::journal::Journal;
use self::shared::Shared;
use crate::admission::{Admitted, Debit};
use crate::task::{Beat, Claim, Kept, Signal, SignalEntry, Task, TaskRef};
use crate::{
    Backlog, Chain, Commit, Committed, Demand, Expired, KeptType, LogLine, OpenTicket, Remembered,
    Result, Spend, Spent, Store, Summary, Version, WorkBell,
};

/// A store in this process.
pub struct Embedded {
    shared: Arc<Shared>,
    /// The journal's thread and the lock of the directory, until it is closed.
    owned: Mutex<Owned>,
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether a commit is answered only when it is on disk. Without it, a power loss takes the last seconds.
    pub fsync: bool,
    /// After how long a pending signal is given to another coordinator.
    pub takeover: Duration,
    /// Bytes of journal from which on a snapshot is considered.
    pub snapshot_from: u64,
    /// A snapshot is taken when the journal is so many times what is kept.
    pub snapshot_times: u64,
    /// No run starts while more bytes than this are kept.
    pub memory: u64,
    /// No run starts while fewer bytes than this are free on disk.
    pub free_disk: u64,
    /// The epoch, for a simulation that must repeat; a random one if absent.
    pub epoch: Option<u64>,
}

#[derive(Default)]
struct Owned {
    writer: Option<JoinHandle<()>>,
    lock: Option<std::fs::File>,
}

/// Takes a data directory without opening a store in it, for as long as the file is open.
///
/// # Errors
/// [`crate::Error::Owned`] if another process has it.
pub fn own(dir: &Path) -> Result<std::fs::File> {
    folder::lock(dir)
}

impl Embedded {
    /// Opens a data directory, and makes it if it is not there. Reads what is in it, and blocks for that long.
    ///
    /// # Errors
    /// [`crate::Error::Owned`] if another process has it; [`crate::Error::Corrupt`] with file and byte if what
    /// was acknowledged cannot be read; [`crate::Error::Disk`].
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self> {
        let dir = dir.as_ref().to_path_buf();
        let lock = folder::lock(&dir)?;
        let recovered = recover::recover(&dir, options.fsync)?;
        let last = recovered.core.lsn;
        let journal = Arc::new(Journal::new(
            dir.clone(),
            options.fsync,
            recovered.file,
            last,
            recovered.written,
        ));
        let numbers = (recovered.entries, recovered.signals);
        let shared = Arc::new(Shared::new(
            recovered.core,
            Some(journal.clone()),
            dir.clone(),
            options,
            numbers,
        ));
        let tail = recovered.tail;
        let writer =
            std::thread::Builder::new().name("aob-journal".into()).spawn(move || journal.run(tail));
        let writer = Some(writer.map_err(|error| folder::disk(&dir, error))?);
        let store = Self { shared, owned: Mutex::new(Owned { writer, lock: Some(lock) }) };
        store.shared.lose_begun()?;
        Ok(store)
    }

    /// A store that ends with its process: for tests and simulation.
    pub fn volatile() -> Self {
        Self::volatile_with(Options::default())
    }

    /// A store that ends with its process, with options; those of the journal do not matter.
    pub fn volatile_with(options: Options) -> Self {
        let shared = Shared::new(core::Core::default(), None, PathBuf::new(), options, (0, 0));
        Self { shared: Arc::new(shared), owned: Mutex::default() }
    }

    /// Ends the threads once everything appended is written, then gives the directory free.
    fn stop(shared: &Shared, owned: &mut Owned) {
        shared.stopping.store(true, Ordering::Release);
        if let Some(journal) = &shared.journal {
            journal.close();
        }
        let compactor = shared.compactor.lock().unwrap_or_else(PoisonError::into_inner).take();
        for thread in compactor.into_iter().chain(owned.writer.take()) {
            // A thread that panicked has nothing to say here.
            let _ = thread.join();
        }
        if let Some(lock) = owned.lock.take() {
            // Closing would not do: a child that is just being started holds the same file until it runs.
            let _ = lock.unlock();
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fsync: true,
            takeover: Duration::from_secs(5),
            snapshot_from: 64 * 1024 * 1024,
            snapshot_times: 4,
            memory: 2 * 1024 * 1024 * 1024,
            free_disk: 256 * 1024 * 1024,
            epoch: None,
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        Self::stop(&self.shared, self.owned.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
}

#[async_trait]
impl Store for Embedded {
    fn shards(&self) -> u32 {
        1
    }

    fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    async fn continues(&self, _: &str, epoch: u64) -> Result<bool> {
        Ok(epoch == self.shared.epoch)
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.shared.commit(commit).await
    }

    async fn claim(&self, claim: &Claim, wait: Duration) -> Result<Vec<Task>> {
        self.shared.claim(claim, wait).await
    }

    async fn report(&self, _consumer: &str, task: &TaskRef, signal: &Signal) -> Result<()> {
        self.shared.report(task, signal).await
    }

    async fn signal(&self, signal: &Signal) -> Result<()> {
        self.shared.signal(signal).await
    }

    async fn signals(
        &self,
        _shard: u32,
        _consumer: &str,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<SignalEntry>> {
        self.shared.signals(max, wait).await
    }

    async fn ack_signals(&self, _shard: u32, ids: &[String]) -> Result<()> {
        self.shared.ack_signals(ids).await
    }

    async fn beat(&self, beat: &Beat) -> Result<Kept> {
        self.shared.beat(beat).await
    }

    async fn sweep(&self, _shard: u32, lease: Duration, now: u64) -> Result<(usize, Option<u64>)> {
        self.shared.sweep(lease, now).await
    }

    async fn hold(&self, run: &str, holder: &str, ms: u64, patch: bool) -> Result<bool> {
        self.shared.hold(run, holder, ms, patch)
    }

    async fn load(&self, run: &str) -> Result<Option<Arc<State>>> {
        self.shared.load(run).await
    }

    async fn context(&self, run: &str, keys: &[String]) -> Result<BTreeMap<String, Envelope>> {
        self.shared.context(run, keys).await
    }

    async fn context_keys(&self, run: &str) -> Result<Vec<String>> {
        self.shared.context_keys(run).await
    }

    async fn claimed(&self, state: &State) -> Result<Vec<String>> {
        self.shared.claimed(state).await
    }

    async fn events(&self, run: &str, after: u64, most: usize) -> Result<Vec<Vec<u8>>> {
        self.shared.events(run, after, most).await
    }

    async fn watch(&self, run: &str, seq: u64, wait: Duration) -> Result<u64> {
        self.shared.watch(run, Some(seq), wait).await
    }

    async fn watch_end(&self, run: &str, wait: Duration) -> Result<u64> {
        self.shared.watch(run, None, wait).await
    }

    async fn log(&self, run: &str, lines: &[LogLine]) -> Result<()> {
        self.shared.log(run, lines).await
    }

    async fn logs(&self, run: &str, after: u64, most: usize) -> Result<(Vec<LogLine>, u64)> {
        self.shared.logs(run, after, most).await
    }

    async fn put_artifact(&self, digest: &str, document: &[u8]) -> Result<()> {
        self.shared.put_artifact(digest, document).await
    }

    async fn artifact(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        self.shared.artifact(digest).await
    }

    async fn patches(&self, run: &str) -> Result<Vec<Record>> {
        self.shared.patches(run).await
    }

    async fn patch(&self, run: &str, id: &str) -> Result<Option<Record>> {
        self.shared.patch(run, id).await
    }

    async fn chain(&self, run: &str, revision: u32) -> Result<Chain> {
        self.shared.chain(run, revision).await
    }

    async fn compact(&self, run: &str, revision: u32, document: &[u8]) -> Result<()> {
        self.shared.compact(run, revision, document).await
    }

    async fn find_patches(&self, tenant: &str, prefix: &str) -> Result<Vec<(String, String)>> {
        self.shared.find_patches(tenant, prefix).await
    }

    async fn move_tag(
        &self,
        tenant: &str,
        workflow: &str,
        tag: &str,
        known: u32,
        to: &Move,
    ) -> Result<bool> {
        self.shared.move_tag([tenant, workflow, tag], known, to).await
    }

    async fn timeline(&self, tenant: &str, workflow: &str, tag: &str) -> Result<Vec<Move>> {
        self.shared.timeline([tenant, workflow, tag]).await
    }

    async fn name_patch_set(
        &self,
        tenant: &str,
        workflow: &str,
        name: &str,
        digest: &str,
    ) -> Result<()> {
        self.shared.name_patch_set([tenant, workflow, name], digest).await
    }

    async fn patch_set(&self, tenant: &str, workflow: &str, name: &str) -> Result<Option<String>> {
        self.shared.patch_set([tenant, workflow, name]).await
    }

    async fn patch_sets(&self, tenant: &str, workflow: &str) -> Result<Vec<(String, String)>> {
        self.shared.patch_sets(tenant, workflow).await
    }

    async fn tag(&self, tenant: &str, workflow: &str, tag: &str) -> Result<Option<String>> {
        self.shared.tag(tenant, workflow, tag).await
    }

    async fn workflows(&self, tenant: &str) -> Result<Vec<Version>> {
        self.shared.workflows(tenant).await
    }

    async fn admit(&self, debit: &Debit) -> Result<Admitted> {
        self.shared.admit(debit).await
    }

    async fn refund(&self, tenant: &str, tier: Option<Tier>, id: &str) -> Result<()> {
        self.shared.refund(tenant, tier, id).await
    }

    async fn spend(&self, spend: &Spend) -> Result<Spent> {
        self.shared.take(spend).await
    }

    async fn limits(&self, tenant: &str) -> Result<Option<Vec<u8>>> {
        self.shared.limits(tenant)
    }

    async fn put_limits(&self, tenant: &str, document: Option<&[u8]>) -> Result<()> {
        self.shared.put_limits(tenant, document).await
    }

    async fn types(&self) -> Result<Vec<KeptType>> {
        self.shared.types().await
    }

    async fn types_version(&self) -> Result<u64> {
        self.shared.types_version().await
    }

    async fn put_type(&self, name: &str, known: u64, document: &[u8]) -> Result<Option<u64>> {
        self.shared.put_type(name, known, document).await
    }

    async fn drop_type(&self, name: &str, known: u64) -> Result<bool> {
        self.shared.drop_type(name, known).await
    }

    async fn work_bell(&self, queues: &[Arc<str>]) -> Result<WorkBell> {
        self.shared.work_bell(queues)
    }

    async fn runs(
        &self,
        tenant: &str,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<(Vec<Summary>, Option<String>)> {
        self.shared.runs(tenant, cursor, most).await
    }

    async fn tickets(&self, tenant: &str, most: usize) -> Result<Vec<OpenTicket>> {
        self.shared.tickets(tenant, most).await
    }

    async fn keyed(&self, tenant: &str, key: &str) -> Result<Option<Arc<str>>> {
        self.shared.keyed(tenant, key).await
    }

    async fn remember(
        &self,
        tenant: &str,
        key: &str,
        request: &str,
        answer: Option<&[u8]>,
    ) -> Result<Option<Remembered>> {
        self.shared.remembered(tenant, key, request, answer)
    }

    async fn find(&self, tenant: &str, prefix: &str) -> Result<Vec<String>> {
        self.shared.find(tenant, prefix).await
    }

    async fn expired(&self, _shard: u32, now: u64, most: usize) -> Result<Vec<Expired>> {
        self.shared.expired(now, most).await
    }

    async fn remove(&self, _shard: u32, now: u64, runs: &[Expired]) -> Result<usize> {
        self.shared.remove(now, runs).await
    }

    async fn backlog(&self) -> Result<Vec<Backlog>> {
        self.shared.backlog()
    }

    async fn demand(&self) -> Result<Vec<Demand>> {
        self.shared.demand()
    }

    async fn ready(&self) -> Result<()> {
        self.shared.check()?;
        let live = self.shared.core().live;
        self.shared.admission.admit(live)
    }

    fn inspect(&self, run: &str) -> Vec<String> {
        let dir = self.shared.dir().display();
        match self.shared.journal {
            Some(_) => {
                vec![format!("ls -l {dir}"), format!("AOB_DATA={dir} aob get {run} --output json")]
            }
            None => Vec::new(),
        }
    }

    async fn close(&self) -> Result<()> {
        let shared = self.shared.clone();
        let mut owned =
            std::mem::take(&mut *self.owned.lock().unwrap_or_else(PoisonError::into_inner));
        let stop = move || {
            Self::stop(&shared, &mut owned);
            shared.journal.as_ref().map_or(Ok(()), |journal| journal.failure())
        };
        match tokio::task::spawn_blocking(stop).await {
            Ok(result) => result,
            Err(error) => Err(crate::Error::Unfit(format!("closing was interrupted: {error}"))),
        }
    }
}
