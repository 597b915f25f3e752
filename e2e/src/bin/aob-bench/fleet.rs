//! The systems of a bench, all up at once and idle but for the one that is measured.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aob_store::embedded::{self, Embedded};
use aob_store::redis::{self, RedisStore};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::cell::{Report, Shape, System};
use crate::product::{Product, Settings};
use crate::redis::Server;
use crate::rivals::Rivals;
use crate::worker::Worker;
use crate::{Result, ceiling};

/// What is started.
pub(crate) struct Wanted<'a> {
    pub(crate) systems: &'a [System],
    /// Parent of everybody's data.
    pub(crate) dir: &'a Path,
    /// Where the rivals' packages stay.
    pub(crate) cache: &'a Path,
    /// The rivals' program.
    pub(crate) rivals: Option<&'a Path>,
    /// Lanes of each shard, where it is not as shipped.
    pub(crate) lanes: Option<usize>,
    /// Tasks at once in each lane.
    pub(crate) slots: usize,
    /// Shards of a Redis server.
    pub(crate) shards: Option<u32>,
}

pub(crate) struct Fleet {
    embedded: Option<(Product, TempDir)>,
    everysec: Option<(Product, Server)>,
    always: Option<(Product, Server)>,
    worker: Option<Worker>,
    rivals: Option<Rivals>,
}

impl Fleet {
    pub(crate) async fn start(wanted: &Wanted<'_>) -> Result<Self> {
        let has = |system: System| wanted.systems.contains(&system);
        let only = match (has(System::Restate), has(System::Dbos)) {
            (true, false) => Some(System::Restate),
            (false, true) => Some(System::Dbos),
            _ => None,
        };
        let mut fleet =
            Self { embedded: None, everysec: None, always: None, worker: None, rivals: None };
        if has(System::Restate) || has(System::Dbos) {
            let program = wanted.rivals.ok_or(
                "the rivals' program is not there: cargo build --release --manifest-path e2e/bench/rivals/Cargo.toml, \
                 or --rivals PATH, or --systems without restate and dbos",
            )?;
            fleet.rivals = Some(Rivals::start(program, wanted.cache, wanted.dir, only).await?);
        }
        if has(System::Embedded) {
            let data =
                tempfile::Builder::new().prefix("aob-bench-embedded").tempdir_in(wanted.dir)?;
            let store = Embedded::open(data.path(), embedded::Options::default())?;
            let settings = Settings { lanes: wanted.lanes.unwrap_or(2), slots: wanted.slots };
            fleet.embedded = Some((Product::new(Arc::new(store), settings), data));
        }
        if has(System::RedisEverysec) {
            fleet.everysec = Some(on_redis(wanted, "everysec").await?);
        }
        if [System::RedisAlways, System::Worker, System::Ceiling].into_iter().any(has) {
            fleet.always = Some(on_redis(wanted, "always").await?);
        }
        if let Some((_, server)) = fleet.always.as_ref().filter(|_| has(System::Worker)) {
            fleet.worker = Some(Worker::open(product_on(wanted, server).await?).await?);
        }
        Ok(fleet)
    }

    /// Versions and settings by system.
    pub(crate) async fn description(&self) -> Result<Value> {
        let mut all = Map::new();
        let aob = |product: &Product| json!({"shards": product.runs.store().shards(), "process": product.settings()});
        if let Some((product, _)) = &self.embedded {
            let options = embedded::Options::default();
            let store = json!({"fsync": options.fsync, "snapshotFromBytes": options.snapshot_from});
            all.insert(
                System::Embedded.name().into(),
                json!({"aob": aob(product), "store": store}),
            );
        }
        for (system, site) in
            [(System::RedisEverysec, &self.everysec), (System::RedisAlways, &self.always)]
        {
            if let Some((product, server)) = site {
                let store = server.description().await?;
                all.insert(system.name().into(), json!({"aob": aob(product), "store": store}));
            }
        }
        if let Some(rivals) = &self.rivals {
            all.insert("rivals".into(), rivals.setup.clone());
        }
        Ok(all.into())
    }

    /// A process of AOB on the store of a system.
    pub(crate) fn product(&self, system: System) -> Option<&Product> {
        match system {
            System::Embedded => self.embedded.as_ref().map(|(product, _)| product),
            System::RedisEverysec => self.everysec.as_ref().map(|(product, _)| product),
            System::RedisAlways => self.always.as_ref().map(|(product, _)| product),
            _ => None,
        }
    }

    /// Measures one system.
    pub(crate) async fn measure(
        &mut self,
        system: System,
        shape: Shape,
        clients: u32,
        seconds: f64,
    ) -> Result<Report> {
        let window = Duration::from_secs_f64(seconds);
        let sample = match (system, &self.embedded, &self.everysec, &self.always, &mut self.rivals)
        {
            (System::Restate | System::Dbos, .., Some(rivals)) => {
                return rivals.measure(system, shape, clients, seconds).await;
            }
            (System::Embedded, Some((product, _)), ..)
            | (System::RedisEverysec, _, Some((product, _)), ..)
            | (System::RedisAlways, _, _, Some((product, _)), _) => {
                product.measure(shape, clients, window).await?
            }
            (System::Worker, ..) if let Some(worker) = &self.worker => {
                worker.measure(shape, clients, window).await?
            }
            (System::Ceiling, _, _, Some((product, server)), _) => {
                ceiling::measure(product, server.port(), shape, clients, window).await?
            }
            _ => return Err(format!("{} was not started", system.name()).into()),
        };
        Report::new(system, shape, clients, &sample)
    }

    /// Ends everything in order; what is left on disk goes too.
    pub(crate) async fn stop(self) -> Result<()> {
        if let Some(worker) = self.worker {
            worker.end().await;
        }
        if let Some((product, _)) = &self.embedded {
            product.runs.store().close().await?;
        }
        match self.rivals {
            Some(rivals) => rivals.stop().await,
            None => Ok(()),
        }
    }
}

async fn on_redis(wanted: &Wanted<'_>, appendfsync: &str) -> Result<(Product, Server)> {
    let server = Server::start(wanted.dir, appendfsync).await?;
    Ok((product_on(wanted, &server).await?, server))
}

async fn product_on(wanted: &Wanted<'_>, server: &Server) -> Result<Product> {
    let options = redis::Options { shards: wanted.shards, ..redis::Options::default() };
    let store = RedisStore::open_with(&server.url(), options).await?;
    let settings = Settings { lanes: wanted.lanes.unwrap_or(1), slots: wanted.slots };
    Ok(Product::new(Arc::new(store), settings))
}
