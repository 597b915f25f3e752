//! The part of a commit that needs no lock: limits, and the bytes of each item.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use aob_engine::state::State;

use super::change::{Begin, Change, Delta, Op, Opened, Published};
use super::codec::Out;
use super::record;
use super::shared::{Shared, fits, wall};
use crate::commit::{Item, MOST_ITEMS};
use crate::patched::check_record;
use crate::{Error, LogLine, Result};

/// An item, ready to be judged and applied.
pub(super) struct Prepared {
    pub(super) run: Arc<str>,
    /// Revision and seq that it was decided on; none starts the run.
    pub(super) expected: Option<(u32, u64)>,
    /// The state after it; none if it only acknowledges.
    pub(super) state: Option<Arc<State>>,
    /// The patch whose record it brings.
    pub(super) patch: Option<String>,
    pub(super) link: u32,
    pub(super) recall: Vec<u32>,
    /// Tenant and dedupe key of a start.
    pub(super) key: Option<(Arc<str>, String)>,
    /// Signals that are acknowledged even if it is refused.
    pub(super) signals: Vec<u64>,
    pub(super) ops: Vec<Op>,
    /// Where its bytes are.
    pub(super) bytes: Range<usize>,
}

/// Prepares items; their bytes in one piece, empty without a journal.
pub(super) fn prepare(shared: &Shared, items: Vec<Item>) -> Result<(Vec<Prepared>, Vec<u8>)> {
    if items.len() > MOST_ITEMS {
        return Err(Error::Limit(format!(
            "{} items in a commit, at most {MOST_ITEMS}",
            items.len()
        )));
    }
    let t = wall();
    let mut names = BTreeSet::new();
    let mut out = Out::default();
    let mut prepared = Vec::with_capacity(items.len());
    for item in items {
        let before = item.before.clone();
        let mut item = one(shared, item, t)?;
        if !names.insert(item.run.clone()) {
            return Err(Error::Limit(format!("run {} is twice in a commit", item.run)));
        }
        let from = out.bytes.len();
        if shared.journal.is_some() {
            for op in &item.ops {
                match op {
                    Op::Change(change, _) => {
                        record::write_change(
                            &mut out,
                            change,
                            before.as_deref(),
                            item.state.as_deref(),
                        );
                    }
                    other => record::write(&mut out, other),
                }
            }
        }
        item.bytes = from..out.bytes.len();
        prepared.push(item);
    }
    fits(&out)?;
    Ok((prepared, out.bytes))
}

fn one(shared: &Shared, item: Item, t: u64) -> Result<Prepared> {
    check_record(&item)?;
    let head = &item.after.head;
    let run = head.run.clone();
    let expected = item.before.as_ref().map(|before| (before.head.revision, before.head.seq));
    let acks_alone = item.line.is_empty();
    if let Some(before) = &item.before
        && before.head.run != run
    {
        return Err(Error::Limit(format!(
            "an item leads from run {} to run {run}",
            before.head.run
        )));
    }
    if acks_alone && expected.is_none() {
        return Err(Error::Limit(format!("the start of run {run} has no event")));
    }
    let seq = expected.map_or(0, |(_, seq)| seq) + 1;
    if !acks_alone && head.seq != seq {
        return Err(Error::Limit(format!(
            "event {} of run {run} follows on {}",
            head.seq,
            seq - 1
        )));
    }
    let effects = item.effects;
    if effects.publish.iter().any(|task| task.fence.0 != shared.epoch) {
        return Err(Error::Epoch);
    }
    let signals: Vec<u64> = item.signals.iter().filter_map(|id| id.parse().ok()).collect();
    let key = item.key.filter(|_| expected.is_none()).map(|key| (head.tenant.clone(), key));
    let publish = effects.publish.into_iter().map(|task| Published {
        id: shared.next_entry(),
        run: run.clone(),
        cell: task.cell,
        instance: task.instance,
        node_type: task.node_type,
        fence: task.fence,
        attempt: task.attempt,
        timeout: task.timeout,
        once: task.once,
        input: task.input,
        since: t,
    });
    let open = effects.open.into_iter().map(|ticket| Opened {
        id: ticket.id,
        instance: ticket.instance,
        asks: ticket.asks,
        since: t,
    });
    let log = effects.log.into_iter().map(|text| {
        super::log::bounded(&LogLine { t, at: String::new(), from: "aob".into(), text })
    });
    let change = Change {
        run: run.clone(),
        begins: expected.is_none().then(|| Begin {
            tenant: head.tenant.clone(),
            started: head.started,
            key: key.as_ref().map(|(_, key)| key.clone()),
        }),
        lines: if acks_alone { Vec::new() } else { vec![item.line.into()] },
        context: effects
            .context
            .into_iter()
            .map(|(key, envelope)| (key, Arc::new(envelope)))
            .collect(),
        free: effects.ack.iter().chain(&effects.recall).copied().collect(),
        publish: publish.map(Arc::new).collect(),
        disarm: effects.disarm,
        arm: effects.arm,
        open: open.collect(),
        close: effects.close,
        log: log.collect(),
        ended: item.after.is_ended().then(|| (head.ended.unwrap_or(t), item.retention)),
        answered: signals.clone(),
    };
    let goes = !acks_alone && item.after.is_ended() && item.retention == 0;
    let mut ops = Vec::with_capacity(2);
    if goes && expected.is_some() {
        // Nothing of the step remains but that the run is gone.
        ops.push(Op::Answered(signals.clone()));
    } else {
        ops.push(Op::Change(Box::new(change), Delta::default()));
    }
    let patch = item.patch.as_ref().map(|record| record.id.clone());
    if let Some(record) = item.patch.filter(|_| !goes) {
        let bytes = serde_json::to_vec(&*record)
            .map_err(|error| Error::Limit(format!("the record of patch {}: {error}", record.id)))?;
        ops.push(Op::Patch {
            run: run.clone(),
            id: record.id.clone(),
            revision: record.accepted().map(|accepted| accepted.revision),
            record: bytes.into(),
        });
    }
    if let Some((tenant, key)) = &key {
        ops.push(Op::Key { tenant: tenant.to_string(), key: key.clone(), run: run.clone(), t });
    }
    for signal in item.send {
        ops.push(Op::Signal { id: shared.next_signal(), signal: Arc::new(signal) });
    }
    if goes {
        ops.push(Op::Drop { run: run.clone(), t });
    }
    Ok(Prepared {
        run,
        expected,
        state: (!acks_alone).then_some(item.after),
        patch,
        link: item.link,
        recall: effects.recall,
        key,
        signals,
        ops,
        bytes: 0..0,
    })
}
