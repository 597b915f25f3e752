//! PostgreSQL on loopback, on a data folder of its own, with every commit flushed.

use std::fs::Permissions;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::process::Command;

use crate::host::{Account, Launch, Server, Stop, free_port, output};

/// The database user, made by initdb. Only this process knows the password.
const USER: &str = "rival";
/// The account that owns the data where the caller is root: PostgreSQL refuses to run as root.
const ACCOUNT: &str = "postgres";
/// Settings that a figure depends on.
const EFFECTIVE: &str = "select json_object_agg(name, current_setting(name)) from unnest(array[\
    'server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method', \
    'wal_level', 'shared_buffers', 'max_connections', 'commit_delay', 'max_wal_size', \
    'checkpoint_timeout', 'listen_addresses']) as name";

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    url: String,
    description: Value,
}

impl Postgres {
    /// Makes a cluster inside `folder` and starts it, with the programs in `programs`;
    /// returns once it answers queries.
    pub async fn start(programs: &Path, folder: &Path) -> Result<Self> {
        let account = account()?;
        let home = folder.join("postgres");
        std::fs::create_dir(&home).with_context(|| format!("create {}", home.display()))?;
        let data = home.join("data");
        let password = random_hex()?;
        let password_file = home.join("password");
        std::fs::write(&password_file, &password)?;
        std::fs::set_permissions(&password_file, Permissions::from_mode(0o600))?;
        std::fs::set_permissions(&home, Permissions::from_mode(0o700))?;
        if let Some(Account { user, group }) = account {
            chown(&home, Some(user), Some(group))?;
            chown(&password_file, Some(user), Some(group))?;
        }
        let mut initdb = Command::new(programs.join("initdb"));
        initdb.arg("--pgdata").arg(&data).arg("--pwfile").arg(&password_file).current_dir(&home);
        initdb.args(["--username", USER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]);
        if let Some(Account { user, group }) = account {
            initdb.uid(user).gid(group);
        }
        output(&mut initdb).await?;
        std::fs::remove_file(&password_file)?;

        let port = free_port()?;
        let mut server = Server::start(Launch {
            name: "postgres",
            program: programs.join("postgres"),
            arguments: arguments(&data, port),
            environment: Vec::new(),
            account,
            log: folder.join("postgres.log"),
            stop: Stop::Int,
        })?;
        let address = format!("127.0.0.1:{port}");
        let settings = server
            .ready(async || {
                let mut psql = Command::new(programs.join("psql"));
                psql.arg(format!("postgres://{USER}@{address}/postgres"));
                psql.args(["-XAtc", EFFECTIVE]).env("PGPASSWORD", &password).current_dir("/");
                output(&mut psql).await
            })
            .await?;
        let description = serde_json::from_str(&settings).context("PostgreSQL's settings")?;
        Ok(Self {
            server,
            url: format!("postgres://{USER}:{password}@{address}/dbos"),
            description,
        })
    }

    /// Where DBOS keeps its tables; it makes this database itself.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Version and effective settings, as the server says them.
    pub fn description(&self) -> &Value {
        &self.description
    }

    /// Errors where the server has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        self.server.check()
    }

    /// Stops the server.
    pub async fn stop(self) -> Result<()> {
        self.server.stop().await
    }
}

fn arguments(data: &Path, port: u16) -> Vec<std::ffi::OsString> {
    let port = format!("port={port}");
    let settings = [
        "listen_addresses=127.0.0.1",
        &port,
        "unix_socket_directories=",
        "fsync=on",
        "synchronous_commit=on",
    ];
    let mut arguments = vec!["-D".into(), data.into()];
    arguments.extend(settings.iter().flat_map(|setting| ["-c".into(), setting.into()]));
    arguments
}

/// Whom PostgreSQL has to run as: `postgres` where the caller is root, else the caller.
fn account() -> Result<Option<Account>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    let account = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(ACCOUNT)).then_some(())?;
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some(Account { user, group })
    });
    account.map(Some).with_context(|| format!("no account {ACCOUNT:?} to run PostgreSQL as"))
}

fn random_hex() -> Result<String> {
    let mut bytes = [0; 16];
    let source = PathBuf::from("/dev/urandom");
    std::fs::File::open(&source)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .with_context(|| format!("read {}", source.display()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
