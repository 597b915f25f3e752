//! Snapshots. The journal goes on in a new file; then each run is copied as it is at that moment, with the
//! number of the last record that touched it, so that nothing stops meanwhile: at recovery, records of the
//! new file that a run's copy has seen are passed over. The snapshot counts from its renaming on, and what it
//! replaces is removed after that: at every moment one whole set of files is there.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aob_engine::state::State;

use super::change::{Begin, Change, Op};
use super::codec::Out;
use super::core::Core;
use super::frame::{self, FileKind, file_header};
use super::journal::Journal;
use super::log::Log;
use super::run::Run;
use super::shared::Shared;
use super::tasks::Hand;
use super::{folder, record};
use crate::Result;

/// A record is closed when it has as many bytes.
const RECORD: usize = 256 * 1024;
/// A frame is closed when it has as many bytes of records.
const FRAME: usize = 1024 * 1024;

/// Writes a snapshot and removes what it replaces. Ends early when the store closes.
pub(super) fn snapshot(shared: &Shared, journal: &Journal) -> Result<()> {
    let Some(number) = journal.roll() else { return Ok(()) };
    let path = folder::unfinished_snapshot(shared.dir(), number);
    let mut file = Snapshot::create(path, number)?;
    let names: Vec<Arc<str>> = shared.core().runs.keys().cloned().collect();
    for name in names {
        if shared.stopping.load(Ordering::Acquire) {
            return Ok(());
        }
        let copy = Copy::of(&shared.core(), &name);
        if let Some(copy) = copy {
            copy.write(&name, &mut file)?;
        }
    }
    let ops = rest(&shared.core(), shared);
    let last = ops.1;
    for op in ops.0 {
        file.op(&op)?;
    }
    file.finish()?;
    // What was copied may be younger than what is on disk: the snapshot must not be.
    if !journal.wait(last) {
        return Ok(());
    }
    let done = folder::snapshot(shared.dir(), number);
    let from = folder::unfinished_snapshot(shared.dir(), number);
    std::fs::rename(&from, &done).map_err(|error| folder::disk(&done, error))?;
    folder::sync(shared.dir())?;
    let listing = folder::list(shared.dir())?;
    listing
        .snapshots
        .iter()
        .filter(|old| **old < number)
        .for_each(|old| folder::remove(&folder::snapshot(shared.dir(), *old)));
    listing
        .journals
        .iter()
        .filter(|old| **old < number)
        .for_each(|old| folder::remove(&folder::journal(shared.dir(), *old)));
    Ok(())
}

/// A snapshot being written.
struct Snapshot {
    path: PathBuf,
    file: File,
    record: Out,
    records: Vec<Vec<u8>>,
    bytes: usize,
    next: u64,
    frame: Vec<u8>,
}

/// One run as it was at one moment.
struct Copy {
    first: Change,
    state: Arc<State>,
    rest: Change,
    aside: Vec<Op>,
    floor: u64,
}

impl Snapshot {
    fn create(path: PathBuf, number: u64) -> Result<Self> {
        let create = || {
            let mut file = File::create(&path)?;
            file.write_all(&file_header(FileKind::Snapshot, number))?;
            Ok(file)
        };
        let file = create().map_err(|error| folder::disk(&path, error))?;
        Ok(Self {
            path,
            file,
            record: Out::default(),
            records: Vec::new(),
            bytes: 0,
            next: 1,
            frame: Vec::new(),
        })
    }

    fn op(&mut self, op: &Op) -> Result<()> {
        record::write(&mut self.record, op);
        self.close_record(RECORD)
    }

    fn change(&mut self, change: &Change, state: Option<&State>) -> Result<()> {
        record::write_change(&mut self.record, change, None, state);
        self.close_record(RECORD)
    }

    fn finish(&mut self) -> Result<()> {
        self.close_record(1)?;
        self.close_frame(1)?;
        self.file.sync_all().map_err(|error| folder::disk(&self.path, error))
    }

    fn close_record(&mut self, from: usize) -> Result<()> {
        if self.record.bytes.len() < from {
            return Ok(());
        }
        let record = std::mem::take(&mut self.record.bytes);
        self.bytes += record.len();
        self.records.push(record);
        self.close_frame(FRAME)
    }

    fn close_frame(&mut self, from: usize) -> Result<()> {
        if self.bytes < from {
            return Ok(());
        }
        frame::write(&mut self.frame, self.next, &self.records, false);
        self.next += self.records.len() as u64;
        self.records.clear();
        self.bytes = 0;
        self.file.write_all(&self.frame).map_err(|error| folder::disk(&self.path, error))
    }
}

impl Copy {
    fn of(core: &Core, name: &Arc<str>) -> Option<Self> {
        let run: &Run = core.runs.get(name)?;
        let begins =
            Begin { tenant: run.tenant.clone(), started: run.started, key: run.key.clone() };
        let mut aside = Vec::new();
        let mut publish = Vec::new();
        for entry in run.cells.values().filter_map(|id| core.tasks.get(*id)) {
            let id = entry.task.id;
            publish.push(entry.task.clone());
            if entry.begun {
                aside.push(Op::Begun(id));
            }
            match entry.hand {
                Hand::Reported => aside.push(Op::Reported(id)),
                Hand::Parked => aside.push(Op::Parked(id)),
                Hand::Nobody | Hand::Worker(..) => {}
            }
        }
        let tickets = core.tenants.get(&run.tenant).map(|tenant| &tenant.tickets);
        let open =
            run.tickets.iter().filter_map(|ticket| Some(tickets?.get(ticket)?.1.clone())).collect();
        aside.extend(run.patches.ops(name));
        aside.push(Op::LogBase { run: name.clone(), base: run.log.base() });
        aside.push(Op::Log { run: name.clone(), lines: Log::page(&run.log, 0, usize::MAX).0 });
        Some(Self {
            first: Change {
                run: name.clone(),
                begins: Some(begins),
                open,
                arm: pairs(run),
                ..Change::default()
            },
            state: run.state.clone(),
            rest: Change {
                run: name.clone(),
                lines: run.lines.clone(),
                context: run
                    .context
                    .iter()
                    .map(|(key, envelope)| (key.clone(), envelope.clone()))
                    .collect(),
                publish,
                ended: run.ended,
                ..Change::default()
            },
            aside,
            floor: run.touched,
        })
    }

    fn write(self, name: &Arc<str>, file: &mut Snapshot) -> Result<()> {
        let part = || Change { run: name.clone(), ..Change::default() };
        file.op(&Op::Floor { run: name.clone(), lsn: self.floor })?;
        file.change(&self.first, Some(&self.state))?;
        for line in self.rest.lines {
            file.change(&Change { lines: vec![line], ..part() }, None)?;
        }
        for entry in self.rest.context {
            file.change(&Change { context: vec![entry], ..part() }, None)?;
        }
        for task in self.rest.publish {
            file.change(&Change { publish: vec![task], ..part() }, None)?;
        }
        for op in self.aside {
            file.op(&op)?;
        }
        match self.rest.ended {
            Some(ended) => file.change(&Change { ended: Some(ended), ..part() }, None),
            None => Ok(()),
        }
    }
}

/// What belongs to no run, and the youngest record that it knows of.
fn rest(core: &Core, shared: &Shared) -> (Vec<Op>, u64) {
    let mut ops: Vec<Op> = Vec::new();
    for (name, tenant) in &core.tenants {
        let name = name.to_string();
        for ((workflow, tag), moves) in &tenant.tags {
            ops.extend(moves.iter().zip(1..).map(|(to, number)| Op::Move {
                tenant: name.clone(),
                workflow: workflow.clone(),
                tag: tag.clone(),
                number,
                to: to.clone(),
            }));
        }
        ops.extend(tenant.sets.iter().map(|((workflow, set), digest)| Op::PatchSet {
            tenant: name.clone(),
            workflow: workflow.clone(),
            name: set.clone(),
            digest: digest.clone(),
        }));
        for (tier, debits) in &tenant.debits {
            ops.extend(debits.all().map(|(id, t, window)| Op::Debit {
                tenant: name.clone(),
                tier: *tier,
                id: id.to_owned(),
                t,
                window,
            }));
        }
        ops.extend(tenant.spent.all().map(|(day, taken, id, open)| Op::Spend {
            tenant: name.clone(),
            day,
            taken,
            id: id.to_owned(),
            open,
        }));
        ops.extend(
            tenant.limits.iter().map(|document| Op::Limits {
                tenant: name.clone(),
                document: Some(document.clone()),
            }),
        );
        ops.extend(tenant.keys.iter().map(|(key, (run, t))| Op::Key {
            tenant: name.clone(),
            key: key.clone(),
            run: run.clone(),
            t: *t,
        }));
    }
    ops.extend(core.tombstones.iter().map(|(run, t)| Op::Tombstone { run: run.clone(), t: *t }));
    ops.extend(core.artifacts.iter().map(|(digest, document)| Op::Artifact {
        digest: digest.clone(),
        document: document.clone(),
    }));
    ops.extend(core.types.iter().map(|(name, (version, document))| Op::Type {
        name: name.clone(),
        version: *version,
        document: Some(document.clone()),
    }));
    ops.push(Op::Type { name: String::new(), version: core.types_version, document: None });
    ops.extend(core.inbox.all().map(|(id, signal)| Op::Signal { id, signal: signal.clone() }));
    let (entries, signals) = shared.numbers();
    ops.push(Op::End { lsn: core.lsn, entries, signals });
    (ops, core.lsn)
}

fn pairs(run: &Run) -> Vec<(aob_engine::step::Timer, u64)> {
    run.timers.iter().map(|(timer, due)| (timer.clone(), *due)).collect()
}
