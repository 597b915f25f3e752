//! Signals: written by anybody, read by coordinators.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use ::redis::{Value, cmd};

use super::client::{Failure, refused};
use super::value::{items, text, utf8};
use super::{RedisStore, entry};
use crate::Result;
use crate::task::{Signal, SignalEntry};

/// Most signals read at once.
const MOST: usize = 1_024;

impl RedisStore {
    pub(super) async fn write_signal(&self, signal: &Signal) -> Result<()> {
        let json =
            serde_json::to_vec(signal).map_err(|error| crate::Error::Limit(error.to_string()))?;
        let mut command = cmd("XADD");
        command.arg(self.keys.of(self.keys.shard(&signal.run)?, "wf.signals"));
        command.arg("*").arg("signal").arg(json);
        self.client.call(&command, true).await?;
        Ok(())
    }

    pub(super) async fn read_signals(
        &self,
        shard: u32,
        consumer: &str,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<SignalEntry>> {
        let until = Instant::now() + wait;
        let max = max.clamp(1, MOST);
        let mut entries = Vec::new();
        loop {
            let epoch = self.session.epoch();
            let due = self.takeover_due(shard);
            if due.is_none() {
                self.take_over(shard, consumer, max, epoch, &mut entries).await?;
            }
            if entries.len() < max {
                let left = until.saturating_duration_since(Instant::now());
                let pause = due.unwrap_or(self.options.takeover / 5).min(left);
                let pause = if entries.is_empty() { pause } else { Duration::ZERO };
                let mut command = cmd("XREADGROUP");
                command
                    .arg("GROUP")
                    .arg("coordinators")
                    .arg(consumer)
                    .arg("COUNT")
                    .arg(max - entries.len());
                if !pause.is_zero() {
                    command.arg("BLOCK").arg((pause.as_millis() as u64).max(1));
                }
                command.arg("STREAMS").arg(self.keys.of(shard, "wf.signals")).arg(">");
                let answer = if pause.is_zero() {
                    self.client.call(&command, true).await
                } else {
                    self.client.wait(&command, pause).await
                };
                match answer {
                    Ok(answer) => {
                        let streams = items(&answer);
                        let read =
                            streams.first().and_then(|stream| items(stream).get(1)).map(items);
                        self.read_entries(shard, read.unwrap_or_default(), epoch, &mut entries)
                            .await?;
                    }
                    Err(Failure::NoGroup) => {
                        self.make_coordinators(shard).await?;
                        continue;
                    }
                    Err(Failure::Changed) => {
                        self.session.again(&self.client, &self.keys, epoch).await?
                    }
                    Err(Failure::Store(error)) => return Err(error),
                }
            }
            if !entries.is_empty() || Instant::now() >= until {
                break;
            }
        }
        Ok(entries)
    }

    pub(super) async fn end_signals(&self, shard: u32, names: &[String]) -> Result<()> {
        let epoch = self.session.epoch();
        let ids: Vec<&str> =
            names.iter().filter_map(|name| entry::signal_id(name, epoch)).collect();
        self.end_entries(shard, &ids).await
    }

    async fn end_entries(&self, shard: u32, ids: &[&str]) -> Result<()> {
        let key = self.keys.of(shard, "wf.signals");
        for some in ids.chunks(1_000) {
            let mut pipeline = ::redis::pipe();
            pipeline.cmd("XACK").arg(&key).arg("coordinators").arg(some);
            pipeline.cmd("XDEL").arg(&key).arg(some);
            self.client.calls(&pipeline).await?;
        }
        Ok(())
    }

    /// None if it is time to look for signals of silent coordinators, else for how long it is not.
    fn takeover_due(&self, shard: u32) -> Option<Duration> {
        let mut all = self.takeovers.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let next = all.get_mut((shard % self.keys.shards()) as usize)?;
        if *next > now {
            return Some(*next - now);
        }
        *next = now + self.options.takeover / 5;
        None
    }

    async fn take_over(
        &self,
        shard: u32,
        consumer: &str,
        max: usize,
        epoch: u64,
        entries: &mut Vec<SignalEntry>,
    ) -> Result<()> {
        let mut command = cmd("XAUTOCLAIM");
        command.arg(self.keys.of(shard, "wf.signals")).arg("coordinators").arg(consumer);
        command.arg(self.options.takeover.as_millis() as u64).arg("0-0").arg("COUNT").arg(max);
        match self.client.call(&command, true).await {
            Ok(answer) => {
                let found = items(&answer).get(1).map(items).unwrap_or_default();
                self.read_entries(shard, found, epoch, entries).await?;
                if items(&answer).first().map(text) != Some(b"0-0") || entries.len() == max {
                    // There may be more of them.
                    let mut all = self.takeovers.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(next) = all.get_mut((shard % self.keys.shards()) as usize) {
                        *next = Instant::now();
                    }
                }
                Ok(())
            }
            Err(Failure::NoGroup) => self.make_coordinators(shard).await,
            Err(failure) => Err(failure.into()),
        }
    }

    async fn read_entries(
        &self,
        shard: u32,
        found: &[Value],
        epoch: u64,
        into: &mut Vec<SignalEntry>,
    ) -> Result<()> {
        let mut unreadable = Vec::new();
        for item in found {
            let [id, fields] = items(item) else { continue };
            let id = utf8(id)?;
            let fields: Vec<(&[u8], &[u8])> = items(fields)
                .chunks_exact(2)
                .map(|pair| (text(&pair[0]), text(&pair[1])))
                .collect();
            match entry::signal(id, epoch, &fields) {
                Some(signal) => into.push(signal),
                None => {
                    tracing::error!(entry = id, shard, "a signal cannot be read and is dropped");
                    unreadable.push(id);
                }
            }
        }
        self.end_entries(shard, &unreadable).await
    }

    async fn make_coordinators(&self, shard: u32) -> Result<()> {
        let mut pipeline = ::redis::pipe();
        let key = self.keys.of(shard, "wf.signals");
        pipeline.cmd("XGROUP").arg("CREATE").arg(key).arg("coordinators").arg("0").arg("MKSTREAM");
        let answers = self.client.calls(&pipeline).await?;
        match answers.first().and_then(refused) {
            Some(why) if !why.starts_with("BUSYGROUP") => Err(crate::Error::Corrupt(why)),
            _ => Ok(()),
        }
    }
}
