//! An item of a commit as arguments of `aob1_commit`; the other side is `functions/commit.lua`.

use aob_engine::state::{Asks, Live, State};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::args::Args;
use super::entry::{INLINE, Kept, Published};
use crate::commit::Item;
use crate::{LogLine, timer_name};

/// Flags of an item's header.
const START: u8 = 1;
const OVER: u8 = 2;
const EVENT: u8 = 4;
const PATCH: u8 = 8;
const META: u8 = 16;

/// Header of an item: flags, link, number of arguments, then the count of each part.
#[derive(Default)]
struct Header {
    flags: u8,
    link: u16,
    size: u32,
    acks: u32,
    recalls: u32,
    olds: u32,
    sets: u32,
    drops: u32,
    context: u32,
    tasks: u32,
    blobs: u32,
    arms: u32,
    disarms: u32,
    opens: u32,
    closes: u32,
    signals: u32,
    logs: u32,
    sends: u32,
}

impl Header {
    const LENGTH: usize = 67;

    fn bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[0] = self.flags;
        bytes[1..3].copy_from_slice(&self.link.to_le_bytes());
        let counts = [
            [self.size, self.acks, self.recalls, self.olds],
            [self.sets, self.drops, self.context, self.tasks],
            [self.blobs, self.arms, self.disarms, self.opens],
            [self.closes, self.signals, self.logs, self.sends],
        ];
        for (at, count) in counts.as_flattened().iter().enumerate() {
            bytes[3 + 4 * at..7 + 4 * at].copy_from_slice(&count.to_le_bytes());
        }
        bytes
    }
}

/// Appends an item. `link` is its group within the call, 0 for none; `now` is the time of its log lines.
pub(super) fn item(args: &mut Args, item: &Item, link: u16, epoch: u64, now: u64) {
    let (before, after) = (item.before.as_deref(), &*item.after);
    let (head, effects) = (&after.head, &item.effects);
    let over = before.is_some_and(State::is_ended);
    let ends = after.is_ended() && !over && !item.line.is_empty();
    let mut header = Header { link, ..Header::default() };
    let from = args.len();
    args.push(header.bytes());
    args.push(&*head.run);
    args.number(before.map_or(0, |state| state.head.seq));
    args.number(before.map_or(0, |state| u64::from(state.head.revision)));
    args.push(before.map_or(&[][..], |state| state.head.last.as_bytes()));
    args.number(head.seq);
    let closes = closes(item, ends);
    for (flag, set) in [
        (START, before.is_none()),
        (OVER, over),
        (EVENT, !item.line.is_empty()),
        (PATCH, before.is_some_and(|state| state.head.revision != head.revision)),
        (META, before.is_none() || ends || !closes.is_empty() || !effects.open.is_empty()),
    ] {
        header.flags |= if set { flag } else { 0 };
    }
    if header.flags & META != 0 {
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
    let freed = cells(args, item, ends, epoch, &mut header);
    if !item.line.is_empty() {
        args.push(&item.line);
    }
    if !(ends && item.retention == 0) {
        // Else the run is removed in the same call.
        let mut blobs = Args::default();
        fields(args, item, &freed, &mut blobs, &mut header);
        tasks(args, item, &mut blobs, &mut header);
        header.blobs = blobs.len() as u32 / 2;
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
    header.signals = (args.len() - signals) as u32;
    for line in &effects.log {
        args.json(&LogLine {
            t: now,
            at: String::new(),
            from: "aob".into(),
            text: super::log::bounded(line),
        });
    }
    header.arms = effects.arm.len() as u32;
    header.disarms = effects.disarm.len() as u32;
    header.opens = effects.open.len() as u32;
    header.closes = closes.len() as u32;
    for signal in &item.send {
        args.json(signal);
    }
    header.logs = effects.log.len() as u32;
    header.sends = item.send.len() as u32;
    header.size = (args.len() - from) as u32;
    args.patch(from, &header.bytes());
}

/// The cells whose tasks end: answered, taken back, and, with the run, all. Answers those that no task follows in.
fn cells(args: &mut Args, item: &Item, ends: bool, epoch: u64, header: &mut Header) -> Vec<u32> {
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
    header.acks = acks.len() as u32;
    header.recalls = recalls.len() as u32;
    header.olds = olds.len() as u32;
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
fn fields(args: &mut Args, item: &Item, freed: &[u32], blobs: &mut Args, header: &mut Header) {
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
    header.sets = sets;
    header.drops = drops.len() as u32;
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
    header.context = effects.context.len() as u32;
}

/// Tasks: the field that remembers the entry, its type, itself, and what else that field holds.
fn tasks(args: &mut Args, item: &Item, blobs: &mut Args, header: &mut Header) {
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
    header.tasks = item.effects.publish.len() as u32;
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_as_long_as_the_function_reads() {
        // '<BH' and 16 of 'I4'.
        assert_eq!(1 + 2 + 16 * 4, Header::LENGTH);
        let bytes = Header { flags: 5, link: 258, size: 3, sends: 7, ..Header::default() }.bytes();
        assert_eq!(bytes[..7], [5, 2, 1, 3, 0, 0, 0]);
        assert_eq!(bytes[63..], [7, 0, 0, 0]);
    }
}
