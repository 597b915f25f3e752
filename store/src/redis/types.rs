//! Registered node types: the hash `types` of shard 0, by name `<version> <document>`; its field `#` counts changes.

use ::redis::cmd;

use super::RedisStore;
use super::args::Args;
use super::value::{int, items, present, text, utf8};
use crate::patched::{check_names, too_many_types};
use crate::{Error, KeptType, MOST_TYPES, Result};

/// The field that counts changes; no type has this name, which has no dot.
const COUNT: &str = "#";

impl RedisStore {
    pub(super) async fn read_types(&self) -> Result<Vec<KeptType>> {
        let command = cmd("HGETALL").arg(self.keys.of(0, "types")).take();
        let answer = self.client.call(&command, true).await?;
        let mut types = Vec::new();
        for pair in items(&answer).chunks_exact(2) {
            let name = utf8(&pair[0])?;
            if name == COUNT {
                continue;
            }
            let bytes = text(&pair[1]);
            let at = bytes.iter().position(|byte| *byte == b' ');
            let parts = at.map(|at| (&bytes[..at], &bytes[at + 1..]));
            let version =
                parts.and_then(|(version, _)| std::str::from_utf8(version).ok()?.parse().ok());
            let (Some(version), Some((_, document))) = (version, parts) else {
                return Err(Error::Corrupt(format!("node type {name:.80}")));
            };
            types.push(KeptType { name: name.to_owned(), version, document: document.to_vec() });
        }
        types.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(types)
    }

    pub(super) async fn read_types_version(&self) -> Result<u64> {
        let command = cmd("HGET").arg(self.keys.of(0, "types")).arg(COUNT).take();
        let answer = self.client.call(&command, true).await?;
        let count = present(&answer).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        Ok(count.unwrap_or(0))
    }

    pub(super) async fn write_type(
        &self,
        name: &str,
        known: u64,
        document: &[u8],
    ) -> Result<Option<u64>> {
        check_names(&[name])?;
        match self.change_type(name, known, Some(document)).await? {
            0 => Ok(None),
            -1 => Err(too_many_types()),
            version => Ok(Some(version.unsigned_abs())),
        }
    }

    pub(super) async fn remove_type(&self, name: &str, known: u64) -> Result<bool> {
        check_names(&[name])?;
        Ok(self.change_type(name, known, None).await? != 0)
    }

    async fn change_type(&self, name: &str, known: u64, document: Option<&[u8]>) -> Result<i64> {
        let mut args = Args::default();
        args.push(name);
        args.number(known);
        args.number(MOST_TYPES as u64);
        if let Some(document) = document {
            args.push(document);
        }
        Ok(int(&self.function("aob1_type", 0, &args).await?))
    }
}
