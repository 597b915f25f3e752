//! Commits: checked, cut into calls of bounded size, and their verdicts read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::redis::Value;

use super::args::Args;
use super::client::Failure;
use super::session::function;
use super::value::{items, text};
use super::{RedisStore, request};
use crate::commit::{Commit, Committed, Item, MOST_ITEMS, Outcome};
use crate::patched::check_record;
use crate::task::Claim;
use crate::{Error, Result};

/// Bytes of a call from which on the next item begins another one: about half a millisecond of the server's thread.
const CALL: usize = 64 << 10;
/// Most bytes of one item.
const ITEM: usize = 16 << 20;

/// One call: its items' arguments, and how many there are.
struct Call {
    args: Args,
    items: usize,
}

impl RedisStore {
    pub(super) async fn commit_items(&self, commit: Commit) -> Result<Committed> {
        let epoch = self.session.epoch();
        let Some(shard) = self.check(&commit)? else { return Ok(Committed::default()) };
        if commit.items.iter().any(|item| decided_elsewhere(item, epoch)) {
            return Err(Error::Epoch);
        }
        if commit.items.iter().any(|item| item.before.is_none()) {
            self.memory.admit(&self.client).await?;
        }
        let calls = cut(&commit.items, epoch)?;
        // A start without a key could come a second time after its run has ended and gone.
        let again = commit.items.iter().all(|item| item.before.is_some() || item.key.is_some());
        let mut committed = Committed::default();
        let count = calls.len();
        for (at, call) in calls.into_iter().enumerate() {
            let refused =
                committed.outcomes.iter().filter(|outcome| **outcome != Outcome::Applied).count();
            let claim = commit.claim.as_ref().filter(|_| at + 1 == count);
            let most = claim.map_or(0, |claim| claim.max.saturating_sub(refused).min(MOST_CLAIMS));
            let by = claim.map(|claim| &claim.consumer).or(commit.holder.as_ref());
            let by = by.map_or("", |name| name);
            let answer = self.call(shard, epoch, &call, by, claim, most, again).await?;
            let [verdicts, claimed] = items(&answer) else {
                return Err(Error::Corrupt("aob1_commit answers something else".into()));
            };
            read_verdicts(verdicts, call.items, &mut committed.outcomes)?;
            committed.claimed = self.read_tasks(claimed).await?;
        }
        for (item, outcome) in commit.items.iter().zip(&committed.outcomes) {
            if *outcome == Outcome::Applied && !item.line.is_empty() {
                let after = &item.after;
                self.doorbell.ring(&after.head.run, after.head.seq, after.is_ended());
            }
        }
        Ok(committed)
    }

    async fn call(
        &self,
        shard: u32,
        epoch: u64,
        call: &Call,
        by: &str,
        claim: Option<&Claim>,
        most: usize,
        again: bool,
    ) -> Result<Value> {
        let types = claim.map_or(&[][..], |claim| &claim.types);
        for _ in 0..4 {
            let mut command = function("aob1_commit", &self.keys, shard, epoch, call.args.size());
            command.arg(by).arg(most).arg(types.len()).arg(call.items);
            for node_type in types {
                command.arg(&**node_type);
            }
            command.arg(&call.args);
            match self.client.call(&command, again).await {
                Err(Failure::Changed) => {
                    self.session.again(&self.client, &self.keys, epoch).await?;
                    if self.session.epoch() != epoch {
                        return Err(Error::Epoch);
                    }
                }
                other => return Ok(other?),
            }
        }
        Err(Error::Epoch)
    }

    /// The shard of a commit; none if there is nothing to do.
    fn check(&self, commit: &Commit) -> Result<Option<u32>> {
        if commit.items.len() > MOST_ITEMS {
            return Err(Error::Limit(format!(
                "{} items in a commit, at most {MOST_ITEMS}",
                commit.items.len()
            )));
        }
        let mut shard = commit.claim.as_ref().map(|claim| claim.shard % self.keys.shards());
        let mut runs = BTreeSet::new();
        for item in &commit.items {
            check_record(item)?;
            let run = &item.after.head.run;
            let own = self.keys.shard(run)?;
            if *shard.get_or_insert(own) != own {
                return Err(Error::Limit(format!(
                    "{run} is of another shard than the rest of the commit"
                )));
            }
            if !runs.insert(&**run) {
                return Err(Error::Limit(format!("{run} is twice in a commit")));
            }
        }
        Ok(shard)
    }
}

/// Most tasks of one claim.
const MOST_CLAIMS: usize = 1_024;

/// Whether an item was decided under another epoch: its fences would be of a past that may be lost.
fn decided_elsewhere(item: &Item, epoch: u64) -> bool {
    item.effects.publish.iter().any(|task| task.fence.0 != epoch)
        || line_epoch(&item.line).is_some_and(|of| of != epoch)
}

/// The epoch that an event names. Quotes inside strings are escaped, so the first match is the member.
fn line_epoch(line: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b",\"epoch\":\"";
    let at = line.windows(NAME.len()).position(|window| window == NAME)?;
    let digits = line.get(at + NAME.len()..at + NAME.len() + 16)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Items as calls of about [`CALL`] bytes, linked ones in the same. At least one call, which may have no items.
fn cut(list: &[Item], epoch: u64) -> Result<Vec<Call>> {
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_millis() as u64);
    let mut last: BTreeMap<u32, (u8, usize)> = BTreeMap::new();
    for (at, item) in list.iter().enumerate().filter(|(_, item)| item.link != 0) {
        let next = last.len() as u8 + 1;
        last.entry(item.link).and_modify(|(_, end)| *end = at).or_insert((next, at));
    }
    let room = |from: usize| Call {
        args: Args::for_items((list.len() - from).min(CALL / 1_024)),
        items: 0,
    };
    let mut calls = vec![room(0)];
    let mut linked = 0;
    for (at, item) in list.iter().enumerate() {
        let (link, end) = last.get(&item.link).copied().unwrap_or((0, at));
        linked = linked.max(end);
        let Some(call) = calls.last_mut() else { break };
        let before = call.args.size();
        request::item(&mut call.args, item, link, epoch, now);
        call.items += 1;
        if call.args.size() - before > ITEM {
            return Err(Error::Limit(format!(
                "more than {} MiB of {} in a commit",
                ITEM >> 20,
                item.after.head.run
            )));
        }
        if call.args.size() >= CALL && at >= linked && at + 1 < list.len() {
            calls.push(room(at + 1));
        }
    }
    Ok(calls)
}

fn read_verdicts(verdicts: &Value, count: usize, into: &mut Vec<Outcome>) -> Result<()> {
    let listed = items(verdicts);
    if listed.is_empty() {
        into.extend(std::iter::repeat_n(Outcome::Applied, count));
        return Ok(());
    }
    if listed.len() != count {
        return Err(Error::Corrupt(format!("{} verdicts for {count} items", listed.len())));
    }
    for verdict in listed {
        into.push(match verdict {
            Value::Int(1) => Outcome::Applied,
            Value::Int(0) => Outcome::Conflict,
            Value::Int(-2) => Outcome::Unknown,
            Value::Int(-3) => Outcome::Ended,
            Value::Int(-4) => Outcome::Claimed,
            Value::Int(-5) => Outcome::Unlinked,
            other => match std::str::from_utf8(text(other))
                .ok()
                .and_then(|text| text.split_at_checked(1))
            {
                Some(("h", ms)) => Outcome::Held(ms.parse().unwrap_or(1)),
                Some(("x", run)) => Outcome::Exists(Arc::from(run)),
                _ => return Err(Error::Corrupt("a verdict that is none".into())),
            },
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_of_a_line_is_its_member() {
        let line = br#"{"n":1,"by":"user:x\",\"epoch\":\"5\",","epoch":"fffffffffffffffe","prev":"","changes":[]}"#;
        assert_eq!(line_epoch(line), Some(u64::MAX - 1));
        assert_eq!(line_epoch(b""), None);
        assert_eq!(line_epoch(br#"{"n":1,"epoch":"1"#), None);
    }

    #[test]
    fn verdicts_are_read() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let list = Value::Array(vec![Value::Int(1), Value::Int(-4), bulk("h12"), bulk("xrun_1")]);
        let mut outcomes = Vec::new();
        read_verdicts(&list, 4, &mut outcomes).unwrap();
        let expected = [
            Outcome::Applied,
            Outcome::Claimed,
            Outcome::Held(12),
            Outcome::Exists("run_1".into()),
        ];
        assert_eq!(outcomes, expected);
        outcomes.clear();
        read_verdicts(&Value::Nil, 2, &mut outcomes).unwrap();
        assert_eq!(outcomes, [Outcome::Applied, Outcome::Applied]);
        assert!(read_verdicts(&list, 3, &mut outcomes).is_err());
        assert!(read_verdicts(&Value::Array(vec![bulk("?")]), 1, &mut outcomes).is_err());
    }
}
