//! Records of patches and bases: `functions/patches.lua` says how they are kept.

use ::redis::{Value, cmd};
use aob_engine::patch::Record;

use super::RedisStore;
use super::args::Args;
use super::value::{int, items, text, utf8};
use crate::patched::{self, MOST_FOUND, check_base, no_revision, read_record};
use crate::{Chain, Error, Result};

/// Longest document of a base, in bytes.
const DOCUMENT: usize = 16 << 20;

impl RedisStore {
    pub(super) async fn read_patches(&self, run: &str) -> Result<Vec<Record>> {
        let command = cmd("HGETALL").arg(self.keys.run("patches", run)?).take();
        let answer = self.client.call(&command, true).await?;
        let mut records = Vec::new();
        for pair in items(&answer).chunks_exact(2) {
            let (name, value) = (text(&pair[0]), text(&pair[1]));
            let is_record = match name {
                [b'o' | b'k', b':', ..] => true,
                // Of an accepted one it is only the revision.
                [b'p', b':', ..] => value.first() == Some(&b'{'),
                _ => false,
            };
            if is_record {
                read_lines(run, value, &mut records)?;
            }
        }
        patched::sort(&mut records);
        Ok(records)
    }

    pub(super) async fn read_patch(&self, run: &str, id: &str) -> Result<Option<Record>> {
        if id.is_empty() {
            return Ok(None);
        }
        let mut args = Args::default();
        args.push(run);
        args.push(id);
        args.push("");
        let found = self.call_patch(run, &args).await?;
        Ok(found.into_iter().find(|record| record.id == id))
    }

    pub(super) async fn read_chain(&self, run: &str, revision: u32) -> Result<Chain> {
        let mut args = Args::default();
        args.push(run);
        args.number(revision.into());
        let answer = self.function("aob1_chain", self.keys.shard(run)?, &args).await?;
        let [base, document, packs @ ..] = items(&answer) else {
            return Err(no_revision(run, revision));
        };
        let base = u32::try_from(int(base)).unwrap_or_default();
        let base = (base > 0).then(|| (base, text(document).to_vec()));
        patched::chain(run, base, read_all(run, packs)?, revision)
    }

    pub(super) async fn keep_base(&self, run: &str, revision: u32, document: &[u8]) -> Result<()> {
        if document.len() > DOCUMENT {
            let bytes = document.len();
            return Err(Error::Limit(format!(
                "a document of {bytes} bytes, at most {} MiB",
                DOCUMENT >> 20
            )));
        }
        let mut args = Args::default();
        args.push(run);
        args.push("");
        args.number(revision.into());
        let found = self.call_patch(run, &args).await?;
        let made = found
            .into_iter()
            .find(|record| record.accepted().is_some_and(|accepted| accepted.revision == revision));
        let Some(record) = made else {
            return match self.read_state(run).await? {
                Some(_) => Err(no_revision(run, revision)),
                None => Ok(()),
            };
        };
        check_base(run, &record, document)?;
        let mut args = Args::default();
        args.push(run);
        args.number(revision.into());
        args.push(&record.id);
        args.push(document);
        let answer = self.function("aob1_compact", self.keys.shard(run)?, &args).await?;
        // Another patch made it: what the document was made of is lost since.
        if int(&answer) < 0 { Err(no_revision(run, revision)) } else { Ok(()) }
    }

    /// The lists of all shards, since a caller may have chosen an id that names none.
    pub(super) async fn find_patch_ids(
        &self,
        tenant: &str,
        prefix: &str,
    ) -> Result<Vec<(String, String)>> {
        let (from, to) = (format!("[{prefix}"), [b"[", prefix.as_bytes(), &[0xff]].concat());
        let mut pipeline = ::redis::pipe();
        for shard in 0..self.keys.shards() {
            let key = self.keys.tenant(shard, "patched", tenant);
            let command = pipeline.cmd("ZRANGEBYLEX").arg(key).arg(&from).arg(&to);
            command.arg("LIMIT").arg(0).arg(MOST_FOUND);
        }
        let mut found = Vec::new();
        for answer in self.client.calls(&pipeline).await? {
            for member in items(&answer) {
                if let Some((id, run)) = utf8(member)?.rsplit_once(' ') {
                    found.push((id.to_owned(), run.to_owned()));
                }
            }
        }
        found.sort_unstable();
        found.truncate(MOST_FOUND);
        Ok(found)
    }

    async fn call_patch(&self, run: &str, args: &Args) -> Result<Vec<Record>> {
        let answer = self.function("aob1_patch", self.keys.shard(run)?, args).await?;
        read_all(run, items(&answer))
    }
}

fn read_all(run: &str, values: &[Value]) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for value in values {
        read_lines(run, text(value), &mut records)?;
    }
    Ok(records)
}

/// A record, or several, one a line: JSON has no line ends within.
fn read_lines(run: &str, lines: &[u8], into: &mut Vec<Record>) -> Result<()> {
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        into.push(read_record(run, line)?);
    }
    Ok(())
}
