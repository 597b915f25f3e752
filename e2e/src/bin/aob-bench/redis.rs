//! A Redis server of the bench's own, on loopback TCP and the disk to be measured.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Result;

/// How long a server may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; it ends, and its data goes, with this.
pub(crate) struct Server {
    child: Child,
    port: u16,
    data: TempDir,
}

impl Server {
    /// Starts one with this `appendfsync`, all else as shipped but for snapshots, which are off.
    pub(crate) async fn start(parent: &Path, appendfsync: &str) -> Result<Self> {
        let data = tempfile::Builder::new().prefix("aob-bench-redis").tempdir_in(parent)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        // It is to end with the bench, however that ends.
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "TERM",
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
        ]);
        command.args([
            "--appendonly",
            "yes",
            "--appendfsync",
            appendfsync,
            "--save",
            "",
            "--daemonize",
            "no",
        ]);
        command.arg("--dir").arg(data.path()).arg("--logfile").arg(data.path().join("log"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child =
            command.spawn().map_err(|error| format!("redis-server cannot be started: {error}"))?;
        let mut server = Self { child, port, data };
        let until = Instant::now() + PATIENCE;
        while let Err(error) = server.ask("PING", &[]).await {
            if let Some(status) = server.child.try_wait()? {
                let log =
                    std::fs::read_to_string(server.data.path().join("log")).unwrap_or_default();
                return Err(format!("redis-server ended with {status}: {log}").into());
            }
            if Instant::now() > until {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its version and settings, as it tells them.
    pub(crate) async fn description(&self) -> Result<Value> {
        let info: String = redis::from_redis_value(self.ask("INFO", &["server"]).await?)?;
        let version = info
            .lines()
            .find_map(|line| line.strip_prefix("redis_version:"))
            .unwrap_or_default()
            .to_owned();
        let mut settings = serde_json::Map::new();
        for name in [
            "appendonly",
            "appendfsync",
            "save",
            "io-threads",
            "auto-aof-rewrite-min-size",
            "maxmemory-policy",
        ] {
            let answer: Vec<String> =
                redis::from_redis_value(self.ask("CONFIG", &["GET", name]).await?)?;
            settings.insert(name.to_owned(), answer.into_iter().nth(1).into());
        }
        Ok(json!({"redis": version.trim(), "over": "TCP on loopback", "config": settings}))
    }

    async fn ask(&self, command: &str, arguments: &[&str]) -> Result<redis::Value> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        Ok(redis::cmd(command).arg(arguments).query_async(&mut connection).await?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its data is removed next, so nothing is lost that anyone wants.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
