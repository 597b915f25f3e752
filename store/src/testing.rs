//! A private Redis server for tests: real, in a folder of its own, killed and removed when it is dropped.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a server to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The program; `redis-server` unless the environment's `AOB_REDIS_SERVER` says otherwise.
    pub program: PathBuf,
    /// `always`, `everysec`, `no`; none: no append-only file at all.
    pub appendfsync: Option<&'static str>,
    /// `noeviction` and others.
    pub maxmemory_policy: &'static str,
    /// Bytes; 0: no limit.
    pub maxmemory: u64,
    /// Further arguments.
    pub arguments: Vec<String>,
}

/// A running server, or one that has been killed and may be started again.
#[derive(Debug)]
pub struct RedisServer {
    options: ServerOptions,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            program: std::env::var_os("AOB_REDIS_SERVER")
                .map_or_else(|| "redis-server".into(), PathBuf::from),
            appendfsync: Some("always"),
            maxmemory_policy: "noeviction",
            maxmemory: 0,
            arguments: Vec::new(),
        }
    }
}

impl RedisServer {
    /// Starts a server on empty data and waits until it answers.
    ///
    /// # Errors
    /// If the program is not there, which is said, or the server does not come up.
    pub fn start(options: ServerOptions) -> Result<Self> {
        let mut server = Self { options, folder: folder()?, child: None };
        server.restart()?;
        Ok(server)
    }

    /// Starts a server on a copy of another's data: of the folder `appendonlydir` in `data`.
    ///
    /// # Errors
    /// As [`RedisServer::start`]; if there is no such folder.
    pub fn start_on(options: ServerOptions, data: &Path) -> Result<Self> {
        let mut server = Self { options, folder: folder()?, child: None };
        let (from, to) = (data.join("appendonlydir"), server.dir().join("appendonlydir"));
        std::fs::create_dir(&to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        server.restart()?;
        Ok(server)
    }

    /// Where it is reached: a Unix socket in its folder.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Its folder, with `appendonlydir` and `log`.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends it as `kill -9` does.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; what counts is that it is gone.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends it in order and waits for that.
    ///
    /// # Errors
    /// If it does not end.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let asked = UnixStream::connect(self.socket())
            .and_then(|mut stream| stream.write_all(b"SHUTDOWN\r\n"));
        if asked.is_err() {
            child.kill()?;
        }
        child.wait().map(drop)
    }

    /// Starts it on the data of before; kills it first if it still runs.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.kill9();
        let _ = std::fs::remove_file(self.socket());
        let log = std::fs::File::create(self.dir().join("log"))?;
        let mut command = Command::new(&self.options.program);
        command
            .current_dir(self.dir())
            .arg("--port")
            .arg("0")
            .arg("--unixsocket")
            .arg(self.socket());
        command.arg("--dir").arg(self.dir()).arg("--save").arg("").arg("--daemonize").arg("no");
        match self.options.appendfsync {
            Some(appendfsync) => {
                command.arg("--appendonly").arg("yes").arg("--appendfsync").arg(appendfsync)
            }
            None => command.arg("--appendonly").arg("no"),
        };
        command.arg("--maxmemory-policy").arg(self.options.maxmemory_policy);
        command.arg("--maxmemory").arg(self.options.maxmemory.to_string());
        command.args(&self.options.arguments);
        command.stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log);
        let child = command.spawn().map_err(|error| {
            let program = self.options.program.display();
            Error::new(
                error.kind(),
                format!("{program} cannot be started ({error}); install redis-server 7.0 or later"),
            )
        })?;
        self.child = Some(child);
        self.wait()
    }

    fn socket(&self) -> PathBuf {
        self.dir().join("redis.sock")
    }

    /// Waits until it has loaded its data and answers.
    fn wait(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if ping(&self.socket()).is_ok() {
                return Ok(());
            }
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                self.child = None;
                return Err(Error::other(format!(
                    "redis-server ended with {status}: {}",
                    self.log()
                )));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill9();
        Err(Error::new(
            ErrorKind::TimedOut,
            format!("redis-server does not answer: {}", self.log()),
        ))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir().join("log")).unwrap_or_default()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill9();
    }
}

fn folder() -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("aob-redis").tempdir()
}

fn ping(socket: &Path) -> Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    // While it loads its data it answers -LOADING.
    if answer == *b"+PONG" { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
}
