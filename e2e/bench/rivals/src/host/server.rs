//! A server process: started with its own log, watched, stopped by its id.

use std::ffi::OsString;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// Time a server has to come up.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Pause between two looks at a server that comes up.
const START_STEP: Duration = Duration::from_millis(50);
/// Time a server has to stop before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How many lines of its log an error quotes.
const LOG_TAIL: usize = 12;

/// How a server is started and stopped.
#[derive(Debug)]
pub struct Launch {
    /// What errors call it.
    pub name: &'static str,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables set for it; none takes one away.
    pub environment: Vec<(String, Option<String>)>,
    /// Whom it runs as; none is the caller.
    pub account: Option<Account>,
    /// Where its output goes.
    pub log: PathBuf,
    /// The signal that stops it.
    pub stop: Stop,
}

/// A user and its group, by number.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// The user's number.
    pub user: u32,
    /// The number of its main group.
    pub group: u32,
}

/// The signal that stops a server.
#[derive(Debug, Clone, Copy)]
pub enum Stop {
    /// SIGTERM.
    Term,
    /// SIGINT: PostgreSQL's fast shutdown, which does not wait for its clients to leave.
    Int,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
    stop: Stop,
}

impl Server {
    /// Starts a server. It gets its stop signal also when the thread that calls this dies,
    /// so call it from the main thread.
    pub fn start(launch: Launch) -> Result<Self> {
        let Launch { name, program, arguments, environment, account, log, stop } = launch;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", stop.name()]).arg(&program).args(arguments);
        for (key, value) in environment {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        if let Some(Account { user, group }) = account {
            command.uid(user).gid(group);
        }
        let file = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {name}, {}, by setpriv", program.display()))?;
        Ok(Self { name, child, log, stop })
    }

    /// Waits until `ready` gives a value. Errors with the end of the server's log where it
    /// exits first or a minute passes.
    pub async fn ready<T>(&mut self, mut ready: impl AsyncFnMut() -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let reason = match ready().await {
                Ok(value) => return Ok(value),
                Err(reason) => reason,
            };
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at its start, {status}:\n{}", self.name, self.log_tail());
            }
            if Instant::now() >= deadline {
                let seconds = START_LIMIT.as_secs();
                let tail = self.log_tail();
                return Err(reason)
                    .with_context(|| format!("{} not up in {seconds} s:\n{tail}", self.name));
            }
            tokio::time::sleep(START_STEP).await;
        }
    }

    /// The server's process id; none when it has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Errors where the server has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended, {status}:\n{}", self.name, self.log_tail()),
        }
    }

    /// Stops the server and waits for its end; kills it after half a minute.
    pub async fn stop(mut self) -> Result<()> {
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(id) = id {
            // Gone between the look and the signal is what was wanted.
            kill_process(id, self.stop.signal()).ok();
        }
        if tokio::time::timeout(STOP_LIMIT, self.child.wait()).await.is_err() {
            self.child.kill().await.with_context(|| format!("kill {}", self.name))?;
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }
}

impl Stop {
    fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
        }
    }

    fn signal(self) -> Signal {
        match self {
            Self::Term => Signal::TERM,
            Self::Int => Signal::INT,
        }
    }
}

/// Runs a command to its end and gives its standard output; errors with its standard error
/// where it fails.
pub async fn output(command: &mut Command) -> Result<String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("start {name}"))?;
    let errors = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{name}: {}: {}", done.status, errors.trim());
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// A loopback port that nothing listens on at the moment.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr()?.port())
}

/// The type of the file system that holds `folder`, as the kernel names it. Durability on
/// `tmpfs` costs nothing and proves nothing, so a figure needs it beside it.
pub fn file_system(folder: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(place, _)| folder.starts_with(place))
        .max_by_key(|(place, _)| place.len())
        .map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, log: &Path) -> Server {
        Server::start(Launch {
            name: "a shell",
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("GREETING".into(), Some("hello".into()))],
            account: None,
            log: log.to_owned(),
            stop: Stop::Term,
        })
        .unwrap()
    }

    fn log_file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("rivals-{}-{name}.log", std::process::id()))
    }

    #[tokio::test]
    async fn a_server_is_waited_for_and_stopped() {
        let log = log_file("stopped");
        let mut server = shell("echo $GREETING; exec sleep 1000", &log);
        server
            .ready(async || {
                ensure!(std::fs::read_to_string(&log)? == "hello\n", "not yet");
                Ok(())
            })
            .await
            .unwrap();
        server.check().unwrap();
        let id = server.id().unwrap();
        server.stop().await.unwrap();
        assert!(!Path::new(&format!("/proc/{id}")).exists());
        std::fs::remove_file(log).unwrap();
    }

    #[tokio::test]
    async fn a_server_that_ends_at_its_start_is_quoted() {
        let log = log_file("quoted");
        let mut server = shell("echo no such disk >&2; exit 3", &log);
        let error = server.ready(async || -> Result<()> { bail!("refused") }).await.unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("exit status: 3") && error.contains("no such disk"), "{error}");
        std::fs::remove_file(log).unwrap();
    }

    #[tokio::test]
    async fn a_failed_command_gives_its_own_words() {
        let mut command = Command::new("/bin/sh");
        let error = output(command.args(["-c", "echo why >&2; exit 1"])).await.unwrap_err();
        assert_eq!(error.to_string(), "/bin/sh: exit status: 1: why");
    }

    #[test]
    fn the_file_system_of_proc_is_proc() {
        assert_eq!(file_system(Path::new("/proc/self")), "proc");
    }
}
