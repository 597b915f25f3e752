//! What is found without knowing a run: versions, lists, prefixes, backlog.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::redis::{Value, cmd};
use aob_engine::tier::Tier;
use serde::Deserialize;

use super::RedisStore;
use super::args::Args;
use super::client::refused;
use super::value::{int, items, present, text, utf8};
use crate::{Backlog, Demand, Error, Expired, OpenTicket, Result, Summary, Version};

/// Longest document, in bytes.
const DOCUMENT: usize = 16 << 20;
/// Most lines of one answer.
const MOST: usize = 1_000;
/// Most versions of one answer.
const MOST_VERSIONS: usize = 10_000;
/// Most ids that a prefix answers.
const MOST_FOUND: usize = 10;

/// What a list shows of a run's fixed fields, as the engine encodes them.
#[derive(Deserialize)]
struct Fixed<'a> {
    #[serde(borrow)]
    workflow: std::borrow::Cow<'a, str>,
    started: u64,
    #[serde(borrow, default)]
    set: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    agents: u32,
}

/// And of those that change.
#[derive(Deserialize)]
struct Moving {
    settled: u64,
    instances: u64,
    #[serde(default)]
    ended: Option<u64>,
}

impl RedisStore {
    pub(super) async fn list_expired(
        &self,
        shard: u32,
        now: u64,
        most: usize,
    ) -> Result<Vec<Expired>> {
        let mut command = cmd("ZRANGEBYSCORE");
        command.arg(self.keys.of(shard, "expire")).arg("-inf").arg(now);
        command.arg("LIMIT").arg(0).arg(most.min(MOST));
        let answer = self.client.call(&command, true).await?;
        let mut runs = Vec::new();
        for member in items(&answer) {
            if let Some((run, tenant)) = utf8(member)?.split_once(' ') {
                runs.push(Expired { run: run.into(), tenant: tenant.into() });
            }
        }
        Ok(runs)
    }

    pub(super) async fn keep_artifact(&self, digest: &str, document: &[u8]) -> Result<()> {
        if document.len() > DOCUMENT {
            return Err(Error::Limit(format!(
                "a document of {} bytes, at most {} MiB",
                document.len(),
                DOCUMENT >> 20
            )));
        }
        let mut command = cmd("HSET");
        command.arg(self.keys.of(0, "artifacts")).arg(digest).arg(document);
        self.client.call(&command, true).await?;
        Ok(())
    }

    pub(super) async fn read_artifact(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        let answer = self
            .client
            .call(cmd("HGET").arg(self.keys.of(0, "artifacts")).arg(digest), true)
            .await?;
        Ok(if let Value::BulkString(document) = answer { Some(document) } else { None })
    }

    pub(super) async fn read_tag(
        &self,
        tenant: &str,
        workflow: &str,
        tag: &str,
    ) -> Result<Option<String>> {
        let mut command = cmd("HGET");
        command.arg(self.keys.tenant(0, "tags", tenant)).arg(format!("{workflow} {tag}"));
        let answer = self.client.call(&command, true).await?;
        present(&answer).map(|_| utf8(&answer).map(str::to_owned)).transpose()
    }

    pub(super) async fn list_workflows(&self, tenant: &str) -> Result<Vec<Version>> {
        let key = self.keys.tenant(0, "tags", tenant);
        let mut versions = BTreeMap::new();
        let mut cursor = "0".to_owned();
        loop {
            // A scan may name a tag twice.
            let mut scan = cmd("HSCAN");
            scan.arg(&key).arg(&cursor).arg("COUNT").arg(MOST);
            let answer = self.client.call(&scan, true).await?;
            let [next, page] = items(&answer) else { break };
            for pair in items(page).chunks_exact(2) {
                if let Some((workflow, tag)) = utf8(&pair[0])?.split_once(' ') {
                    versions
                        .insert((workflow.to_owned(), tag.to_owned()), utf8(&pair[1])?.to_owned());
                }
            }
            cursor = utf8(next)?.to_owned();
            if cursor == "0" || versions.len() >= MOST_VERSIONS {
                break;
            }
        }
        let version = |((workflow, tag), digest)| Version { workflow, tag, digest };
        Ok(versions.into_iter().take(MOST_VERSIONS).map(version).collect())
    }

    /// Ids begin with their time, so the order of ids is that of starts, over all shards.
    pub(super) async fn list_runs(
        &self,
        tenant: &str,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<(Vec<Summary>, Option<String>)> {
        let most = most.clamp(1, MOST);
        let from = cursor.map_or_else(|| "+".to_owned(), |run| format!("({run}"));
        let mut pipeline = ::redis::pipe();
        for shard in 0..self.keys.shards() {
            let key = self.keys.tenant(shard, "runs", tenant);
            pipeline
                .cmd("ZREVRANGEBYLEX")
                .arg(key)
                .arg(&from)
                .arg("-")
                .arg("LIMIT")
                .arg(0)
                .arg(most + 1);
        }
        let answers = self.client.calls(&pipeline).await?;
        let mut runs = answers.iter().flat_map(items).map(utf8).collect::<Result<Vec<&str>>>()?;
        runs.sort_unstable_by(|a, b| b.cmp(a));
        let more = runs.len() > most;
        runs.truncate(most);
        let next = runs.last().filter(|_| more).map(|&run| run.to_owned());
        let mut pipeline = ::redis::pipe();
        for run in &runs {
            pipeline.cmd("HMGET").arg(self.keys.run("run", run)?).arg(&["s", "h", "status", "rev"]);
        }
        let answers = self.client.calls(&pipeline).await?;
        let mut summaries = Vec::with_capacity(runs.len());
        for (run, answer) in runs.into_iter().zip(&answers) {
            let [fixed, moving, status, revision] = items(answer) else { continue };
            // Dropped since the list was read.
            let (Some(fixed), Some(moving)) = (present(fixed), present(moving)) else { continue };
            let broken = |_| Error::Corrupt(format!("{run}: its record is not what it should be"));
            let fixed: Fixed<'_> = serde_json::from_slice(fixed).map_err(broken)?;
            let moving: Moving = serde_json::from_slice(moving).map_err(broken)?;
            summaries.push(Summary {
                run: run.to_owned(),
                workflow: fixed.workflow.into_owned(),
                status: utf8(status)?.to_owned(),
                started: fixed.started,
                ended: moving.ended,
                revision: int(revision).max(0) as u32,
                progress: (moving.settled, moving.instances),
                patch_set: fixed.set.map(std::borrow::Cow::into_owned),
                tier: Tier::of(fixed.agents),
            });
        }
        Ok((summaries, next))
    }

    pub(super) async fn list_tickets(&self, tenant: &str, most: usize) -> Result<Vec<OpenTicket>> {
        let most = most.clamp(1, MOST);
        let mut pipeline = ::redis::pipe();
        for shard in 0..self.keys.shards() {
            let key = self.keys.tenant(shard, "tickets", tenant);
            pipeline.cmd("ZRANGE").arg(key).arg(0).arg(most - 1).arg("WITHSCORES");
        }
        let answers = self.client.calls(&pipeline).await?;
        let mut open = Vec::new();
        for pair in answers.iter().flat_map(|answer| items(answer).chunks_exact(2)) {
            let Some((ticket, run)) = utf8(&pair[0])?.split_once(' ') else { continue };
            open.push((int(&pair[1]).max(0) as u64, ticket, run));
        }
        open.sort_unstable();
        open.truncate(most);
        let mut pipeline = ::redis::pipe();
        for (_, ticket, run) in &open {
            pipeline.cmd("HGET").arg(self.keys.run("run", run)?).arg(format!("?{ticket}"));
        }
        let answers = self.client.calls(&pipeline).await?;
        let mut tickets = Vec::with_capacity(open.len());
        for ((since, ticket, run), answer) in open.into_iter().zip(&answers) {
            // Closed since the list was read.
            let Some((asks, instance)) = utf8(answer)?.split_once(' ') else { continue };
            tickets.push(OpenTicket {
                ticket: ticket.to_owned(),
                run: run.to_owned(),
                instance: instance.to_owned(),
                asks: asks.to_owned(),
                since,
            });
        }
        Ok(tickets)
    }

    pub(super) async fn run_of_key(&self, tenant: &str, key: &str) -> Result<Option<Arc<str>>> {
        let mut pipeline = ::redis::pipe();
        for shard in 0..self.keys.shards() {
            pipeline.cmd("GET").arg(self.keys.dedupe(shard, tenant, key));
        }
        let answers = self.client.calls(&pipeline).await?;
        answers
            .iter()
            .find(|answer| present(answer).is_some())
            .map(|run| utf8(run).map(Arc::from))
            .transpose()
    }

    pub(super) async fn find_ids(&self, tenant: &str, prefix: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let (from, to) = (format!("[{prefix}"), [b"[", prefix.as_bytes(), &[0xff]].concat());
        let mut pipeline = ::redis::pipe();
        for shard in 0..self.keys.shards() {
            let key = self.keys.tenant(shard, "runs", tenant);
            pipeline
                .cmd("ZRANGEBYLEX")
                .arg(key)
                .arg(&from)
                .arg(&to)
                .arg("LIMIT")
                .arg(0)
                .arg(MOST_FOUND);
        }
        for answer in self.client.calls(&pipeline).await? {
            for run in items(&answer) {
                found.push(utf8(run)?.to_owned());
            }
        }
        if !prefix.starts_with("run") {
            for shard in 0..self.keys.shards() {
                self.find_tickets(shard, tenant, prefix, &mut found).await?;
            }
        }
        found.sort_unstable();
        found.truncate(MOST_FOUND);
        Ok(found)
    }

    /// Tickets are ordered by when they opened; few are open at a time, so they are looked through, 10,000 at most.
    async fn find_tickets(
        &self,
        shard: u32,
        tenant: &str,
        prefix: &str,
        found: &mut Vec<String>,
    ) -> Result<()> {
        let key = self.keys.tenant(shard, "tickets", tenant);
        for page in 0..10 {
            let mut command = cmd("ZRANGE");
            command.arg(&key).arg(page * MOST).arg((page + 1) * MOST - 1);
            let answer = self.client.call(&command, true).await?;
            for member in items(&answer) {
                let ticket = utf8(member)?.split(' ').next().unwrap_or_default();
                if ticket.starts_with(prefix) {
                    found.push(ticket.to_owned());
                }
            }
            if items(&answer).len() < MOST {
                break;
            }
        }
        Ok(())
    }

    pub(super) async fn count_demand(&self) -> Result<Vec<Demand>> {
        let mut total: BTreeMap<String, Demand> = BTreeMap::new();
        for shard in 0..self.keys.shards() {
            for Queue { name, waiting, held, .. } in self.queues(shard).await? {
                let none = || Demand { queue: name.clone(), waiting: 0, held: 0 };
                let demand = total.entry(name.clone()).or_insert_with(none);
                demand.waiting += waiting;
                demand.held += held;
            }
        }
        Ok(total.into_values().collect())
    }

    /// The queues of a shard.
    async fn queues(&self, shard: u32) -> Result<Vec<Queue>> {
        // What has ended no longer counts as pending.
        self.function("aob1_settle", shard, &Args::default()).await?;
        let answer =
            self.client.call(cmd("SMEMBERS").arg(self.keys.of(shard, "streams")), true).await?;
        let names = items(&answer).iter().map(utf8).collect::<Result<Vec<&str>>>()?;
        let mut pipeline = ::redis::pipe();
        for name in &names {
            let key = self.keys.tasks(shard, name);
            pipeline.cmd("XLEN").arg(&key);
            pipeline.cmd("XINFO").arg("GROUPS").arg(&key);
        }
        let answers = self.client.calls(&pipeline).await?;
        let queue = |(name, pair): (&&str, &[Value])| {
            let (pending, delivered) = group(&pair[1])?;
            let waiting = (int(&pair[0]) - pending).max(0) as u64;
            Ok(Queue { name: (*name).to_owned(), waiting, held: pending.max(0) as u64, delivered })
        };
        names.iter().zip(answers.chunks_exact(2)).map(queue).collect()
    }

    pub(super) async fn count_backlog(&self) -> Result<Vec<Backlog>> {
        let mut total: BTreeMap<String, Backlog> = BTreeMap::new();
        for shard in 0..self.keys.shards() {
            let queues = self.queues(shard).await?;
            let (mut pipeline, mut waiting) = (::redis::pipe(), Vec::new());
            for Queue { name: node_type, waiting: tasks, delivered, .. } in queues {
                if tasks > 0 {
                    let key = self.keys.tasks(shard, &node_type);
                    pipeline
                        .cmd("XRANGE")
                        .arg(&key)
                        .arg(format!("({delivered}"))
                        .arg("+")
                        .arg("COUNT")
                        .arg(1);
                    pipeline.cmd("XINFO").arg("CONSUMERS").arg(key).arg("workers");
                    waiting.push((node_type, tasks));
                }
            }
            let answers = self.client.calls(&pipeline).await?;
            for ((node_type, tasks), pair) in waiting.into_iter().zip(answers.chunks_exact(2)) {
                let Some(id) = items(&pair[0]).first().and_then(|entry| items(entry).first())
                else {
                    continue;
                };
                let since =
                    utf8(id)?.split('-').next().and_then(|since| since.parse().ok()).unwrap_or(0);
                let line = total.entry(node_type.clone()).or_insert_with(|| Backlog {
                    node_type,
                    tasks: 0,
                    since: u64::MAX,
                    idle: None,
                });
                line.tasks += tasks;
                line.since = line.since.min(since);
                line.idle = line.idle.into_iter().chain(idle(&pair[1])).min();
            }
        }
        Ok(total.into_values().collect())
    }
}

/// A queue of a shard.
struct Queue {
    name: String,
    waiting: u64,
    held: u64,
    /// The entry that was claimed last.
    delivered: String,
}

/// Of XINFO CONSUMERS: milliseconds since the last of them did anything. None without a group.
fn idle(answer: &Value) -> Option<u64> {
    if refused(answer).is_some() {
        return None;
    }
    let field = |consumer: &Value, name: &str| {
        let mut pairs = items(consumer).chunks_exact(2);
        pairs.find(|pair| text(&pair[0]) == name.as_bytes()).map(|pair| pair[1].clone())
    };
    // These two are no workers: what was swept or reported.
    let works = |consumer: &&Value| {
        field(consumer, "name").is_some_and(|name| !matches!(text(&name), b"parked" | b"reported"))
    };
    let since = |consumer: &Value| field(consumer, "idle").map(|idle| int(&idle).max(0) as u64);
    items(answer).iter().filter(works).filter_map(since).min()
}

/// Of XINFO GROUPS: how many entries are pending to workers, and the last that was given out.
fn group(answer: &Value) -> Result<(i64, String)> {
    if refused(answer).is_none() {
        for group in items(answer) {
            let field = |name: &str| {
                items(group)
                    .chunks_exact(2)
                    .find(|pair| text(&pair[0]) == name.as_bytes())
                    .map(|pair| &pair[1])
            };
            if field("name").map(text) == Some(b"workers") {
                let delivered = field("last-delivered-id").map(utf8).transpose()?.unwrap_or("0-0");
                return Ok((field("pending").map_or(0, int), delivered.to_owned()));
            }
        }
    }
    Ok((0, "0-0".to_owned()))
}
