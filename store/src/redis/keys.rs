//! The one place where names of keys are made.
//!
//! `aob:{s<shard>}:<name>`: the braces make a shard's keys share a slot, so that a commit is atomic in a cluster too.

use aob_engine::id;

use crate::{Error, Result};

/// Most shards: the shard is one character of an id.
pub(super) const MOST_SHARDS: u32 = 32;

/// Names of keys, for a number of shards.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefixes: Vec<String>,
}

impl Keys {
    pub(super) fn new(shards: u32) -> Self {
        Self { prefixes: (0..shards).map(|shard| format!("aob:{{s{shard}}}:")).collect() }
    }

    pub(super) fn shards(&self) -> u32 {
        self.prefixes.len() as u32
    }

    /// The shard that a run is in.
    pub(super) fn shard(&self, run: &str) -> Result<u32> {
        let shard = id::shard(run)
            .ok_or_else(|| Error::Limit(format!("{run:.80} is not the id of a run")))?;
        Ok(shard % self.shards())
    }

    /// A key of a shard: `epoch`, `timers`, `expire`, `streams`, `wf.signals`, the channel `wf.events`; of shard 0: `artifacts`.
    pub(super) fn of(&self, shard: u32, name: &str) -> String {
        let prefix = &self.prefixes[(shard % self.shards()) as usize];
        let mut key = String::with_capacity(prefix.len() + name.len());
        key.push_str(prefix);
        key.push_str(name);
        key
    }

    /// A run's own key: `run`, `context`, `events`, `logs`, `blobs`, `patches`, `bases`.
    pub(super) fn run(&self, kind: &str, run: &str) -> Result<String> {
        Ok(self.of(self.shard(run)?, &format!("{kind}:{run}")))
    }

    /// The stream of a node type's tasks.
    pub(super) fn tasks(&self, shard: u32, node_type: &str) -> String {
        self.of(shard, &format!("wf.tasks.{node_type}"))
    }

    /// A tenant's list in a shard: `runs`, `tickets`, `patched`; in shard 0 also `tags`.
    pub(super) fn tenant(&self, shard: u32, kind: &str, tenant: &str) -> String {
        self.of(shard, &format!("{kind}:{tenant}"))
    }

    /// Which run was started under a dedupe key.
    pub(super) fn dedupe(&self, shard: u32, tenant: &str, key: &str) -> String {
        self.of(shard, &format!("key:{tenant}:{key}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn keys_of_a_run_share_a_hash_tag() {
        let keys = Keys::new(4);
        let run = aob_engine::id::run(1_000, 7, 2);
        assert_eq!(keys.run("run", &run).unwrap(), format!("aob:{{s2}}:run:{run}"));
        assert_eq!(keys.tasks(2, "http"), "aob:{s2}:wf.tasks.http");
        assert_eq!(keys.dedupe(1, "t", "k"), "aob:{s1}:key:t:k");
        assert!(keys.run("run", "nonsense").is_err());
    }
}
