//! Recording the commits of a run: it is driven through the product, one commit at a time, while the server's
//! `MONITOR` tells what was sent.

use std::sync::Arc;
use std::time::Duration;

use aob_engine::step::{Answer, Input};
use aob_runner::runs::{Progress, StartOptions, Work};
use aob_store::{Claim, Task, id};

use super::MOST_ITEMS;
use super::wire::{Wire, encode};
use crate::Result;
use crate::cell::Shape;
use crate::product::Product;

/// How long a commit may take to be told by the monitor, and tasks to be claimed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The commits of one run, start to end.
pub(super) struct Recorded {
    commits: Vec<Commit>,
}

/// One call of the commit function: all its arguments, and how many tasks it publishes.
struct Commit {
    arguments: Vec<Vec<u8>>,
    published: usize,
}

// FCALL aob1_commit 1 <key> <epoch> <consumer> <most claims> <number of types> <number of items> types.. items..
const KEY: usize = 3;
const CONSUMER: usize = 5;
const TYPES: usize = 7;
const ITEMS: usize = 8;
const REST: usize = 9;

pub(super) struct Recorder<'a> {
    product: &'a Product,
    options: StartOptions,
    monitor: Wire,
}

impl<'a> Recorder<'a> {
    pub(super) async fn attach(product: &'a Product, port: u16, shape: Shape) -> Result<Self> {
        let options = product.options(shape).await?;
        let mut monitor = Wire::connect(port).await?;
        monitor.send(b"MONITOR\r\n").await?;
        match monitor.line().await? {
            b"+OK" => Ok(Self { product, options, monitor }),
            other => {
                Err(format!("MONITOR was answered by {}", String::from_utf8_lossy(other)).into())
            }
        }
    }

    /// Runs a run to its end; results that are there at once are committed at once, as a lane does.
    pub(super) async fn record(&mut self) -> Result<Recorded> {
        let runs = &self.product.runs;
        let run = runs.start(&self.options).await?.run;
        let claim = Claim {
            consumer: "recorder".into(),
            types: self.product.types().into(),
            shard: id::shard(&run).unwrap_or(0) % runs.store().shards(),
            max: MOST_ITEMS,
        };
        let mut tasks = runs.store().claim(&claim, PATIENCE).await?;
        let mut commits = vec![self.next(tasks.len()).await?];
        while !tasks.is_empty() {
            let inputs = tasks.iter().map(answer).collect();
            let work = Work { run: run.clone(), inputs, signals: Vec::new() };
            let mut progress = Progress::new(1, Some(claim.clone()));
            runs.commit_on(&[work], &mut progress).await?;
            tasks = progress.end().1;
            commits.push(self.next(tasks.len()).await?);
        }
        match runs.store().load(&run).await? {
            None => Ok(Recorded { commits }),
            Some(state) => {
                Err(format!("{run} is {} where it should be gone", state.status()).into())
            }
        }
    }

    async fn next(&mut self, published: usize) -> Result<Commit> {
        let read = async {
            loop {
                let arguments = arguments(self.monitor.line().await?);
                if arguments.len() > REST
                    && arguments[0] == b"FCALL"
                    && arguments[1] == b"aob1_commit"
                {
                    return Ok(Commit { arguments, published });
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.map_err(|_| "the monitor tells no commit")?
    }
}

impl Recorded {
    /// The key that names its shard.
    pub(super) fn shard(&self) -> &[u8] {
        &self.commits[0].arguments[KEY]
    }
}

/// Runs of one shard, in step, as the bytes of one command after the other.
pub(super) fn script(runs: &[&Recorded], consumer: &str) -> Vec<Vec<u8>> {
    let steps = runs.iter().map(|run| run.commits.len()).max().unwrap_or(0);
    (0..steps)
        .map(|step| {
            let commits: Vec<&Commit> =
                runs.iter().filter_map(|run| run.commits.get(step)).collect();
            join(&commits, &runs[0].commits[1], consumer)
        })
        .collect()
}

/// One call in place of several. The types are those of `model`, which claims, as its run's start does not.
fn join(commits: &[&Commit], model: &Commit, consumer: &str) -> Vec<u8> {
    let (mut items, mut published) = (0, 0);
    let mut rest: Vec<&[u8]> = Vec::new();
    for commit in commits {
        items += number(&commit.arguments[ITEMS]);
        published += commit.published;
        rest.extend(
            commit.arguments[REST + number(&commit.arguments[TYPES])..].iter().map(Vec::as_slice),
        );
    }
    let types = number(&model.arguments[TYPES]);
    let counts = [published, types, items].map(|count| count.to_string());
    let mut all: Vec<&[u8]> = commits[0].arguments[..CONSUMER].iter().map(Vec::as_slice).collect();
    all.push(consumer.as_bytes());
    all.extend(counts.iter().map(String::as_bytes));
    all.extend(model.arguments[REST..REST + types].iter().map(Vec::as_slice));
    all.extend(rest);
    encode(all.into_iter())
}

/// How many items an encoded call has.
pub(super) fn items(call: &[u8]) -> Result<u32> {
    let text = call.split(|byte| *byte == b'\n').nth(2 + 2 * ITEMS);
    let text = text.and_then(|line| std::str::from_utf8(line).ok()).map(str::trim);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| "a call without a number of items".into())
}

fn number(argument: &[u8]) -> usize {
    std::str::from_utf8(argument).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn answer(task: &Task) -> Input {
    let value = task.input.get("value").cloned().unwrap_or_default();
    let (instance, fence) = (task.at.instance.clone(), task.at.fence);
    Input::Settled { instance, fence, result: Answer::Output(Arc::new(value)) }
}

/// The arguments in a line of the monitor: `+<time> [<db> <client>] "<argument>" "<argument>" ...`, with what is
/// not printable escaped. None where a function is the caller.
fn arguments(line: &[u8]) -> Vec<Vec<u8>> {
    let Some(from) = line.windows(2).position(|pair| pair == b"] ") else { return Vec::new() };
    if line[..from].ends_with(b"lua") {
        return Vec::new();
    }
    let mut arguments = Vec::new();
    let mut bytes = line[from + 2..].iter().copied();
    while bytes.next() == Some(b'"') {
        let mut argument = Vec::new();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => break,
                b'\\' => argument.extend(escaped(&mut bytes)),
                plain => argument.push(plain),
            }
        }
        arguments.push(argument);
        bytes.next();
    }
    arguments
}

fn escaped(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    Some(match bytes.next()? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'a' => 7,
        b'b' => 8,
        b'x' => {
            let digits = [bytes.next()?, bytes.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        }
        plain => plain,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_monitor_are_read_back() {
        let line =
            br#"+1700000000.123 [0 127.0.0.1:5000] "FCALL" "a b" "" "\x00\xff\n\\\"" "{\"x\":1}""#;
        let expected: [&[u8]; 5] = [b"FCALL", b"a b", b"", b"\x00\xff\n\\\"", b"{\"x\":1}"];
        assert_eq!(arguments(line), expected);
        assert!(arguments(br#"+1700000000.123 [0 lua] "GET" "x""#).is_empty());
    }

    #[test]
    fn calls_are_joined_into_one() {
        let commit = |types: &[&str], items: &[&str], published| {
            let counts = [types.len().to_string(), "1".to_owned()];
            let head = ["FCALL", "aob1_commit", "1", "key", "epoch", "who", "64"];
            let all = head
                .into_iter()
                .chain(counts.iter().map(String::as_str))
                .chain(types.iter().copied());
            let arguments =
                all.chain(items.iter().copied()).map(|text| text.as_bytes().to_vec()).collect();
            Commit { arguments, published }
        };
        let run = || Recorded {
            commits: vec![commit(&[], &["h", "1"], 1), commit(&["t", "u"], &["h", "2", "3"], 0)],
        };
        let (one, two) = (run(), run());
        let script = script(&[&one, &two], "me");
        let call = |words: &[&str]| encode(words.iter().map(|word| word.as_bytes()));
        let head = ["FCALL", "aob1_commit", "1", "key", "epoch", "me"];
        assert_eq!(
            script[0],
            call(&[&head[..], &["2", "2", "2", "t", "u", "h", "1", "h", "1"]].concat())
        );
        assert_eq!(
            script[1],
            call(&[&head[..], &["0", "2", "2", "t", "u", "h", "2", "3", "h", "2", "3"]].concat())
        );
        assert_eq!(items(&script[0]).unwrap(), 2);
    }
}
