//! Claims, leases, reports: what a worker asks of the store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::{Value, cmd};
use aob_engine::state::{NodeState, State};

use super::RedisStore;
use super::args::Args;
use super::client::{Failure, refused};
use super::entry::{self, Claimed};
use super::value::{int, items, present, text, utf8};
use crate::task::{Beat, Claim, Kept, Signal, Task, TaskRef};
use crate::{Error, Result};

/// Most tasks named by one sign of life.
const MOST_NAMED: usize = 4_096;

impl RedisStore {
    /// Claims. A server that waits counts the tasks of each type apart, and there is no waiting within a function: so
    /// where there are more types than tasks wanted, what is there already is claimed first, exactly; only if tasks of
    /// several types arrive between that call and the waiting one do more come, one of each type.
    pub(super) async fn claim_tasks(&self, claim: &Claim, wait: Duration) -> Result<Vec<Task>> {
        if claim.types.is_empty() || claim.max == 0 {
            tokio::time::sleep(wait).await;
            return Ok(Vec::new());
        }
        if wait.is_zero() || claim.max < claim.types.len() {
            let there = self.claim_at_once(claim).await?;
            if wait.is_zero() || !there.is_empty() {
                return Ok(there);
            }
        }
        let until = Instant::now() + wait;
        loop {
            let epoch = self.session.epoch();
            let left = until.saturating_duration_since(Instant::now());
            let mut command = cmd("XREADGROUP");
            // COUNT is of each stream.
            let count = (claim.max / claim.types.len()).clamp(1, 1_024);
            command.arg("GROUP").arg("workers").arg(&*claim.consumer).arg("COUNT").arg(count);
            command.arg("BLOCK").arg((left.as_millis() as u64).max(1)).arg("STREAMS");
            for node_type in claim.types.iter() {
                command.arg(self.keys.tasks(claim.shard, node_type));
            }
            for _ in claim.types.iter() {
                command.arg(">");
            }
            match self.client.wait(&command, left).await {
                Ok(answer) => return self.read_streams(claim.shard, &answer).await,
                Err(Failure::NoGroup) => self.make_groups(claim).await?,
                Err(Failure::Changed) => {
                    self.session.again(&self.client, &self.keys, epoch).await?
                }
                Err(Failure::Store(error)) => return Err(error),
            }
            if Instant::now() >= until {
                return Ok(Vec::new());
            }
        }
    }

    async fn claim_at_once(&self, claim: &Claim) -> Result<Vec<Task>> {
        let mut args = Args::default();
        args.push(&*claim.consumer);
        args.number(claim.max.min(1_024) as u64);
        args.number(claim.types.len() as u64);
        args.number(0);
        claim.types.iter().for_each(|node_type| args.push(&**node_type));
        let answer = self.function("aob1_commit", claim.shard, &args).await?;
        self.read_tasks(items(&answer).get(1).unwrap_or(&Value::Nil)).await
    }

    /// Makes the groups of workers, from the streams' beginnings, so that nothing published before is passed over.
    async fn make_groups(&self, claim: &Claim) -> Result<()> {
        let mut pipeline = ::redis::pipe();
        for node_type in claim.types.iter() {
            let key = self.keys.tasks(claim.shard, node_type);
            pipeline.cmd("XGROUP").arg("CREATE").arg(key).arg("workers").arg("0").arg("MKSTREAM");
            pipeline.cmd("SADD").arg(self.keys.of(claim.shard, "streams")).arg(&**node_type);
        }
        for answer in self.client.calls(&pipeline).await? {
            if let Some(why) = refused(&answer).filter(|why| !why.starts_with("BUSYGROUP")) {
                return Err(Error::Corrupt(why));
            }
        }
        Ok(())
    }

    async fn read_streams(&self, shard: u32, answer: &Value) -> Result<Vec<Task>> {
        let prefix = self.keys.tasks(shard, "");
        let mut found = Vec::new();
        for stream in items(answer) {
            let [key, entries] = items(stream) else { continue };
            let Some(node_type) = utf8(key)?.strip_prefix(&*prefix) else { continue };
            let node_type: Arc<str> = node_type.into();
            for entry in items(entries) {
                if let [id, fields] = items(entry) {
                    found.push((
                        node_type.clone(),
                        utf8(id)?,
                        items(fields).get(1).map(text).unwrap_or_default(),
                    ));
                }
            }
        }
        self.resolve(found).await
    }

    /// Tasks from triples of type, id and task.
    pub(super) async fn read_tasks(&self, answer: &Value) -> Result<Vec<Task>> {
        let mut found: Vec<(Arc<str>, &str, &[u8])> = Vec::new();
        for triple in items(answer).chunks_exact(3) {
            let name = utf8(&triple[0])?;
            let node_type = match found.last() {
                Some((last, _, _)) if **last == *name => last.clone(),
                _ => name.into(),
            };
            found.push((node_type, utf8(&triple[1])?, text(&triple[2])));
        }
        self.resolve(found).await
    }

    /// Reads tasks and fetches long inputs. One that cannot be read is left to its lease.
    async fn resolve(&self, found: Vec<(Arc<str>, &str, &[u8])>) -> Result<Vec<Task>> {
        let mut read: Vec<(Arc<str>, &str, Claimed)> = Vec::with_capacity(found.len());
        for (node_type, id, task) in found {
            match serde_json::from_slice(task) {
                Ok(claimed) => read.push((node_type, id, claimed)),
                Err(error) => {
                    tracing::error!(%error, entry = id, %node_type, "a task cannot be read")
                }
            }
        }
        let mut pipeline = ::redis::pipe();
        for (_, _, claimed) in &read {
            if let Some(blob) = &claimed.blob {
                pipeline.cmd("HGET").arg(self.keys.run("blobs", claimed.run())?).arg(blob);
            }
        }
        let mut inputs = self.client.calls(&pipeline).await?.into_iter();
        let mut tasks = Vec::with_capacity(read.len());
        for (node_type, id, mut claimed) in read {
            if claimed.blob.is_some() {
                // Gone with its task: another attempt is out, or the run is over.
                let answer = inputs.next().unwrap_or_default();
                let Some(input) = present(&answer) else { continue };
                claimed.input = serde_json::from_slice(input).map_err(|_| {
                    Error::Corrupt(format!("the input of {id} in {}", claimed.run()))
                })?;
            }
            tasks.push(claimed.task(node_type, id));
        }
        Ok(tasks)
    }

    pub(super) async fn keep_leases(&self, beat: &Beat) -> Result<Kept> {
        if beat.tasks.len() > MOST_NAMED {
            return Err(Error::Limit(format!(
                "{} tasks in a sign of life, at most {MOST_NAMED}",
                beat.tasks.len()
            )));
        }
        let begin: BTreeSet<usize> = beat.begin.iter().copied().collect();
        // Named tasks of other types are looked for one by one.
        let kinds: BTreeSet<&str> = beat.types.iter().map(|name| &**name).collect();
        let mut args = Args::default();
        args.push(&*beat.consumer);
        args.number(std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_millis() as u64));
        args.number(kinds.len() as u64);
        kinds.iter().for_each(|name| args.push(name));
        let mut asked = Vec::with_capacity(beat.tasks.len());
        for (at, task) in beat.tasks.iter().enumerate() {
            let id = entry::entry_id(task);
            asked.push(id.is_some());
            let Some(id) = id else { continue };
            args.push(&*task.node_type);
            args.push(id);
            args.json(&task.fence);
            args.number(u64::from(begin.contains(&at)));
        }
        let answer = self.function("aob1_beat", beat.shard, &args).await?;
        let [digits, unnamed] = items(&answer) else {
            return Err(Error::Corrupt("aob1_beat answers something else".into()));
        };
        let mut digits = text(digits).iter();
        let kept = asked.into_iter().map(|asked| asked && digits.next() == Some(&b'1')).collect();
        let unnamed = self.read_tasks(unnamed).await?;
        Ok(Kept { kept, unnamed })
    }

    pub(super) async fn sweep_shard(
        &self,
        shard: u32,
        lease: Duration,
        now: u64,
    ) -> Result<(usize, Option<u64>)> {
        let mut args = Args::default();
        args.number(lease.as_millis() as u64);
        args.number(now);
        let answer = self.function("aob1_sweep", shard, &args).await?;
        let [count, left] = items(&answer) else {
            return Err(Error::Corrupt("aob1_sweep answers something else".into()));
        };
        Ok((int(count).max(0) as usize, u64::try_from(int(left)).ok()))
    }

    /// One step: the signal is there, and the task can no longer be called lost.
    pub(super) async fn report_task(&self, task: &TaskRef, signal: &Signal) -> Result<()> {
        let Some(id) = entry::entry_id(task) else { return self.write_signal(signal).await };
        let json = serde_json::to_vec(signal).map_err(|error| Error::Limit(error.to_string()))?;
        let mut args = Args::default();
        args.push(&json);
        args.push(&*task.node_type);
        args.push(id);
        args.json(&task.fence);
        self.function("aob1_report", self.keys.shard(&signal.run)?, &args).await?;
        Ok(())
    }

    pub(super) async fn claimed_instances(&self, state: &State) -> Result<Vec<String>> {
        let epoch = self.session.epoch();
        let run = &state.head.run;
        let active = state.scopes.values().flat_map(|scope| {
            let is_out = |slot: u32| scope.nodes.get(slot as usize) == Some(&NodeState::Active);
            scope
                .live
                .iter()
                .filter(move |(slot, _)| is_out(**slot))
                .map(|(_, live)| (live.cell, live.fence))
        });
        let active: Vec<_> = active.collect();
        if active.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = cmd("HMGET");
        command.arg(self.keys.run("run", run)?);
        active.iter().for_each(|(cell, _)| {
            command.arg(format!("t{cell}"));
        });
        let answer = self.client.call(&command, true).await?;
        let shard = self.keys.shard(run)?;
        let (mut pipeline, mut asked) = (::redis::pipe(), Vec::new());
        for (value, (_, fence)) in items(&answer).iter().zip(&active) {
            let mut parts = utf8(value)?.splitn(4, ' ');
            let (Some(kind), Some(id), Some(_), Some(instance)) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            pipeline
                .cmd("XPENDING")
                .arg(self.keys.tasks(shard, kind))
                .arg("workers")
                .arg(id)
                .arg(id)
                .arg(1);
            asked.push((instance, fence.0 != epoch && self.session.in_grace()));
        }
        let answers = self.client.calls(&pipeline).await?;
        let claimed = asked
            .into_iter()
            .zip(answers)
            .filter(|((_, old), pending)| *old || !items(pending).is_empty());
        Ok(claimed.map(|((instance, _), _)| instance.to_owned()).collect())
    }
}
