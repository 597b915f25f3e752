//! Moves of tags, and names of sets of patches: in shard 0. Names have no spaces, so spaces part them in keys.

use ::redis::cmd;
use aob_engine::timeline::Move;

use super::RedisStore;
use super::args::Args;
use super::value::{int, items, present, text, utf8};
use crate::patched::{MOST_MOVES, check_names, too_many_moves};
use crate::{Error, Result};

impl RedisStore {
    pub(super) async fn append_move(
        &self,
        [tenant, workflow, tag]: [&str; 3],
        known: u32,
        to: &Move,
    ) -> Result<bool> {
        check_names(&[tenant, workflow, tag])?;
        let mut args = Args::default();
        [tenant, workflow, tag].iter().for_each(|name| args.push(name));
        args.number(known.into());
        args.push(&to.digest);
        args.json(to);
        args.number(MOST_MOVES.into());
        match int(&self.function("aob1_move", 0, &args).await?) {
            1 => Ok(true),
            0 => Ok(false),
            _ => Err(too_many_moves(workflow, tag)),
        }
    }

    pub(super) async fn read_timeline(
        &self,
        [tenant, workflow, tag]: [&str; 3],
    ) -> Result<Vec<Move>> {
        let key = self.keys.tenant(0, "timeline", &format!("{tenant} {workflow} {tag}"));
        let command = cmd("LRANGE").arg(key).arg(0).arg(-1).take();
        let answer = self.client.call(&command, true).await?;
        let read = |line| serde_json::from_slice(text(line));
        items(&answer).iter().map(read).collect::<std::result::Result<_, _>>().map_err(|error| {
            Error::Corrupt(format!("a move of tag {tag:.80} of {workflow:.80}: {error}"))
        })
    }

    pub(super) async fn keep_patch_set(
        &self,
        [tenant, workflow, name]: [&str; 3],
        digest: &str,
    ) -> Result<()> {
        check_names(&[tenant, workflow, name])?;
        let command =
            cmd("HSET").arg(self.patch_sets_key(tenant, workflow)).arg(name).arg(digest).take();
        self.client.call(&command, true).await?;
        Ok(())
    }

    pub(super) async fn read_patch_set(
        &self,
        [tenant, workflow, name]: [&str; 3],
    ) -> Result<Option<String>> {
        let command = cmd("HGET").arg(self.patch_sets_key(tenant, workflow)).arg(name).take();
        let answer = self.client.call(&command, true).await?;
        present(&answer).map(|_| utf8(&answer).map(str::to_owned)).transpose()
    }

    pub(super) async fn list_patch_sets(
        &self,
        tenant: &str,
        workflow: &str,
    ) -> Result<Vec<(String, String)>> {
        let command = cmd("HGETALL").arg(self.patch_sets_key(tenant, workflow)).take();
        let answer = self.client.call(&command, true).await?;
        let mut sets = items(&answer)
            .chunks_exact(2)
            .map(|pair| Ok((utf8(&pair[0])?.to_owned(), utf8(&pair[1])?.to_owned())))
            .collect::<Result<Vec<_>>>()?;
        sets.sort_unstable();
        Ok(sets)
    }

    fn patch_sets_key(&self, tenant: &str, workflow: &str) -> String {
        self.keys.tenant(0, "patchsets", &format!("{tenant} {workflow}"))
    }
}
