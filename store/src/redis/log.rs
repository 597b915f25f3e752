//! Logs of runs: appended in calls of bounded size, read by position.

use ::redis::{Value, cmd};

use super::RedisStore;
use super::args::Args;
use super::value::{items, text};
use crate::{Error, LogLine, Result};

/// Longest text of a line, in bytes.
const LINE: usize = 8 << 10;
/// Bytes of a call from which on the next line begins another one.
const CALL: usize = 128 << 10;
/// Most lines of one answer.
const MOST: usize = 10_000;

impl RedisStore {
    pub(super) async fn append_log(&self, run: &str, lines: &[LogLine]) -> Result<()> {
        let shard = self.keys.shard(run)?;
        let mut lines = lines.iter().peekable();
        while lines.peek().is_some() {
            let mut args = Args::default();
            args.push(run);
            while args.size() < CALL
                && let Some(line) = lines.next()
            {
                if line.text.len() <= LINE {
                    args.json(line);
                } else {
                    args.json(&LogLine { text: bounded(&line.text), ..line.clone() });
                }
            }
            self.function("aob1_log", shard, &args).await?;
        }
        Ok(())
    }

    pub(super) async fn read_log(
        &self,
        run: &str,
        after: u64,
        most: usize,
    ) -> Result<(Vec<LogLine>, u64)> {
        let key = self.keys.run("logs", run)?;
        let first = self.client.call(cmd("LINDEX").arg(&key).arg(0), true).await?;
        let Some((first, _)) = parse(&first)? else { return Ok((Vec::new(), 0)) };
        let mut command = cmd("LRANGE");
        let from = after.saturating_sub(first).min(i64::MAX as u64 >> 1);
        command.arg(&key).arg(from).arg(from + most.clamp(1, MOST) as u64 - 1);
        let answer = self.client.call(&command, true).await?;
        let mut lines = Vec::new();
        let mut next = after.max(first);
        for line in items(&answer) {
            // Lines may have gone since the first was looked at: positions say which these are.
            if let Some((position, line)) = parse(line)?.filter(|(position, _)| *position >= after)
                && lines.len() < most
            {
                next = position + 1;
                lines.push(serde_json::from_slice(line).map_err(|_| broken())?);
            }
        }
        if lines.is_empty() {
            let last = self.client.call(cmd("LINDEX").arg(&key).arg(-1), true).await?;
            next = parse(&last)?.map_or(next, |(last, _)| next.min(last + 1));
        }
        Ok((lines, next))
    }
}

/// A line's text within its limit.
pub(super) fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(LINE)].to_owned()
}

/// Position and content of a line as it is kept.
fn parse(value: &Value) -> Result<Option<(u64, &[u8])>> {
    let bytes = text(value);
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut parts = bytes.splitn(3, |byte| *byte == b' ');
    let position = parts
        .next()
        .and_then(|part| std::str::from_utf8(part).ok())
        .and_then(|part| part.parse().ok());
    match (position, parts.next(), parts.next()) {
        (Some(position), Some(_), Some(line)) => Ok(Some((position, line))),
        _ => Err(broken()),
    }
}

fn broken() -> Error {
    Error::Corrupt("a line of a log is not what it should be".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_between_characters() {
        let text = "ü".repeat(LINE);
        assert_eq!(bounded(&text).len(), LINE);
        assert_eq!(bounded(&format!("a{text}")).len(), LINE - 1);
        assert_eq!(bounded("short"), "short");
    }
}
