//! Opening a server: whether it is fit, the functions, the shards, the epoch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::redis::{Cmd, Value, cmd};

use super::client::{Client, Failure};
use super::keys::{Keys, MOST_SHARDS};
use super::value::{int, items, text};
use crate::{Error, Result};

/// The functions. One library; `aob1` is its major version.
const LIBRARY: &str = concat!(
    include_str!("functions/shard.lua"),
    include_str!("functions/claim.lua"),
    include_str!("functions/log.lua"),
    include_str!("functions/patches.lua"),
    include_str!("functions/commit.lua"),
    include_str!("functions/lease.lua"),
    include_str!("functions/rate.lua"),
    include_str!("functions/spend.lua"),
    include_str!("functions/types.lua"),
    include_str!("functions/runs.lua"),
);

/// What a process knows of the server that it has opened.
pub(super) struct Session {
    epoch: AtomicU64,
    /// Until when an unclaimed task of an older epoch counts as claimed.
    grace: Mutex<Instant>,
    opening: tokio::sync::Mutex<()>,
    lease: Duration,
}

impl Session {
    /// Judges the server, loads the functions and opens every shard.
    ///
    /// # Errors
    /// [`Error::Unfit`] names the setting and what it must be.
    pub(super) async fn open(
        client: &Client,
        shards: Option<u32>,
        lease: Duration,
    ) -> Result<(Self, Keys)> {
        judge(client).await?;
        let keys = Keys::new(count_shards(client, shards).await?);
        let this = Self {
            epoch: AtomicU64::new(0),
            grace: Mutex::new(Instant::now()),
            opening: tokio::sync::Mutex::new(()),
            lease,
        };
        this.again(client, &keys, 0).await?;
        Ok((this, keys))
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether a claim on a task of an older epoch may still be unknown here.
    pub(super) fn in_grace(&self) -> bool {
        Instant::now() < *self.grace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the server anew after a call under the epoch `seen` was refused.
    pub(super) async fn again(&self, client: &Client, keys: &Keys, seen: u64) -> Result<()> {
        let _alone = self.opening.lock().await;
        if self.epoch() != seen {
            return Ok(());
        }
        load(client).await?;
        let sure = is_sure(client).await?;
        let (epoch, grace) = epochs(client, keys, self.lease, sure).await?;
        *self.grace.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + grace;
        self.epoch.store(epoch, Ordering::Release);
        Ok(())
    }

    /// Whether a shard is in an epoch or has it among its kin. The server itself is asked: it may have become another
    /// one since the last call, and then it has to be opened before it knows.
    pub(super) async fn continues(
        &self,
        client: &Client,
        keys: &Keys,
        shard: u32,
        epoch: u64,
    ) -> Result<bool> {
        for _ in 0..4 {
            let mut pipeline = ::redis::pipe();
            pipeline.cmd("INFO").arg("server").cmd("GET").arg(keys.of(shard, "epoch"));
            let answers = client.calls(&pipeline).await?;
            let part = |at: usize| answers.get(at).map(text).unwrap_or_default();
            let [info, stored] = [part(0), part(1)].map(String::from_utf8_lossy);
            let mut words = stored.split(' ');
            let (present, owner) = (words.next(), words.next());
            if owner.is_some() && owner == field(&info, "run_id") {
                let wanted = hex(epoch);
                // After them the end of the grace, and whether writes are on disk first.
                return Ok(present.into_iter().chain(words.skip(2)).any(|one| one == wanted));
            }
            self.again(client, keys, self.epoch()).await?;
        }
        Err(Error::Unreachable("the server restarts again and again".into()))
    }
}

/// A call of a function on a shard, with room for so many bytes of arguments.
pub(super) fn function(name: &str, keys: &Keys, shard: u32, epoch: u64, size: usize) -> Cmd {
    let mut command = Cmd::with_capacity(16 + size / 32, 256 + size);
    command.arg("FCALL").arg(name).arg(1).arg(keys.of(shard, "epoch")).arg(hex(epoch));
    command
}

/// An epoch as it is stored, and as fences begin.
fn hex(epoch: u64) -> String {
    format!("{epoch:016x}")
}

async fn judge(client: &Client) -> Result<()> {
    let mut pipeline = ::redis::pipe();
    for section in ["server", "memory", "persistence", "replication", "cluster"] {
        pipeline.cmd("INFO").arg(section);
    }
    let answers = client.calls(&pipeline).await?;
    let info: String = answers
        .iter()
        .map(|answer| String::from_utf8_lossy(text(answer)).into_owned() + "\n")
        .collect();
    let field = |name: &str| field(&info, name);
    let version = field("redis_version").unwrap_or_default();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or(0);
    if major < 7 {
        return Err(Error::Unfit(format!(
            "the server is Redis {version}, and functions came with 7.0; use Redis 7.0 or later, or Valkey 8 or later"
        )));
    }
    if let Some(policy) = field("maxmemory_policy").filter(|policy| *policy != "noeviction") {
        return Err(Error::Unfit(format!(
            "the server's maxmemory-policy is {policy}, under which it forgets keys of runs; it must be noeviction: \
             CONFIG SET maxmemory-policy noeviction, and the same in its configuration"
        )));
    }
    if field("cluster_enabled") == Some("1") {
        return Err(Error::Unfit(
            "the server is in cluster mode, and this address is used as a single server; set cluster-enabled no".into(),
        ));
    }
    if field("role") == Some("slave") {
        return Err(Error::Unfit(
            "the server is a replica and takes no writes; give the address of its primary".into(),
        ));
    }
    if field("aof_enabled") != Some("1") {
        tracing::warn!(
            "the server's appendonly is off: a restart forgets what was acknowledged; \
             CONFIG SET appendonly yes, and appendfsync always where nothing may be lost"
        );
    }
    Ok(())
}

/// A field of INFO.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The number of shards is fixed by whoever opens a server first.
async fn count_shards(client: &Client, wanted: Option<u32>) -> Result<u32> {
    let fresh = wanted.unwrap_or(4);
    if fresh == 0 || fresh > MOST_SHARDS {
        return Err(Error::Limit(format!("{fresh} shards: from 1 to {MOST_SHARDS}")));
    }
    let key = Keys::new(1).of(0, "shards");
    let mut set = cmd("SET");
    set.arg(&key).arg(fresh).arg("NX");
    client.call(&set, true).await?;
    let answer = client.call(cmd("GET").arg(&key), true).await?;
    let there = std::str::from_utf8(text(&answer)).ok().and_then(|count| count.parse().ok());
    match there {
        Some(count) if count == 0 || count > MOST_SHARDS => {
            Err(Error::Corrupt(format!("{key} says {count}")))
        }
        Some(count) if wanted.is_none_or(|wanted| wanted == count) => Ok(count),
        Some(count) => Err(Error::Unfit(format!(
            "the server was set up with {count} shards, not {fresh}: their number is fixed by the first process; start with {count}"
        ))),
        None => Err(Error::Corrupt(format!("{key} is no number"))),
    }
}

/// Loads the functions unless these, or later ones, are there.
async fn load(client: &Client) -> Result<()> {
    let mut list = cmd("FUNCTION");
    list.arg("LIST").arg("LIBRARYNAME").arg("aob1").arg("WITHCODE");
    let answer = client.call(&list, true).await?;
    let libraries = items(&answer);
    let there = libraries.first().map(items).unwrap_or_default();
    let code = there
        .chunks_exact(2)
        .find(|pair| text(&pair[0]) == b"library_code")
        .map(|pair| text(&pair[1]));
    if let Some(code) = code {
        let version = |code: &[u8]| -> Option<u32> {
            let line = std::str::from_utf8(code).ok()?.lines().nth(1)?;
            line.strip_prefix("-- version ")?.parse().ok()
        };
        if code == LIBRARY.as_bytes() || version(code) > version(LIBRARY.as_bytes()) {
            return Ok(());
        }
    }
    let mut load = cmd("FUNCTION");
    load.arg("LOAD").arg("REPLACE").arg(LIBRARY);
    client.call(&load, true).await?;
    Ok(())
}

/// Whether the server has every write on its disk before it acknowledges it. One that does not tell has not.
async fn is_sure(client: &Client) -> Result<bool> {
    let mut pipeline = ::redis::pipe();
    let wanted =
        [("appendonly", "yes"), ("appendfsync", "always"), ("no-appendfsync-on-rewrite", "no")];
    for (name, _) in wanted {
        pipeline.cmd("CONFIG").arg("GET").arg(name);
    }
    let answers = client.calls(&pipeline).await?;
    let is = |answer: &Value, value: &str| {
        items(answer).get(1).is_some_and(|is| text(is) == value.as_bytes())
    };
    Ok(answers.len() == wanted.len()
        && answers.iter().zip(wanted).all(|(answer, (_, value))| is(answer, value)))
}

/// Opens all shards under one epoch; answers it, and how long tasks of an older one count as claimed.
async fn epochs(
    client: &Client,
    keys: &Keys,
    lease: Duration,
    sure: bool,
) -> Result<(u64, Duration)> {
    for attempt in 0..8 {
        let fresh: u64 = rand::random_range(1..=u64::MAX);
        let how = |force| Opening { fresh, lease, force, sure };
        let (epoch, grace) = open(client, keys, 0, "", how(false)).await?;
        let wanted = hex(epoch);
        let mut same = true;
        for shard in 1..keys.shards() {
            // Another epoch in a shard: the server restarted meanwhile, or, for good, keys were lost.
            same &= open(client, keys, shard, &wanted, how(attempt > 3)).await?.0 == epoch;
        }
        if same {
            return Ok((epoch, grace));
        }
    }
    Err(Error::Unreachable("the server restarts again and again".into()))
}

/// How a shard is opened.
struct Opening {
    /// The epoch if another one has to begin.
    fresh: u64,
    lease: Duration,
    /// Whether the wanted epoch is set in any case.
    force: bool,
    /// Whether every write is on disk before it is acknowledged.
    sure: bool,
}

async fn open(
    client: &Client,
    keys: &Keys,
    shard: u32,
    wanted: &str,
    how: Opening,
) -> Result<(u64, Duration)> {
    let flag = |set| if set { "1" } else { "" };
    let mut command = cmd("FCALL");
    command.arg("aob1_open").arg(1).arg(keys.of(shard, "epoch"));
    command.arg(wanted).arg(hex(how.fresh)).arg(how.lease.as_millis() as u64);
    command.arg(flag(how.force)).arg(flag(how.sure));
    let answer = client.call(&command, true).await.map_err(|failure| match failure {
        Failure::Changed => Error::Unreachable("the server's functions were removed".into()),
        other => other.into(),
    })?;
    let [token, grace] = items(&answer) else {
        return Err(Error::Corrupt("aob1_open answers something else".into()));
    };
    let epoch =
        std::str::from_utf8(text(token)).ok().and_then(|token| u64::from_str_radix(token, 16).ok());
    let epoch =
        epoch.ok_or_else(|| Error::Corrupt(format!("the epoch of shard {shard} is no number")))?;
    Ok((epoch, Duration::from_millis(int(grace).max(0) as u64)))
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_of_info_are_found_by_their_whole_name() {
        let info = "# Memory\r\nused_memory_human:1M\r\nused_memory:12\r\nmaxmemory:0\r\n";
        assert_eq!(field(info, "used_memory"), Some("12"));
        assert_eq!(field(info, "maxmemory"), Some("0"));
        assert_eq!(field(info, "memory"), None);
    }
}
