//! `aob-gateway` as a process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::process::gateway;

/// A gateway that dies with its handle.
pub(crate) struct Gateway {
    child: Child,
    address: String,
    redis: String,
    flags: Vec<String>,
}

impl Gateway {
    /// On a free port, or on this address.
    pub(crate) fn start(redis: &str, address: Option<&str>, flags: &[&str]) -> Self {
        let mut command = gateway();
        command.args(["--redis", redis, "--listen", address.unwrap_or("127.0.0.1:0")]);
        command.args(["--log-format", "json"]).args(flags);
        let mut child = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let address = loop {
            let Some(Ok(line)) = lines.next() else { panic!("it did not come up: {said}") };
            said.push_str(&line);
            let line: Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = line["fields"]["address"].as_str() {
                break address.to_owned();
            }
        };
        // Whatever else it says must not stand in its way.
        std::thread::spawn(move || lines.for_each(drop));
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        Self { child, address, redis: redis.to_owned(), flags }
    }

    /// Kills it, and starts another one on its address.
    pub(crate) fn again(self) -> Self {
        let (redis, address, flags) =
            (self.redis.clone(), self.address.clone(), self.flags.clone());
        drop(self);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Self::start(&redis, Some(&address), &flags)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory that it has just now.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    }

    /// From here on it may have so many files open.
    pub(crate) fn limit(&self, files: u64) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let limit = Rlimit { current: Some(files), maximum: Some(files) };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
