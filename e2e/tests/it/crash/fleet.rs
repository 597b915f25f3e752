//! Witnesses that serve one server.

use std::path::PathBuf;

use aob_store::testing::RedisServer;

use crate::process::{Process, witness_on};

pub(crate) struct Fleet {
    url: String,
    witness: PathBuf,
    log: PathBuf,
    processes: Vec<Process>,
}

impl Fleet {
    /// So many processes; their lines go to `witness` in the server's folder.
    pub(crate) fn start(server: &RedisServer, count: usize) -> Self {
        let (witness, log) = (server.dir().join("witness"), server.dir().join("witness.log"));
        let mut fleet = Self { url: server.url(), witness, log, processes: Vec::new() };
        fleet.processes = (0..count).map(|_| fleet.spawn()).collect();
        fleet
    }

    pub(crate) fn len(&self) -> usize {
        self.processes.len()
    }

    /// Kills one, and starts another in its place.
    pub(crate) fn replace(&mut self, at: usize) {
        self.processes[at].kill9();
        self.processes[at] = self.spawn();
    }

    /// Kills one for good.
    pub(crate) fn remove(&mut self, at: usize) {
        self.processes.remove(at).kill9();
    }

    /// One more.
    pub(crate) fn add(&mut self) {
        self.processes.push(self.spawn());
    }

    pub(crate) fn process(&self, at: usize) -> &Process {
        &self.processes[at]
    }

    /// The end of what they have said.
    pub(crate) fn said(&self) -> String {
        self.processes[0].said()
    }

    fn spawn(&self) -> Process {
        Process::spawn(&mut witness_on(&self.url, &self.witness), &self.log)
    }
}
