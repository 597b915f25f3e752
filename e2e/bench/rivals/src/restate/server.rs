//! Restate's server and the process of its handlers, on loopback.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use super::http::Connection;
use super::ingress::Ingress;
use crate::cell::Shape;
use crate::host::{Launch, Server, Stop, free_port, locked_version, output};
use crate::load::Client as _;

/// Settings that a figure depends on, by their section in the server's own dump.
const EFFECTIVE: [(&str, &str); 9] = [
    ("", "default-num-partitions"),
    ("", "default-replication"),
    ("", "default-journal-retention"),
    ("", "disable-telemetry"),
    ("", "rocksdb-total-memory-size"),
    ("worker.invoker", "concurrent-invocations-limit"),
    ("bifrost", "default-provider"),
    ("log-server", "rocksdb-disable-wal-fsync"),
    ("bifrost.local", "rocksdb-disable-wal-fsync"),
];

/// What differs from Restate's defaults, loopback and ports aside.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Partitions, each with a log of its own.
    pub partitions: u16,
}

/// A running Restate: server, handlers, and their registration.
#[derive(Debug)]
pub struct Site {
    server: Server,
    handlers: Server,
    ingress: String,
    description: Value,
}

impl Site {
    /// Starts `binary` on a data folder inside `folder`, and `handlers`, the program
    /// `rival-restate`; returns once a run has gone through.
    pub async fn start(
        binary: &Path,
        handlers: PathBuf,
        folder: &Path,
        settings: Settings,
    ) -> Result<Self> {
        let [fabric, admin, ingress, endpoint] =
            [free_port()?, free_port()?, free_port()?, free_port()?];
        let data = folder.join("restate-data");
        let arguments =
            ["--no-logo", "--bind-ip", "127.0.0.1", "--listen-mode", "tcp", "--base-dir"];
        let environment = environment(settings, fabric, admin, ingress);

        let mut dump = Command::new(binary);
        dump.args(arguments).arg(&data).arg("--dump-config");
        for (key, value) in &environment {
            match value {
                Some(value) => dump.env(key, value),
                None => dump.env_remove(key),
            };
        }
        let dump = output(&mut dump).await?;
        let version = output(Command::new(binary).arg("--version")).await?;
        let description = json!({
            "server": version.trim(),
            "sdk": format!("restate-sdk {}", locked_version("restate-sdk")),
            "settings": effective(&dump),
            "fan": "1 ctx.run, WIDTH service calls at once, 1 ctx.run: the Rust SDK has no parallel ctx.run",
        });

        let mut server = Server::start(Launch {
            name: "restate-server",
            program: binary.to_owned(),
            arguments: arguments.iter().map(Into::into).chain([data.into()]).collect(),
            environment,
            account: None,
            log: folder.join("restate-server.log"),
            stop: Stop::Term,
        })?;
        let mut handlers = Server::start(Launch {
            name: "rival-restate",
            program: handlers,
            arguments: ["serve", "--port", &endpoint.to_string()].map(Into::into).into(),
            environment: Vec::new(),
            account: None,
            log: folder.join("rival-restate.log"),
            stop: Stop::Term,
        })?;

        let mut admin = Connection::new(format!("127.0.0.1:{admin}"));
        let ingress = format!("127.0.0.1:{ingress}");
        server
            .ready(async || {
                admin.send(Method::GET, "/health", Bytes::new()).await?;
                let mut ingress = Connection::new(&ingress);
                ingress.send(Method::GET, "/restate/health", Bytes::new()).await
            })
            .await?;
        let deployment = json!({ "uri": format!("http://127.0.0.1:{endpoint}") }).to_string();
        handlers
            .ready(async || {
                admin.send(Method::POST, "/deployments", deployment.clone().into()).await
            })
            .await
            .context("register the handlers")?;
        server.ready(async || Ingress::new(&ingress, Shape::Chain(1)).run().await).await?;
        Ok(Self { server, handlers, ingress: format!("http://{ingress}"), description })
    }

    /// Where runs are started: `http://HOST:PORT`.
    pub fn ingress(&self) -> &str {
        &self.ingress
    }

    /// Versions and effective settings.
    pub fn description(&self) -> &Value {
        &self.description
    }

    /// Errors where a process of it has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        self.server.check()?;
        self.handlers.check()
    }

    /// Stops the server, then the handlers.
    pub async fn stop(self) -> Result<()> {
        let stopped = self.server.stop().await;
        self.handlers.stop().await?;
        stopped
    }
}

/// The server's variables: ours, and none that the caller happens to have.
fn environment(
    Settings { partitions }: Settings,
    fabric: u16,
    admin: u16,
    ingress: u16,
) -> Vec<(String, Option<String>)> {
    let inherited = std::env::vars_os().filter_map(|(key, _)| key.into_string().ok());
    let unset = inherited.filter(|key| key.starts_with("RESTATE_")).map(|key| (key, None));
    let set = [
        ("RESTATE_DEFAULT_NUM_PARTITIONS", partitions.to_string()),
        ("RESTATE_DISABLE_TELEMETRY", "true".into()),
        ("RESTATE_BIND_PORT", fabric.to_string()),
        ("RESTATE_ADMIN__BIND_PORT", admin.to_string()),
        ("RESTATE_INGRESS__BIND_PORT", ingress.to_string()),
    ];
    unset.chain(set.map(|(key, value)| (key.to_owned(), Some(value)))).collect()
}

/// Picks the settings of [`EFFECTIVE`] out of the server's dump, values as written there.
fn effective(dump: &str) -> BTreeMap<String, String> {
    let mut section = "";
    let mut found = BTreeMap::new();
    for line in dump.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else if let Some((key, value)) = line.split_once(" = ")
            && EFFECTIVE.contains(&(section, key))
        {
            let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
            found.insert(path, value.trim_matches('"').to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_their_own_section() {
        let dump = "default-num-partitions = 2\nbase-dir = \"./data\"\n\n[worker.storage]\n\
                    rocksdb-disable-wal-fsync = true\n\n[log-server]\nrocksdb-disable-wal-fsync = false\n\
                    [bifrost]\ndefault-provider = \"replicated\"\n";
        let expected = [
            ("bifrost.default-provider", "replicated"),
            ("default-num-partitions", "2"),
            ("log-server.rocksdb-disable-wal-fsync", "false"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(effective(dump), BTreeMap::from(expected));
    }
}
