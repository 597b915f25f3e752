//! Commits: every item is judged before the first is applied, then they are applied in one record.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::change::Op;
use super::codec::Out;
use super::core::{After, Core};
use super::prepare::{Prepared, prepare};
use super::record;
use super::shared::{Shared, wall};
use super::tasks::Hand;
use crate::commit::{Commit, Committed, Outcome};
use crate::{Result, Task};

/// How long a dedupe key names its run, in milliseconds.
pub(super) const KEY_LIFE: u64 = 72 * 3_600_000;

impl Shared {
    pub(super) async fn commit(self: &Arc<Self>, commit: Commit) -> Result<Committed> {
        self.check()?;
        let (items, record) = prepare(self, commit.items)?;
        let now = Instant::now();
        let mut after = After::default();
        let (outcomes, claimed, lsn) = {
            let mut core = self.core();
            if items.iter().any(|item| item.expected.is_none()) {
                self.admission.admit(core.live)?;
            }
            // Who claims goes first nowhere, as on a server.
            let holder = commit.holder.as_deref().filter(|_| commit.claim.is_none());
            let outcomes = judge(&core, &items, holder, now);
            core.release(&items, &outcomes, holder, now);
            self.apply(&mut core, items, &outcomes, record, &mut after);
            let refused = outcomes.iter().filter(|outcome| **outcome != Outcome::Applied).count();
            let claimed = commit.claim.map(|claim| {
                // Who was refused keeps its place in the worker's hands.
                let max = claim.max.saturating_sub(refused);
                core.tasks.claim(&claim, max, now, &mut after.wake)
            });
            (outcomes, claimed.unwrap_or_default(), core.lsn)
        };
        after.run(&self.news);
        // Also a refusal rests on what others have written.
        if !outcomes.is_empty() || !claimed.is_empty() {
            self.durable(lsn).await?;
        }
        self.compact_if_due();
        Ok(Committed {
            outcomes,
            claimed: claimed.iter().map(|task| Task::from(&**task)).collect(),
        })
    }

    fn apply(
        &self,
        core: &mut Core,
        items: Vec<Prepared>,
        outcomes: &[Outcome],
        record: Vec<u8>,
        after: &mut After,
    ) {
        let all = outcomes.iter().all(|outcome| *outcome == Outcome::Applied);
        let (mut applied, mut answered, mut ranges) =
            (Vec::with_capacity(items.len()), Vec::new(), Vec::new());
        for (item, outcome) in items.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Applied => {
                    let size = item.bytes.len() as u64;
                    ranges.push(item.bytes);
                    applied.push((item.ops, item.state, size));
                }
                Outcome::Unknown | Outcome::Ended | Outcome::Exists(_) => {
                    answered.extend(item.signals)
                }
                // They are decided again, and so are their signals.
                Outcome::Conflict | Outcome::Held(_) | Outcome::Claimed | Outcome::Unlinked => {}
            }
        }
        if applied.is_empty() && answered.is_empty() {
            return;
        }
        let mut out = Out::default();
        if all {
            out.bytes = record;
        } else {
            ranges.into_iter().for_each(|range| out.bytes.extend_from_slice(&record[range]));
        }
        if !answered.is_empty() {
            let op = Op::Answered(answered);
            if self.journal.is_some() {
                record::write(&mut out, &op);
            }
            applied.push((vec![op], None, 0));
        }
        let lsn = self.append(core, out.bytes);
        for (ops, state, mut share) in applied {
            for op in ops {
                core.apply(op, state.as_ref(), lsn, std::mem::take(&mut share), after);
            }
        }
    }
}

impl Core {
    /// Ends the holds of whoever has come through; the next hold is no earlier for that.
    fn release(
        &mut self,
        items: &[Prepared],
        outcomes: &[Outcome],
        holder: Option<&str>,
        now: Instant,
    ) {
        let Some(holder) = holder else { return };
        for (item, outcome) in items.iter().zip(outcomes) {
            if *outcome == Outcome::Applied
                && let Some(run) = self.runs.get_mut(&item.run)
                && let Some(hold) = run.hold.as_mut().filter(|hold| *hold.by == *holder)
            {
                // The others have as long for themselves as they stood back.
                hold.until = now;
                hold.again = hold.again.min(now + now.saturating_duration_since(hold.since));
            }
        }
    }
}

/// What becomes of each item: its own verdict first, then those that are linked fall together.
fn judge(core: &Core, items: &[Prepared], holder: Option<&str>, now: Instant) -> Vec<Outcome> {
    let t = wall();
    let mut keys = BTreeSet::new();
    let mut outcomes: Vec<Outcome> =
        items.iter().map(|item| verdict(core, item, holder, now, t, &mut keys)).collect();
    let broken: BTreeSet<u32> = items
        .iter()
        .zip(&outcomes)
        .filter(|(item, outcome)| item.link != 0 && **outcome != Outcome::Applied)
        .map(|(item, _)| item.link)
        .collect();
    if !broken.is_empty() {
        for (item, outcome) in items.iter().zip(&mut outcomes) {
            if *outcome == Outcome::Applied && broken.contains(&item.link) {
                *outcome = Outcome::Unlinked;
            }
        }
    }
    outcomes
}

fn verdict<'a>(
    core: &Core,
    item: &'a Prepared,
    holder: Option<&str>,
    now: Instant,
    t: u64,
    keys: &mut BTreeSet<&'a (Arc<str>, String)>,
) -> Outcome {
    let run = core.runs.get(&item.run);
    let Some(expected) = item.expected else {
        if run.is_some() || core.tombstones.contains_key(&item.run) {
            return Outcome::Exists(item.run.clone());
        }
        let Some(key) = &item.key else { return Outcome::Applied };
        let used = core.tenants.get(&key.0).and_then(|tenant| tenant.keys.get(&key.1));
        return match used {
            Some((first, since)) if t.saturating_sub(*since) < KEY_LIFE => {
                Outcome::Exists(first.clone())
            }
            // Of two starts under one key in a commit the first is made; the second is to look again.
            _ if !keys.insert(key) => Outcome::Conflict,
            _ => Outcome::Applied,
        };
    };
    let Some(run) = run else {
        return if core.tombstones.contains_key(&item.run) {
            Outcome::Ended
        } else {
            Outcome::Unknown
        };
    };
    if run.ended.is_some() {
        return Outcome::Ended;
    }
    if (run.state.head.revision, run.state.head.seq) != expected {
        return Outcome::Conflict;
    }
    if item.state.is_none() {
        return Outcome::Applied;
    }
    if item.patch.as_ref().is_some_and(|id| run.patches.knows(id)) {
        return Outcome::Conflict;
    }
    if let Some(hold) = &run.hold
        && hold.until > now
        && holder != Some(&*hold.by)
    {
        let left = hold.until.saturating_duration_since(now).as_micros().div_ceil(1_000);
        return Outcome::Held(u64::try_from(left).unwrap_or(u64::MAX));
    }
    let claimed = |cell: &u32| {
        let entry = run.cells.get(cell).and_then(|id| core.tasks.get(*id));
        entry.is_some_and(|entry| entry.hand != Hand::Nobody)
    };
    if item.recall.iter().any(claimed) { Outcome::Claimed } else { Outcome::Applied }
}
