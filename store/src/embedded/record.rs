//! Operations as bytes. A byte says which operation; its members follow in a fixed order.

use std::sync::Arc;

use aob_engine::event::Settled;
use aob_engine::state::{Asks, Fence, State};
use aob_engine::step::{Due, Envelope, Timer};
use aob_engine::tier::Tier;
use aob_engine::timeline::{Move, MoveKind};

use super::change::{Begin, Change, Delta, Op, Opened, Published};
use super::codec::{Bad, In, Out, Read};
use crate::LogLine;
use crate::task::Signal;

const SETTLED: [Settled; 5] =
    [Settled::Succeeded, Settled::Failed, Settled::Skipped, Settled::Passed, Settled::Cancelled];
const ASKS: [Asks; 5] = [Asks::Gate, Asks::Failure, Asks::Unknown, Asks::Budget, Asks::Patch];
const DUE: [Due; 8] = [
    Due::Backoff,
    Due::Delay,
    Due::Deadline,
    Due::Timeout,
    Due::Duration,
    Due::Grace,
    Due::Finally,
    Due::Notice,
];

const KINDS: [MoveKind; 3] = [MoveKind::Set, MoveKind::Undo, MoveKind::Redo];

/// Writes a step with what it changed in the state: from `before` (none: from nothing) to `after` (none: not at all).
pub(super) fn write_change(
    out: &mut Out,
    change: &Change,
    before: Option<&State>,
    after: Option<&State>,
) {
    out.byte(1);
    out.text(&change.run);
    out.option(change.begins.as_ref(), |out, begin| {
        out.text(&begin.tenant);
        out.number(begin.started);
        out.option(begin.key.as_ref(), |out, key| out.text(key));
    });
    if let Some(after) = after {
        after.changes(before, &mut |name, value| {
            out.byte(if value.is_some() { 1 } else { 2 });
            out.text(name);
            if let Some(value) = value {
                out.blob(value);
            }
        });
    }
    out.byte(0);
    out.list(change.lines.iter(), |out, line| out.blob(line));
    out.list(change.context.iter(), |out, (key, envelope)| {
        out.text(key);
        write_envelope(out, envelope);
    });
    out.list(change.free.iter(), |out, &cell| out.number(cell.into()));
    out.list(change.publish.iter(), |out, task| write_task(out, task));
    out.list(change.disarm.iter(), write_timer);
    out.list(change.arm.iter(), |out, (timer, due)| {
        write_timer(out, timer);
        out.number(*due);
    });
    out.list(change.open.iter(), |out, opened| {
        out.text(&opened.id);
        out.text(&opened.instance);
        out.byte(asks(opened.asks));
        out.number(opened.since);
    });
    out.list(change.close.iter(), |out, ticket| out.text(ticket));
    out.list(change.log.iter(), |out, line| write_line(out, line));
    out.option(change.ended, |out, (ended, retention)| {
        out.number(ended);
        out.number(retention);
    });
    out.list(change.answered.iter(), |out, &id| out.number(id));
}

/// Writes any other operation.
pub(super) fn write(out: &mut Out, op: &Op) {
    match op {
        Op::Change(change, _) => write_change(out, change, None, None),
        Op::Drop { run, t } => write_run(out, 2, run, *t),
        Op::Signal { id, signal } => {
            out.byte(3);
            out.number(*id);
            out.text(&signal.run);
            out.number(signal.t);
            out.value(&serde_json::to_value(&signal.input).unwrap_or_default());
        }
        Op::Answered(ids) => {
            out.byte(4);
            out.list(ids.iter(), |out, &id| out.number(id));
        }
        Op::Begun(id) => write_numbers(out, 5, &[*id]),
        Op::Reported(id) => write_numbers(out, 6, &[*id]),
        Op::Parked(id) => write_numbers(out, 7, &[*id]),
        Op::Fired { run, timer } => {
            out.byte(8);
            out.text(run);
            write_timer(out, timer);
        }
        Op::Log { run, lines } => {
            out.byte(9);
            out.text(run);
            out.list(lines.iter(), |out, line| write_line(out, line));
        }
        Op::Artifact { digest, document } => {
            out.byte(10);
            out.text(digest);
            out.blob(document);
        }
        Op::Tag { tenant, workflow, tag, digest } => {
            out.byte(11);
            [tenant, workflow, tag, digest].iter().for_each(|text| out.text(text));
        }
        Op::Key { tenant, key, run, t } => {
            out.byte(12);
            [tenant.as_str(), key, run].iter().for_each(|text| out.text(text));
            out.number(*t);
        }
        Op::Tombstone { run, t } => write_run(out, 13, run, *t),
        Op::LogBase { run, base } => write_run(out, 14, run, *base),
        Op::Floor { run, lsn } => write_run(out, 15, run, *lsn),
        Op::End { lsn, entries, signals } => write_numbers(out, 16, &[*lsn, *entries, *signals]),
        Op::Patch { run, id, revision, record } => {
            out.byte(17);
            out.text(run);
            out.text(id);
            out.option(*revision, |out, revision| out.number(revision.into()));
            out.blob(record);
        }
        Op::Base { run, revision, document } => {
            write_run(out, 18, run, (*revision).into());
            out.blob(document);
        }
        Op::Move { tenant, workflow, tag, number, to } => {
            out.byte(19);
            [tenant, workflow, tag].iter().for_each(|text| out.text(text));
            out.number((*number).into());
            out.byte(kind(to.kind));
            [&to.digest, &to.by].iter().for_each(|text| out.text(text));
            out.number(to.time);
            out.option(to.reason.as_ref(), |out, reason| out.text(reason));
        }
        Op::PatchSet { tenant, workflow, name, digest } => {
            out.byte(20);
            [tenant, workflow, name, digest].iter().for_each(|text| out.text(text));
        }
        Op::Debit { tenant, tier, id, t, window } => {
            out.byte(21);
            out.text(tenant);
            out.byte(tier.map_or(EVERY_TIER, self::tier));
            out.text(id);
            out.number(*t);
            out.number(*window);
        }
        Op::Refund { tenant, tier, id } => {
            out.byte(22);
            out.text(tenant);
            out.byte(tier.map_or(EVERY_TIER, self::tier));
            out.text(id);
        }
        Op::Spend { tenant, day, taken, id, open } => {
            out.byte(25);
            out.text(tenant);
            out.number(*day);
            out.number(*taken);
            out.text(id);
            out.option(open.as_ref(), |out, (call, amount)| {
                out.number(*call);
                out.number(*amount);
            });
        }
        Op::Limits { tenant, document } => {
            out.byte(26);
            out.text(tenant);
            out.option(document.as_ref(), |out, document| out.blob(document));
        }
        Op::Type { name, version, document } => {
            out.byte(24);
            out.text(name);
            out.number(*version);
            out.option(document.as_ref(), |out, document| out.blob(document));
        }
    }
}

/// Reads one operation.
pub(super) fn read(from: &mut In<'_>) -> Read<Op> {
    Ok(match from.byte()? {
        1 => read_change(from)?,
        2 => Op::Drop { run: from.name()?, t: from.number()? },
        3 => {
            let id = from.number()?;
            let (run, t) = (from.name()?, from.number()?);
            let input = serde_json::from_value(from.value()?)
                .map_err(|_| Bad("a signal's input is unknown"))?;
            Op::Signal { id, signal: Arc::new(Signal { run, input, t }) }
        }
        4 => Op::Answered(from.list(In::number)?),
        5 => Op::Begun(from.number()?),
        6 => Op::Reported(from.number()?),
        7 => Op::Parked(from.number()?),
        8 => Op::Fired { run: from.name()?, timer: read_timer(from)? },
        9 => Op::Log { run: from.name()?, lines: from.list(read_line)? },
        10 => Op::Artifact { digest: from.text()?, document: from.blob()?.into() },
        11 => Op::Tag {
            tenant: from.text()?,
            workflow: from.text()?,
            tag: from.text()?,
            digest: from.text()?,
        },
        12 => Op::Key {
            tenant: from.text()?,
            key: from.text()?,
            run: from.name()?,
            t: from.number()?,
        },
        13 => Op::Tombstone { run: from.name()?, t: from.number()? },
        14 => Op::LogBase { run: from.name()?, base: from.number()? },
        15 => Op::Floor { run: from.name()?, lsn: from.number()? },
        16 => Op::End { lsn: from.number()?, entries: from.number()?, signals: from.number()? },
        17 => Op::Patch {
            run: from.name()?,
            id: from.text()?,
            revision: from.option(In::small)?,
            record: from.blob()?.into(),
        },
        18 => {
            Op::Base { run: from.name()?, revision: from.small()?, document: from.blob()?.into() }
        }
        19 => Op::Move {
            tenant: from.text()?,
            workflow: from.text()?,
            tag: from.text()?,
            number: from.small()?,
            to: Arc::new(read_move(from)?),
        },
        20 => Op::PatchSet {
            tenant: from.text()?,
            workflow: from.text()?,
            name: from.text()?,
            digest: from.text()?,
        },
        21 => Op::Debit {
            tenant: from.text()?,
            tier: read_tier(from)?,
            id: from.text()?,
            t: from.number()?,
            window: from.number()?,
        },
        22 => Op::Refund { tenant: from.text()?, tier: read_tier(from)?, id: from.text()? },
        24 => Op::Type {
            name: from.text()?,
            version: from.number()?,
            document: from.option(|from| from.blob().map(Arc::from))?,
        },
        25 => Op::Spend {
            tenant: from.text()?,
            day: from.number()?,
            taken: from.number()?,
            id: from.text()?,
            open: from.option(|from| Ok((from.number()?, from.number()?)))?,
        },
        26 => Op::Limits {
            tenant: from.text()?,
            document: from.option(|from| from.blob().map(Arc::from))?,
        },
        _ => return Err(Bad("an operation is unknown")),
    })
}

fn read_move(from: &mut In<'_>) -> Read<Move> {
    let kind = pick(&KINDS, from.byte()?)?;
    let (digest, by) = (from.text()?, from.text()?);
    Ok(Move { kind, digest, by, time: from.number()?, reason: from.option(In::text)? })
}

fn read_change(from: &mut In<'_>) -> Read<Op> {
    let run = from.name()?;
    let begins = from.option(|from| {
        Ok(Begin { tenant: from.name()?, started: from.number()?, key: from.option(In::text)? })
    })?;
    let mut delta = Delta::default();
    loop {
        match from.byte()? {
            0 => break,
            1 => delta.set.push((from.text()?, from.blob()?.to_vec())),
            2 => delta.gone.push(from.text()?),
            _ => return Err(Bad("a field is neither written nor removed")),
        }
    }
    let change = Change {
        begins,
        lines: from.list(|from| from.blob().map(Arc::from))?,
        context: from.list(|from| Ok((from.text()?, Arc::new(read_envelope(from)?))))?,
        free: from.list(In::small)?,
        publish: from.list(|from| read_task(from, &run).map(Arc::new))?,
        disarm: from.list(read_timer)?,
        arm: from.list(|from| Ok((read_timer(from)?, from.number()?)))?,
        open: from.list(|from| {
            Ok(Opened {
                id: from.name()?,
                instance: from.text()?,
                asks: pick(&ASKS, from.byte()?)?,
                since: from.number()?,
            })
        })?,
        close: from.list(In::name)?,
        log: from.list(read_line)?,
        ended: from.option(|from| Ok((from.number()?, from.number()?)))?,
        answered: from.list(In::number)?,
        run,
    };
    Ok(Op::Change(Box::new(change), delta))
}

fn write_run(out: &mut Out, op: u8, run: &str, number: u64) {
    out.byte(op);
    out.text(run);
    out.number(number);
}

fn write_numbers(out: &mut Out, op: u8, numbers: &[u64]) {
    out.byte(op);
    numbers.iter().for_each(|&number| out.number(number));
}

fn write_envelope(out: &mut Out, envelope: &Envelope) {
    write_fence(out, envelope.fence);
    out.byte(settled(envelope.outcome));
    out.option(envelope.digest.as_ref(), |out, digest| out.text(digest));
    out.option(envelope.value.as_ref(), |out, value| out.value(value));
    out.option(envelope.error.as_ref(), Out::value);
}

fn read_envelope(from: &mut In<'_>) -> Read<Envelope> {
    Ok(Envelope {
        fence: read_fence(from)?,
        outcome: pick(&SETTLED, from.byte()?)?,
        digest: from.option(In::text)?,
        value: from.option(|from| from.value().map(Arc::new))?,
        error: from.option(In::value)?,
    })
}

fn write_task(out: &mut Out, task: &Published) {
    out.number(task.id);
    out.number(task.cell.into());
    out.text(&task.instance);
    out.text(&task.node_type);
    write_fence(out, task.fence);
    out.number(task.attempt.into());
    out.option(task.timeout, Out::number);
    out.byte(task.once.into());
    out.value(&task.input);
    out.number(task.since);
}

fn read_task(from: &mut In<'_>, run: &Arc<str>) -> Read<Published> {
    Ok(Published {
        id: from.number()?,
        run: run.clone(),
        cell: from.small()?,
        instance: from.text()?,
        node_type: from.name()?,
        fence: read_fence(from)?,
        attempt: from.small()?,
        timeout: from.option(In::number)?,
        once: from.bool()?,
        input: Arc::new(from.value()?),
        since: from.number()?,
    })
}

fn write_fence(out: &mut Out, fence: Fence) {
    out.number(fence.0);
    out.number(fence.1);
}

fn read_fence(from: &mut In<'_>) -> Read<Fence> {
    Ok(Fence(from.number()?, from.number()?))
}

fn write_timer(out: &mut Out, timer: &Timer) {
    out.text(&timer.instance);
    out.byte(due(timer.what));
    out.number(timer.seq);
}

fn read_timer(from: &mut In<'_>) -> Read<Timer> {
    Ok(Timer { instance: from.text()?, what: pick(&DUE, from.byte()?)?, seq: from.number()? })
}

fn write_line(out: &mut Out, line: &LogLine) {
    out.number(line.t);
    [&line.at, &line.from, &line.text].iter().for_each(|text| out.text(text));
}

fn read_line(from: &mut In<'_>) -> Read<Arc<LogLine>> {
    Ok(Arc::new(LogLine {
        t: from.number()?,
        at: from.text()?,
        from: from.text()?,
        text: from.text()?,
    }))
}

fn pick<T: Copy>(list: &[T], at: u8) -> Read<T> {
    list.get(usize::from(at)).copied().ok_or(Bad("a number names no value"))
}

/// Place in [`SETTLED`]; a match, so that a new value cannot be forgotten.
fn settled(outcome: Settled) -> u8 {
    match outcome {
        Settled::Succeeded => 0,
        Settled::Failed => 1,
        Settled::Skipped => 2,
        Settled::Passed => 3,
        Settled::Cancelled => 4,
    }
}

/// Place in [`ASKS`].
fn asks(asks: Asks) -> u8 {
    match asks {
        Asks::Gate => 0,
        Asks::Failure => 1,
        Asks::Unknown => 2,
        Asks::Budget => 3,
        Asks::Patch => 4,
    }
}

/// Place in [`KINDS`].
fn kind(kind: MoveKind) -> u8 {
    match kind {
        MoveKind::Set => 0,
        MoveKind::Undo => 1,
        MoveKind::Redo => 2,
    }
}

/// In the place of a tier: all of them.
const EVERY_TIER: u8 = 255;

fn read_tier(from: &mut In<'_>) -> Read<Option<Tier>> {
    match from.byte()? {
        EVERY_TIER => Ok(None),
        at => pick(&Tier::ALL, at).map(Some),
    }
}

/// Place in [`Tier::ALL`].
fn tier(tier: Tier) -> u8 {
    match tier {
        Tier::Simple => 0,
        Tier::Standard => 1,
        Tier::Heavy => 2,
    }
}

/// Place in [`DUE`].
fn due(what: Due) -> u8 {
    match what {
        Due::Backoff => 0,
        Due::Delay => 1,
        Due::Deadline => 2,
        Due::Timeout => 3,
        Due::Duration => 4,
        Due::Grace => 5,
        Due::Finally => 6,
        Due::Notice => 7,
    }
}
