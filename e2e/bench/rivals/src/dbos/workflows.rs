//! The workflows under load, and the clients that run them.

use anyhow::{Context as _, Result, ensure};
use dbos::{Config, DBOS, PendingStep, WorkflowRef};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::cell::Shape;
use crate::host::locked_version;
use crate::load::Client;
use crate::work::{bytes_of, expected_bytes, step_output};

/// A launched DBOS application.
pub struct Application {
    dbos: DBOS,
    chain: WorkflowRef<u32, u32>,
    fan: WorkflowRef<u32, u32>,
}

/// One client.
pub struct Runner {
    workflow: WorkflowRef<u32, u32>,
    size: u32,
    expected: u32,
}

impl Application {
    /// Connections in the pool where nothing else is said: the default of DBOS.
    pub const CONNECTIONS: u32 = 10;

    /// Connects to the database at `url`, made and migrated where it is not there yet, with
    /// a pool of `connections`.
    pub async fn launch(url: &str, connections: u32) -> Result<Self> {
        let config = Config {
            app_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            max_connections: connections,
            ..Config::new("rivals", url)
        };
        let dbos = DBOS::new(config);
        let chain = dbos.register_workflow("chain", chain)?;
        let fan = dbos.register_workflow("fan", fan)?;
        dbos.launch().await.context("launch DBOS")?;
        Ok(Self { dbos, chain, fan })
    }

    /// Builds `count` clients.
    pub fn clients(&self, shape: Shape, count: u32) -> Vec<Runner> {
        let (workflow, size) = match shape {
            Shape::Chain(steps) => (&self.chain, steps),
            Shape::Fan(width) => (&self.fan, width),
        };
        let expected = expected_bytes(shape.hops());
        (0..count).map(|_| Runner { workflow: workflow.clone(), size, expected }).collect()
    }

    /// Versions and settings of the library's side.
    pub fn description(&self) -> Value {
        let config = self.dbos.config();
        json!({
            "library": format!("dbos {}", locked_version("dbos")),
            "driver": format!("sqlx {}", locked_version("sqlx")),
            "max_connections": config.max_connections,
            "use_listen_notify": config.use_listen_notify,
            "fan": "1 step, WIDTH steps joined, 1 step, in one workflow",
        })
    }

    /// Closes the pool.
    pub async fn shutdown(self) {
        self.dbos.shutdown().await;
    }
}

impl Client for Runner {
    async fn run(&mut self) -> Result<()> {
        let bytes = self.workflow.run(self.size).await?;
        ensure!(bytes == self.expected, "the run returned {bytes} bytes, not {}", self.expected);
        Ok(())
    }
}

async fn chain(steps: u32) -> dbos::Result<u32> {
    let mut bytes = 0;
    for _ in 0..steps {
        bytes += bytes_of(&step().await?);
    }
    Ok(bytes)
}

async fn fan(width: u32) -> dbos::Result<u32> {
    let mut bytes = bytes_of(&step().await?);
    let branches: Vec<_> = (0..width).map(|_| step()).collect();
    for branch in join_all(branches).await {
        bytes += bytes_of(&branch?);
    }
    Ok(bytes + bytes_of(&step().await?))
}

fn step() -> PendingStep<'static, String> {
    dbos::step("step", || async { Ok(step_output()) })
}
