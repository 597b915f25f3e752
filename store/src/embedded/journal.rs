//! The journal: records in the order in which they were applied, written and synced in groups by one thread.
//!
//! **Durable and visible.** A commit is applied in memory and numbered under the store's lock; its record
//! joins the queue under the same lock, so the order on disk is the order in memory. Others in the process
//! may decide on what it did at once: their record follows in the same file, and what survives a crash is a
//! prefix. Nothing leaves the store on its ground before it is on disk: every answer waits for the record that
//! it rests on, a commit's own included.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::frame;
use super::tail::Tail;
use crate::{Error, Result};

/// How long records wait that nobody waits for.
const PATIENCE: Duration = Duration::from_millis(50);
/// A frame is closed when it has as many bytes of records.
const FRAME: usize = 8 * 1024 * 1024;
/// How long the writer looks for more before it sleeps.
const LOOKS: Duration = Duration::from_micros(20);

/// A handle on the journal; the thread ends when it is told to.
pub(super) struct Journal {
    dir: PathBuf,
    sync: bool,
    queue: Mutex<Queue>,
    /// For the writer: there is something to do.
    work: Condvar,
    /// For whoever waits for a new file: it is there, or never will be.
    rolled: Condvar,
    durable: AtomicU64,
    /// Records are waited for; read by the writer without the lock.
    urgent: AtomicBool,
    /// Bytes written since the last snapshot began.
    written: AtomicU64,
    /// Whether a record that is appended now will be written.
    open: AtomicBool,
}

#[derive(Default)]
struct Queue {
    records: Vec<Vec<u8>>,
    /// Number of the last record in it.
    last: u64,
    waiters: Vec<(u64, oneshot::Sender<()>)>,
    asleep: bool,
    closing: bool,
    closed: bool,
    /// Number of the present file.
    file: u64,
    roll: bool,
    failure: Option<Failure>,
}

/// Why the writer stopped. What is on disk is no longer known, so it never tries again.
#[derive(Clone)]
struct Failure {
    path: String,
    kind: std::io::ErrorKind,
    message: String,
}

impl Journal {
    /// A journal that goes on after record `last` in file number `file`.
    pub(super) fn new(dir: PathBuf, sync: bool, file: u64, last: u64, written: u64) -> Self {
        Self {
            dir,
            sync,
            queue: Mutex::new(Queue { last, file, ..Queue::default() }),
            work: Condvar::new(),
            rolled: Condvar::new(),
            durable: AtomicU64::new(last),
            urgent: AtomicBool::new(false),
            written: AtomicU64::new(written),
            open: AtomicBool::new(true),
        }
    }

    /// Appends a record; its number. To be called under the store's lock.
    pub(super) fn append(&self, record: Vec<u8>) -> u64 {
        let mut queue = self.lock();
        queue.records.push(record);
        queue.last += 1;
        queue.last
    }

    /// Waits until a record is on disk.
    pub(super) async fn durable(&self, lsn: u64) -> Result<()> {
        if self.durable.load(Ordering::Acquire) >= lsn {
            return Ok(());
        }
        let (done, waiting) = oneshot::channel();
        {
            let mut queue = self.lock();
            if self.durable.load(Ordering::Acquire) >= lsn {
                return Ok(());
            }
            queue.check()?;
            queue.waiters.push((lsn, done));
            self.urgent.store(true, Ordering::Release);
            if std::mem::take(&mut queue.asleep) {
                self.work.notify_one();
            }
        }
        match waiting.await {
            Ok(()) => Ok(()),
            Err(_) => self.lock().check(),
        }
    }

    /// Sees to it that records that nobody waits for are written before long.
    pub(super) fn nudge(&self) {
        let mut queue = self.lock();
        if std::mem::take(&mut queue.asleep) {
            self.work.notify_one();
        }
    }

    /// Whether records can still be written.
    pub(super) fn check(&self) -> Result<()> {
        if self.open.load(Ordering::Acquire) {
            return Ok(());
        }
        self.lock().check().and_then(|()| Err(closed()))
    }

    /// Why not everything could be written, if so.
    pub(super) fn failure(&self) -> Result<()> {
        self.lock().failure.as_ref().map_or(Ok(()), |failure| Err(failure.error()))
    }

    /// How many bytes have been written since the last snapshot began.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Goes on in a new file; its number. Everything before it is durable in the old one. None if the journal
    /// closes instead.
    pub(super) fn roll(&self) -> Option<u64> {
        let mut queue = self.lock();
        let before = queue.file;
        queue.roll = true;
        queue.asleep = false;
        self.work.notify_one();
        while queue.file == before && !queue.closed {
            queue = self.rolled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        (queue.file != before).then_some(queue.file)
    }

    /// Waits until a record is on disk; false if it never will be.
    pub(super) fn wait(&self, lsn: u64) -> bool {
        while self.durable.load(Ordering::Acquire) < lsn {
            if self.lock().closed {
                return self.durable.load(Ordering::Acquire) >= lsn;
            }
            self.urgent.store(true, Ordering::Release);
            self.nudge();
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Lets the writer finish what it has and end.
    pub(super) fn close(&self) {
        let mut queue = self.lock();
        self.open.store(false, Ordering::Release);
        queue.closing = true;
        queue.asleep = false;
        self.work.notify_all();
    }

    /// What the writer's thread does.
    pub(super) fn run(self: &Arc<Self>, mut tail: Tail) {
        let mut buffer = Vec::new();
        let result = loop {
            let Some((first, records, roll)) = self.gather() else { break Ok(()) };
            if roll && let Err(error) = self.start_file(&mut tail, first - 1) {
                break Err(error);
            }
            if records.is_empty() {
                continue;
            }
            let last = first + records.len() as u64 - 1;
            frame::write(&mut buffer, first, &records, self.sync);
            if let Err(error) = tail.append(&buffer) {
                break Err(error);
            }
            self.written.fetch_add(buffer.len() as u64, Ordering::Relaxed);
            self.answer(last);
            if buffer.capacity() > FRAME {
                buffer = Vec::new();
            }
        };
        let mut queue = self.lock();
        if let Err(error) = result {
            tracing::error!(%error, "the journal cannot be written: the store stops");
            queue.failure = Some(Failure::new(error));
        }
        self.open.store(false, Ordering::Release);
        queue.closed = true;
        // Whoever waits for what was not written learns it from its sender's end.
        queue.waiters.clear();
        drop(queue);
        self.rolled.notify_all();
    }

    /// Waits for records; none when the journal closes and is empty.
    fn gather(&self) -> Option<(u64, Vec<Vec<u8>>, bool)> {
        let since = Instant::now();
        // At one committer its next record is a few microseconds away: falling asleep would cost more.
        while !self.urgent.load(Ordering::Acquire) && since.elapsed() < LOOKS {
            std::hint::spin_loop();
        }
        let mut queue = self.lock();
        loop {
            if queue.roll || queue.closing || !queue.waiters.is_empty() {
                break;
            }
            queue.asleep = true;
            queue = if queue.records.is_empty() {
                self.work.wait(queue).unwrap_or_else(PoisonError::into_inner)
            } else {
                let (mut queue, waited) =
                    self.work.wait_timeout(queue, PATIENCE).unwrap_or_else(PoisonError::into_inner);
                if waited.timed_out() {
                    queue.asleep = false;
                    return Some(queue.take(&self.urgent));
                }
                queue
            };
            queue.asleep = false;
        }
        if queue.records.is_empty() && queue.closing && !queue.roll {
            return None;
        }
        if queue.records.is_empty() {
            // Waiters for what is durable already were answered; none can be left here.
            queue.waiters.clear();
        }
        Some(queue.take(&self.urgent))
    }

    fn start_file(&self, tail: &mut Tail, base: u64) -> Result<()> {
        let number = self.lock().file + 1;
        *tail = Tail::create(&self.dir, number, base, self.sync)?;
        self.written.store(0, Ordering::Relaxed);
        self.lock().file = number;
        self.rolled.notify_all();
        Ok(())
    }

    fn answer(&self, last: u64) {
        let mut done = Vec::new();
        {
            let mut queue = self.lock();
            self.durable.store(last, Ordering::Release);
            let mut at = 0;
            while at < queue.waiters.len() {
                if queue.waiters[at].0 <= last {
                    done.push(queue.waiters.swap_remove(at).1);
                } else {
                    at += 1;
                }
            }
            self.urgent.store(!queue.waiters.is_empty(), Ordering::Release);
        }
        for waiter in done {
            // Whoever no longer waits does not need the answer.
            let _ = waiter.send(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// The records of one frame, and whether a new file begins with them.
    fn take(&mut self, urgent: &AtomicBool) -> (u64, Vec<Vec<u8>>, bool) {
        let first = self.last + 1 - self.records.len() as u64;
        let mut bytes = 0;
        let fits = self.records.iter().take_while(|record| {
            let before = bytes;
            bytes += record.len();
            before == 0 || bytes <= FRAME
        });
        let count = fits.count();
        let rest = self.records.split_off(count);
        let records = std::mem::replace(&mut self.records, rest);
        urgent.store(false, Ordering::Release);
        (first, records, std::mem::take(&mut self.roll))
    }

    fn check(&self) -> Result<()> {
        match &self.failure {
            Some(failure) => Err(failure.error()),
            None if self.closed => Err(closed()),
            None => Ok(()),
        }
    }
}

impl Failure {
    fn new(error: Error) -> Self {
        match error {
            Error::Disk(path, error) => {
                Self { path, kind: error.kind(), message: error.to_string() }
            }
            other => Self {
                path: "journal".into(),
                kind: std::io::ErrorKind::Other,
                message: other.to_string(),
            },
        }
    }

    fn error(&self) -> Error {
        Error::Disk(self.path.clone(), std::io::Error::new(self.kind, self.message.clone()))
    }
}

/// The answer of a store that was closed.
pub(super) fn closed() -> Error {
    Error::Unfit("the store is closed: open it again".into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Journal;
    use crate::Error;
    use crate::embedded::tail::Tail;

    fn journal() -> (tempfile::TempDir, Arc<Journal>, std::thread::JoinHandle<()>) {
        let dir = tempfile::tempdir().unwrap();
        let tail = Tail::create(dir.path(), 1, 0, true).unwrap();
        let journal = Arc::new(Journal::new(dir.path().to_path_buf(), true, 1, 0, 0));
        let writer = journal.clone();
        (dir, journal, std::thread::spawn(move || writer.run(tail)))
    }

    #[tokio::test]
    async fn after_a_failure_nothing_is_acknowledged() {
        let (dir, journal, writer) = journal();
        let first = journal.append(vec![1]);
        journal.durable(first).await.unwrap();
        drop(dir);
        let lost = journal.append(vec![2]);
        assert_eq!(journal.roll(), None, "its directory is gone");
        writer.join().unwrap();
        for _ in 0..2 {
            let refused = journal.durable(lost).await;
            assert!(
                matches!(&refused, Err(Error::Disk(path, _)) if path.ends_with("journal-2")),
                "{refused:?}"
            );
        }
        assert!(journal.check().is_err());
        assert!(!journal.wait(lost));
        journal.durable(first).await.unwrap();
    }

    #[tokio::test]
    async fn closing_writes_what_nobody_waits_for() {
        let (dir, journal, writer) = journal();
        for byte in 0..10 {
            journal.append(vec![byte]);
        }
        journal.close();
        writer.join().unwrap();
        journal.durable(10).await.unwrap();
        assert!(matches!(journal.check(), Err(Error::Unfit(_))));
        let bytes = std::fs::read(dir.path().join("journal-1")).unwrap();
        assert_eq!(bytes[40..44], 10_u32.to_le_bytes(), "in one frame");
    }

    #[tokio::test]
    async fn a_new_file_begins_after_what_is_durable() {
        let (dir, journal, writer) = journal();
        let first = journal.append(vec![7; 100]);
        journal.durable(first).await.unwrap();
        assert!(journal.written() > 100);
        assert_eq!(journal.roll(), Some(2));
        assert_eq!(journal.written(), 0);
        let second = journal.append(vec![8]);
        journal.durable(second).await.unwrap();
        journal.close();
        writer.join().unwrap();
        let header = std::fs::read(dir.path().join("journal-2")).unwrap();
        assert_eq!(header[8..16], first.to_le_bytes());
    }
}
