//! What every call of the store works on.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use super::Options;
use super::admission::Admission;
use super::change::Op;
use super::codec::Out;
use super::core::{After, Core};
use super::frame::LARGEST_RECORD;
use super::journal::{Journal, closed};
use super::remember::Answered;
use super::{compact, record};
use crate::{Error, Result};

/// The store behind its handle.
pub(super) struct Shared {
    core: Mutex<Core>,
    /// None: nothing outlives the process.
    pub(super) journal: Option<Arc<Journal>>,
    dir: PathBuf,
    pub(super) epoch: u64,
    pub(super) options: Options,
    /// Last numbers given out.
    entries: AtomicU64,
    signals: AtomicU64,
    /// There is a signal to be had.
    pub(super) news: Notify,
    pub(super) admission: Admission,
    pub(super) answered: Answered,
    /// The store closes.
    pub(super) stopping: AtomicBool,
    compacting: AtomicBool,
    pub(super) compactor: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// How long an operation's author waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until it is on disk.
    Durable,
    /// Not at all: it is written before long.
    No,
}

impl Shared {
    pub(super) fn new(
        core: Core,
        journal: Option<Arc<Journal>>,
        dir: PathBuf,
        options: Options,
        (entries, signals): (u64, u64),
    ) -> Self {
        let admission = Admission::new(journal.is_some().then(|| dir.clone()), &options);
        Self {
            core: Mutex::new(core),
            journal,
            dir,
            epoch: options.epoch.unwrap_or_else(rand::random),
            options,
            entries: AtomicU64::new(entries),
            signals: AtomicU64::new(signals),
            news: Notify::new(),
            admission,
            answered: Answered::default(),
            stopping: AtomicBool::new(false),
            compacting: AtomicBool::new(false),
            compactor: Mutex::new(None),
        }
    }

    /// The state, locked.
    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A number for a task.
    pub(super) fn next_entry(&self) -> u64 {
        self.entries.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A number for a signal.
    pub(super) fn next_signal(&self) -> u64 {
        self.signals.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The last numbers of tasks and signals.
    pub(super) fn numbers(&self) -> (u64, u64) {
        (self.entries.load(Ordering::Relaxed), self.signals.load(Ordering::Relaxed))
    }

    /// Whether anything can still be written.
    pub(super) fn check(&self) -> Result<()> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(closed());
        }
        self.journal.as_ref().map_or(Ok(()), |journal| journal.check())
    }

    /// Numbers a record and puts it into the journal; to be called with the state locked.
    pub(super) fn append(&self, core: &mut Core, record: Vec<u8>) -> u64 {
        match &self.journal {
            Some(journal) => core.lsn = journal.append(record),
            None => core.lsn += 1,
        }
        core.lsn
    }

    /// Waits until what an answer rests on is on disk.
    pub(super) async fn durable(&self, lsn: u64) -> Result<()> {
        match &self.journal {
            Some(journal) => journal.durable(lsn).await,
            None => Ok(()),
        }
    }

    /// Applies operations that `decide` finds necessary, in one record; its number, 0 if there are none.
    pub(super) async fn write<T>(
        self: &Arc<Self>,
        wait: Wait,
        decide: impl FnOnce(&mut Core) -> (Vec<Op>, T),
    ) -> Result<T> {
        self.check()?;
        let mut after = After::default();
        let (lsn, answer) = {
            let mut core = self.core();
            let (ops, answer) = decide(&mut core);
            let lsn = self.write_ops(&mut core, ops, &mut after)?;
            (lsn, answer)
        };
        after.run(&self.news);
        match (wait, &self.journal) {
            (Wait::Durable, _) => self.durable(lsn).await?,
            (Wait::No, Some(journal)) if lsn > 0 => journal.nudge(),
            (Wait::No, _) => {}
        }
        self.compact_if_due();
        Ok(answer)
    }

    /// Applies operations in one record, with the state locked.
    pub(super) fn write_ops(
        &self,
        core: &mut Core,
        ops: Vec<Op>,
        after: &mut After,
    ) -> Result<u64> {
        if ops.is_empty() {
            return Ok(0);
        }
        let mut out = Out::default();
        if self.journal.is_some() {
            ops.iter().for_each(|op| record::write(&mut out, op));
            fits(&out)?;
        }
        let size = out.bytes.len() as u64;
        let lsn = self.append(core, out.bytes);
        let mut share = size;
        for op in ops {
            core.apply(op, None, lsn, std::mem::take(&mut share), after);
        }
        Ok(lsn)
    }

    /// Starts a snapshot once the journal is much longer than what it holds.
    pub(super) fn compact_if_due(self: &Arc<Self>) {
        let Some(journal) = &self.journal else { return };
        if journal.written() < self.options.snapshot_from || self.compacting.load(Ordering::Relaxed)
        {
            return;
        }
        let live = self.core().live;
        if journal.written() < live.saturating_mul(self.options.snapshot_times)
            || self.compacting.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let (shared, journal) = (self.clone(), journal.clone());
        let thread = std::thread::Builder::new().name("aob-snapshot".into()).spawn(move || {
            if let Err(error) = compact::snapshot(&shared, &journal) {
                tracing::error!(%error, "no snapshot could be written; the journal goes on growing");
            }
            shared.compacting.store(false, Ordering::Release);
        });
        match thread {
            Ok(thread) => {
                *self.compactor.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread)
            }
            Err(error) => {
                tracing::error!(%error, "no snapshot could be started");
                self.compacting.store(false, Ordering::Release);
            }
        }
    }
}

/// Milliseconds since 1970.
pub(super) fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64
}

/// Whether a record can be written.
pub(super) fn fits(record: &Out) -> Result<()> {
    if record.is_too_deep() {
        return Err(Error::Limit(format!(
            "a value is nested deeper than {}",
            super::codec::DEEPEST
        )));
    }
    if record.bytes.len() > LARGEST_RECORD {
        let size = record.bytes.len();
        return Err(Error::Limit(format!(
            "a commit of {size} bytes; at most {LARGEST_RECORD} fit"
        )));
    }
    Ok(())
}
