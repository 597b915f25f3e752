//! Opening: the snapshot, then the journals after it, applied in order. Memory stays within a small multiple of
//! what is kept and one frame; a torn end is cut, damage anywhere else is an error that says where.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aob_engine::state::{Fields, decode};

use super::change::{Change, Op};
use super::codec::In;
use super::core::{After, Core};
use super::frame::{self, FILE_HEADER, FileKind, Next};
use super::tail::Tail;
use super::{folder, record};
use crate::{Error, Result};

/// What was found in a data directory.
pub(super) struct Recovered {
    pub(super) core: Core,
    /// No entry has a number above it.
    pub(super) entries: u64,
    /// No signal has a number above it.
    pub(super) signals: u64,
    pub(super) tail: Tail,
    /// Number of the journal that goes on.
    pub(super) file: u64,
    /// Bytes of the journals.
    pub(super) written: u64,
}

/// Reads a data directory that this process has locked.
pub(super) fn recover(dir: &Path, sync: bool) -> Result<Recovered> {
    let listing = folder::list(dir)?;
    listing.unfinished.iter().for_each(|path| folder::remove(path));
    let snapshot = listing.snapshots.last().copied();
    let first = snapshot.unwrap_or(1);
    let mut replay = Replay::new();
    if let Some(number) = snapshot {
        replay.read_snapshot(folder::snapshot(dir, number), number)?;
    }
    let journals: Vec<u64> =
        listing.journals.iter().copied().filter(|number| *number >= first).collect();
    let contiguous = journals.iter().zip(first..).all(|(found, expected)| *found == expected);
    if !contiguous || (journals.is_empty() && snapshot.is_some()) {
        let present = format!(
            "{}: journals {journals:?} are there, {first} and what follows should be",
            dir.display()
        );
        return Err(Error::Corrupt(present));
    }
    let (mut written, mut last) = (0, None);
    for (at, &number) in journals.iter().enumerate() {
        let path = folder::journal(dir, number);
        let end = replay.read_journal(&path, at + 1 == journals.len())?;
        written += end.at;
        last = Some((number, path, end));
    }
    if replay.lsn < replay.end {
        let lost = format!(
            "{}: the journals end at record {}, the snapshot is of {}",
            dir.display(),
            replay.lsn,
            replay.end
        );
        return Err(Error::Corrupt(lost));
    }
    let (file, tail) = match last {
        Some((number, path, end)) if end.at > 0 => {
            (number, Tail::resume(path, end.at, end.zeros, sync)?)
        }
        Some((number, ..)) => (number, Tail::create(dir, number, replay.lsn, sync)?),
        None => (first, Tail::create(dir, first, 0, sync)?),
    };
    for number in listing.snapshots.iter().filter(|number| **number < first) {
        folder::remove(&folder::snapshot(dir, *number));
    }
    for number in listing.journals.iter().filter(|number| **number < first) {
        folder::remove(&folder::journal(dir, *number));
    }
    let (entries, signals) = (replay.entries, replay.signals);
    Ok(Recovered { core: replay.finish()?, entries, signals, tail, file, written })
}

/// Where a journal's content ends, and whether only zeros follow. At 0: it has no header yet.
struct End {
    at: u64,
    zeros: bool,
}

/// The state as far as it has been read.
struct Replay {
    core: Core,
    fields: HashMap<Arc<str>, Fields>,
    /// What the snapshot knows of a run, up to which record.
    floors: HashMap<Arc<str>, u64>,
    /// The youngest record that the snapshot knows anything of.
    end: u64,
    lsn: u64,
    entries: u64,
    signals: u64,
    ended: bool,
}

impl Replay {
    fn new() -> Self {
        Self {
            core: Core::default(),
            fields: HashMap::new(),
            floors: HashMap::new(),
            end: 0,
            lsn: 0,
            entries: 0,
            signals: 0,
            ended: false,
        }
    }

    fn read_snapshot(&mut self, path: PathBuf, number: u64) -> Result<()> {
        let (file, length) = open(&path)?;
        let header = frame::read_file_header(FileKind::Snapshot, &file)
            .map_err(|error| folder::disk(&path, error))?;
        if header != Some(number) {
            return Err(corrupt(&path, 0, "the snapshot's header is damaged"));
        }
        let (mut at, mut count, mut payload) = (FILE_HEADER, 1, Vec::new());
        loop {
            match frame::next(&file, at, length, count, &mut payload)
                .map_err(|error| folder::disk(&path, error))?
            {
                Next::Frame(_, size) => {
                    for record in frame::records(&payload) {
                        let record = record.map_err(|bad| corrupt(&path, at, bad.0))?;
                        self.record(record, None).map_err(|why| corrupt(&path, at, why))?;
                        count += 1;
                    }
                    at += size;
                }
                Next::End if self.ended => return Ok(()),
                Next::End => return Err(corrupt(&path, at, "the snapshot is not complete")),
                Next::Damage(why) => return Err(corrupt(&path, at, why)),
            }
        }
    }

    fn read_journal(&mut self, path: &Path, is_last: bool) -> Result<End> {
        let disk = |error| folder::disk(path, error);
        let (file, length) = open(path)?;
        let base = frame::read_file_header(FileKind::Journal, &file).map_err(disk)?;
        let Some(base) = base else {
            // Its frames were written after its header was on disk, if there are any.
            if is_last
                && !frame::synced_frame_after(&file, 0, length, self.lsn + 1).map_err(disk)?
            {
                return Ok(End { at: 0, zeros: false });
            }
            return Err(corrupt(path, 0, "the journal's header is damaged"));
        };
        if self.lsn == 0 && self.ended {
            self.lsn = base;
        }
        if base != self.lsn {
            let why = format!(
                "it goes on after record {base}, but record {} is the last before it",
                self.lsn
            );
            return Err(corrupt(path, 0, &why));
        }
        let (mut at, mut payload) = (FILE_HEADER, Vec::new());
        loop {
            match frame::next(&file, at, length, self.lsn + 1, &mut payload).map_err(disk)? {
                Next::Frame(_, size) => {
                    for record in frame::records(&payload) {
                        let record = record.map_err(|bad| corrupt(path, at, bad.0))?;
                        self.lsn += 1;
                        self.record(record, Some(self.lsn))
                            .map_err(|why| corrupt(path, at, why))?;
                    }
                    at += size;
                }
                Next::End => return Ok(End { at, zeros: true }),
                Next::Damage(why) => {
                    let lost =
                        frame::synced_frame_after(&file, at, length, self.lsn + 1).map_err(disk)?;
                    if lost {
                        return Err(corrupt(path, at, why));
                    }
                    let bytes = length - at;
                    tracing::warn!(path = %path.display(), at, bytes, why, "the journal's torn end is cut off");
                    return Ok(End { at, zeros: false });
                }
            }
        }
    }

    /// Applies a record of a journal, or of the snapshot.
    fn record(&mut self, bytes: &[u8], lsn: Option<u64>) -> std::result::Result<(), &'static str> {
        let mut from = In::new(bytes);
        while !from.is_empty() {
            let before = from.left();
            let op = record::read(&mut from).map_err(|bad| bad.0)?;
            self.apply(op, lsn, (before - from.left()) as u64)?;
        }
        Ok(())
    }

    fn apply(
        &mut self,
        mut op: Op,
        lsn: Option<u64>,
        size: u64,
    ) -> std::result::Result<(), &'static str> {
        let known = |run: &Arc<str>| {
            lsn.is_some_and(|lsn| self.floors.get(run).is_some_and(|floor| lsn <= *floor))
        };
        let mut state = None;
        match &mut op {
            Op::Change(change, delta) => {
                let missing = change.begins.is_none() && !self.core.runs.contains_key(&change.run);
                if missing && lsn.is_none_or(|lsn| lsn > self.end) {
                    return Err("a step of a run that never began");
                }
                if missing || known(&change.run) {
                    // Signals come and go once, so that repeating it changes nothing.
                    let answered = std::mem::take(&mut change.answered);
                    **change = Change { answered, ..Change::default() };
                } else {
                    if change.begins.is_some() {
                        self.fields.remove(&change.run);
                    }
                    let fields = self.fields.entry(change.run.clone()).or_default();
                    fields.extend(delta.set.drain(..));
                    delta.gone.drain(..).for_each(|name| drop(fields.remove(&name)));
                    if change.begins.is_some() {
                        // Later steps change only fields, until the last has been read.
                        let first = decode(fields).map_err(|error| error.why)?;
                        state = Some(Arc::new(first));
                    }
                }
                for task in &change.publish {
                    self.entries = self.entries.max(task.id);
                }
            }
            Op::Drop { run, .. } if !known(run) => drop(self.fields.remove(run)),
            Op::Drop { run, .. }
            | Op::Fired { run, .. }
            | Op::Log { run, .. }
            | Op::Patch { run, .. }
            | Op::Base { run, .. }
                if known(run) =>
            {
                return Ok(());
            }
            Op::Signal { id, .. } => self.signals = self.signals.max(*id),
            Op::Floor { run, lsn } => drop(self.floors.insert(run.clone(), *lsn)),
            Op::End { lsn, entries, signals } => {
                (self.end, self.ended) = (*lsn, true);
                self.entries = self.entries.max(*entries);
                self.signals = self.signals.max(*signals);
            }
            _ => {}
        }
        let mut after = After::default();
        self.core.apply(op, state.as_ref(), lsn.unwrap_or(0), size, &mut after);
        Ok(())
    }

    /// Decodes the states.
    fn finish(mut self) -> Result<Core> {
        self.core.lsn = self.lsn;
        for (name, run) in &mut self.core.runs {
            let fields = self.fields.remove(name).unwrap_or_default();
            let state = decode(&fields)
                .map_err(|error| Error::Corrupt(format!("state of {name}: {error}")))?;
            run.state = Arc::new(state);
        }
        Ok(self.core)
    }
}

fn open(path: &Path) -> Result<(File, u64)> {
    let open = || {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    };
    open().map_err(|error| folder::disk(path, error))
}

fn corrupt(path: &Path, at: u64, why: &str) -> Error {
    Error::Corrupt(format!(
        "{} at byte {at}: {why}; restore the directory from a copy",
        path.display()
    ))
}
