//! An item of a commit as arguments of `aob1_commit`; the other side is `functions/commit.lua`.

use aob_engine::state::{Asks, Live, State};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::args::Args;
use super::entry::{INLINE, Kept, Published};
use crate::commit::Item;
use crate::{LogLine, timer_name};

/// Flags of an item's counts.
const START: u8 = 1;
const OVER: u8 = 2;
const EVENT: u8 = 4;
const META: u8 = 16;
const REST: u8 = 32;
const RECORD: u8 = 64;
const LONG: u8 = 128;

/// How many there are of each part of an item, in the order of the parts.
#[derive(Default)]
struct Counts {
    acks: usize,
    recalls: usize,
    olds: usize,
    sets: usize,
    drops: usize,
    context: usize,
    tasks: usize,
    blobs: usize,
    arms: usize,
    disarms: usize,
    opens: usize,
    closes: usize,
    signals: usize,
    logs: usize,
    sends: usize,
}

impl Counts {
    /// Parts that every hop has come first.
    const COMMON: usize = 7;

    fn list(&self) -> [usize; 15] {
        [
            self.acks,
            self.recalls,
            self.olds,
            self.sets,
            self.drops,
            self.context,
            self.tasks,
            self.blobs,
            self.arms,
            self.disarms,
            self.opens,
            self.closes,
            self.signals,
            self.logs,
            self.sends,
        ]
    }

    /// A byte for each count, where that holds them all, which is nearly always; else four.
    fn header(&self, flags: u8, link: u8, size: usize) -> Vec<u8> {
        let list = self.list();
        let flags =
            flags | if list[Self::COMMON..].iter().any(|count| *count > 0) { REST } else { 0 };
        let short = |count: &usize| u8::try_from(*count).ok();
        let counts: Option<Vec<u8>> = list.iter().map(short).collect();
        if let (Some(counts), Ok(size)) = (counts, u16::try_from(size)) {
            return [&[flags, link][..], &size.to_le_bytes(), &counts].concat();
        }
        let long = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = vec![flags | LONG, link];
        bytes.extend(long(size));
        bytes.push(0);
        bytes.extend(list.iter().flat_map(|count| long(*count)));
        bytes
    }
}

/// Appends an item. `link` is its group within the call, 0 for none; `now` is the time of its log lines.
pub(super) fn item(args: &mut Args, item: &Item, link: u8, epoch: u64, now: u64) {
    let (before, after) = (item.before.as_deref(), &*item.after);
    let (head, effects) = (&after.head, &item.effects);
    let over = before.is_some_and(State::is_ended);
    let ends = after.is_ended() && !over && !item.line.is_empty();
    let mut counts = Counts::default();
    let from = args.len();
    args.push([]);
    args.push(&*head.run);
    args.number(before.map_or(0, |state| state.head.seq));
    args.number(before.map_or(0, |state| u64::from(state.head.revision)));
    args.push(before.map_or(&[][..], |state| state.head.last.as_bytes()));
    args.number(head.seq);
    let closes = closes(item, ends);
    let mut flags = 0;
    for (flag, set) in [
        (START, before.is_none()),
        (OVER, over),
        (EVENT, !item.line.is_empty()),
        (
            META,
            before.is_none()
                || ends
                || !closes.is_empty()
                || !effects.open.is_empty()
                || item.patch.is_some(),
        ),
        (RECORD, item.patch.is_some()),
    ] {
        flags |= if set { flag } else { 0 };
    }
    if flags & META != 0 {
        args.push(&*head.tenant);
        args.push(item.key.as_deref().unwrap_or_default());
        match (ends, item.retention) {
            (false, _) => args.push(""),
            (true, 0) => args.push("0"),
            (true, retention) => {
                args.number(head.ended.unwrap_or(now).saturating_add(retention).max(1))
            }
        }
    }
    if let Some(record) = &item.patch {
        args.push(&record.id);
        args.json(&**record);
        match record.accepted() {
            Some(accepted) => args.number(accepted.revision.into()),
            None => args.push(""),
        }
    }
    let freed = cells(args, item, ends, epoch, &mut counts);
    if !item.line.is_empty() {
        args.push(&item.line);
    }
    if !(ends && item.retention == 0) {
        // Else the run is removed in the same call.
        let mut blobs = Args::default();
        fields(args, item, &freed, &mut blobs, &mut counts);
        tasks(args, item, &mut blobs, &mut counts);
        counts.blobs = blobs.len() / 2;
        args.append(blobs);
    }
    for (timer, due) in &effects.arm {
        args.number(*due);
        args.push(timer_name(&head.run, timer));
    }
    for timer in &effects.disarm {
        args.push(timer_name(&head.run, timer));
    }
    for ticket in &effects.open {
        args.push(&*ticket.id);
        args.format(format_args!("{} {}", asks(ticket.asks), ticket.instance));
    }
    for ticket in &closes {
        args.push(ticket);
    }
    let signals = args.len();
    for name in &item.signals {
        if let Some(id) = super::entry::signal_id(name, epoch) {
            args.push(id);
        }
    }
    counts.signals = args.len() - signals;
    for line in &effects.log {
        args.json(&LogLine {
            t: now,
            at: String::new(),
            from: "aob".into(),
            text: super::log::bounded(line),
        });
    }
    counts.arms = effects.arm.len();
    counts.disarms = effects.disarm.len();
    counts.opens = effects.open.len();
    counts.closes = closes.len();
    for signal in &item.send {
        args.json(signal);
    }
    counts.logs = effects.log.len();
    counts.sends = item.send.len();
    args.replace(from, &counts.header(flags, link, args.len() - from));
}

/// The cells whose tasks end: answered, taken back, and, with the run, all. Answers those that no task follows in.
fn cells(args: &mut Args, item: &Item, ends: bool, epoch: u64, counts: &mut Counts) -> Vec<u32> {
    let effects = &item.effects;
    let mut acks = effects.ack.clone();
    if ends && let Some(before) = &item.before {
        acks.extend(
            live(before).map(|live| live.cell).filter(|cell| !effects.recall.contains(cell)),
        );
    }
    acks.sort_unstable();
    acks.dedup();
    // A task of an older epoch may have been claimed without the store's knowing.
    let is_old = |cell: u32| {
        let mut all = item.before.iter().flat_map(|before| live(before));
        all.any(|live| live.cell == cell && live.fence.0 != epoch)
    };
    let (olds, recalls): (Vec<u32>, Vec<u32>) =
        effects.recall.iter().partition(|&&cell| is_old(cell));
    counts.acks = acks.len();
    counts.recalls = recalls.len();
    counts.olds = olds.len();
    acks.extend(recalls);
    acks.extend(olds);
    for cell in &acks {
        args.format(format_args!("t{cell}"));
    }
    acks.retain(|cell| !effects.publish.iter().any(|task| task.cell == *cell));
    acks
}

fn live(state: &State) -> impl Iterator<Item = &Live> {
    state.scopes.values().flat_map(|scope| scope.live.values())
}

/// What changes in the run's hash and its context.
fn fields(args: &mut Args, item: &Item, freed: &[u32], blobs: &mut Args, counts: &mut Counts) {
    let (mut sets, mut drops) = (0, Vec::new());
    item.after.changes(item.before.as_deref(), &mut |name, value| match value {
        Some(value) => {
            args.push(name);
            args.push(value);
            sets += 1;
        }
        None => drops.push(name.to_owned()),
    });
    let effects = &item.effects;
    for cell in freed {
        args.format(format_args!("t{cell}"));
        args.push("");
        sets += 1;
    }
    for (timer, _) in &effects.arm {
        args.format(format_args!("@{}", timer_name(&item.after.head.run, timer)));
        args.push("");
        sets += 1;
    }
    drops.extend(
        effects.disarm.iter().map(|timer| format!("@{}", timer_name(&item.after.head.run, timer))),
    );
    if let Some(key) = &item.key {
        args.push("key");
        args.push(key);
        sets += 1;
    }
    if item.patch.is_some() {
        args.push("patched");
        args.push("");
        sets += 1;
    }
    counts.sets = sets;
    counts.drops = drops.len();
    drops.iter().for_each(|name| args.push(name));
    for (key, envelope) in &effects.context {
        args.push(key);
        if args.json(envelope) > INLINE && envelope.value.is_some() {
            args.pop();
            let value = serde_json::to_vec(&envelope.value).unwrap_or_default();
            let name = HEXLOWER.encode(&Sha256::digest(&value));
            blobs.push(&name);
            blobs.push(&value);
            args.json(&Kept::by_reference(envelope, name));
        }
    }
    counts.context = effects.context.len();
}

/// Tasks: the field that remembers the entry, its type, itself, and what else that field holds.
fn tasks(args: &mut Args, item: &Item, blobs: &mut Args, counts: &mut Counts) {
    let run = &item.after.head.run;
    for task in &item.effects.publish {
        args.format(format_args!("t{}", task.cell));
        args.push(&*task.node_type);
        if args.json(&Published::new(run, task, None)) <= INLINE {
            args.format(format_args!("- {}", task.instance));
            continue;
        }
        args.pop();
        // A blob that goes with its task is named by what names the task.
        let name = format!("i{}:{}", task.cell, task.fence.1);
        args.json(&Published::new(run, task, Some(&name)));
        args.format(format_args!("{name} {}", task.instance));
        blobs.push(&name);
        blobs.json(&*task.input);
    }
    counts.tasks = item.effects.publish.len();
}

/// Tickets that close: those named and, with the run, all.
fn closes(item: &Item, ends: bool) -> Vec<&str> {
    let mut closes: Vec<&str> = item.effects.close.iter().map(|ticket| &**ticket).collect();
    if ends && let Some(before) = &item.before {
        closes
            .extend(live(before).filter_map(|live| live.ticket.as_ref()).map(|ticket| &*ticket.id));
        closes.sort_unstable();
        closes.dedup();
    }
    closes
}

pub(super) fn asks(asks: Asks) -> &'static str {
    match asks {
        Asks::Gate => "gate",
        Asks::Failure => "failure",
        Asks::Unknown => "unknown",
        Asks::Budget => "budget",
        Asks::Patch => "patch",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_short_while_its_counts_are() {
        let mut counts = Counts { acks: 1, tasks: 255, ..Counts::default() };
        let short = counts.header(START, 3, 258);
        assert_eq!(short[..5], [START, 3, 2, 1, 1]);
        assert_eq!((short.len(), short[10]), (19, 255));
        counts.sends = 256;
        let long = counts.header(START, 3, 258);
        assert_eq!(long.len(), 2 + 4 + 1 + 15 * 4);
        assert_eq!((long[0], &long[2..6]), (START | REST | LONG, &[2, 1, 0, 0][..]));
        assert_eq!(long[63..], [0, 1, 0, 0]);
        assert_eq!(Counts::default().header(0, 0, 1 << 16)[0], LONG);
    }
}
