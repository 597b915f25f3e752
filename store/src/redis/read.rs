//! Reading a run: its state, context and events.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::redis::{Value, cmd};
use aob_engine::state::{Fields, State, decode};
use aob_engine::step::Envelope;

use super::RedisStore;
use super::entry::Kept;
use super::value::{items, present, utf8};
use crate::{Error, Result};

/// Most events of one answer.
const MOST_EVENTS: usize = 1_000;

impl RedisStore {
    pub(super) async fn read_state(&self, run: &str) -> Result<Option<Arc<State>>> {
        let answer = self.client.call(cmd("HGETALL").arg(self.keys.run("run", run)?), true).await?;
        let Value::Array(flat) = answer else { return Ok(None) };
        let mut fields = Fields::new();
        let mut flat = flat.into_iter();
        while let (Some(Value::BulkString(name)), Some(Value::BulkString(value))) =
            (flat.next(), flat.next())
        {
            let name =
                String::from_utf8(name).map_err(|_| corrupt(run, "a field's name is not text"))?;
            if !is_transport(&name) {
                fields.insert(name, value);
            }
        }
        if fields.is_empty() {
            return Ok(None);
        }
        decode(&fields)
            .map(|state| Some(Arc::new(state)))
            .map_err(|error| corrupt(run, &error.to_string()))
    }

    pub(super) async fn read_context(
        &self,
        run: &str,
        keys: &[String],
    ) -> Result<BTreeMap<String, Envelope>> {
        let mut found = BTreeMap::new();
        for keys in keys.chunks(1_000) {
            let mut command = cmd("HMGET");
            command.arg(self.keys.run("context", run)?).arg(keys);
            let answer = self.client.call(&command, true).await?;
            let mut kept = Vec::new();
            for (key, entry) in keys.iter().zip(items(&answer)) {
                let Some(entry) = present(entry) else { continue };
                let entry: Kept = serde_json::from_slice(entry)
                    .map_err(|_| corrupt(run, &format!("context of {key}")))?;
                kept.push((key, entry));
            }
            let mut values = self.read_blobs(run, &kept).await?.into_iter();
            for (key, entry) in kept {
                let value = match entry.blob {
                    None => None,
                    Some(_) => {
                        let value = values.next().unwrap_or_default();
                        let value =
                            present(&value).and_then(|value| serde_json::from_slice(value).ok());
                        Some(value.ok_or_else(|| {
                            corrupt(run, &format!("the value of {key} is not there"))
                        })?)
                    }
                };
                found.insert(key.clone(), entry.envelope(value));
            }
        }
        Ok(found)
    }

    pub(super) async fn read_context_keys(&self, run: &str) -> Result<Vec<String>> {
        let command = cmd("HKEYS").arg(self.keys.run("context", run)?).take();
        let answer = self.client.call(&command, true).await?;
        items(&answer).iter().map(|key| utf8(key).map(str::to_owned)).collect()
    }

    /// The values of the entries that are references, in order.
    async fn read_blobs(&self, run: &str, kept: &[(&String, Kept)]) -> Result<Vec<Value>> {
        let names: Vec<&str> = kept.iter().filter_map(|(_, entry)| entry.blob.as_deref()).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = cmd("HMGET");
        command.arg(self.keys.run("blobs", run)?).arg(&names);
        match self.client.call(&command, true).await? {
            Value::Array(values) => Ok(values),
            _ => Ok(Vec::new()),
        }
    }

    pub(super) async fn read_events(
        &self,
        run: &str,
        after: u64,
        most: usize,
    ) -> Result<Vec<Vec<u8>>> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let mut command = cmd("LRANGE");
        let last = after.saturating_add(most.min(MOST_EVENTS) as u64 - 1);
        command
            .arg(self.keys.run("events", run)?)
            .arg(after.min(i64::MAX as u64))
            .arg(last.min(i64::MAX as u64));
        let Value::Array(lines) = self.client.call(&command, true).await? else {
            return Ok(Vec::new());
        };
        let bytes = |line| if let Value::BulkString(bytes) = line { Some(bytes) } else { None };
        Ok(lines.into_iter().filter_map(bytes).collect())
    }

    pub(super) fn lines_to_type(&self, run: &str) -> Vec<String> {
        let Ok(shard) = self.keys.shard(run) else { return Vec::new() };
        let line = |command: &str, name: &str, rest: &str| {
            format!("redis-cli {command} '{}'{rest}", self.keys.of(shard, name))
        };
        vec![
            line("HGETALL", &format!("run:{run}"), ""),
            line("HGETALL", &format!("context:{run}"), ""),
            line("LRANGE", &format!("events:{run}"), " 0 -1"),
            line("LRANGE", &format!("logs:{run}"), " -20 -1"),
            line("HGETALL", &format!("patches:{run}"), ""),
            line("XINFO STREAM", "wf.signals", ""),
            line("SMEMBERS", "streams", ""),
            line("ZRANGE", "timers", " 0 -1 WITHSCORES"),
        ]
    }
}

/// Fields that are the store's own: where a cell's task is, keys, questions, timers.
fn is_transport(name: &str) -> bool {
    let task =
        name.strip_prefix('t').is_some_and(|cell| cell.bytes().all(|byte| byte.is_ascii_digit()));
    task || name == "key" || name == "patched" || name.starts_with(['?', '@'])
}

fn corrupt(run: &str, why: &str) -> Error {
    Error::Corrupt(format!("{run}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::is_transport;

    #[test]
    fn the_stores_own_fields_are_told_from_the_states() {
        for own in ["t0", "t17", "key", "patched", "?ticket_1", "@[\"run_1\",{}]"] {
            assert!(is_transport(own), "{own}");
        }
        for state in ["s", "h", "a0", "m", "n0", "each[0]:n0", "tx", "status"] {
            assert!(!is_transport(state), "{state}");
        }
    }
}
