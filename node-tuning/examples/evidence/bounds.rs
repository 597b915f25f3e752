//! What a process gets that wants everything: sockets, threads, memory.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Threads that a process asks for, a little more than the largest limit of a profile.
const THREADS: usize = 17_000;
/// Nobody's number on a Debian: limits of processes are a user's, and root has none.
const NOBODY: u32 = 65_534;
/// What a hog asks for, and what its plane may have, in MiB.
const HOG: u64 = 1_024;
const PLANE: u64 = 512;

/// Sockets until the process may hold no more.
pub(crate) fn sockets(limit: u64) -> f64 {
    set(Resource::Nofile, limit);
    let mut held = Vec::new();
    while let Ok(socket) = std::net::UdpSocket::bind("127.0.0.1:0") {
        held.push(socket);
    }
    held.len() as f64
}

fn set(resource: Resource, limit: u64) {
    let hard = getrlimit(resource).maximum;
    let limit = hard.map_or(limit, |hard| limit.min(hard));
    setrlimit(resource, Rlimit { current: Some(limit), maximum: hard }).unwrap();
}

/// Threads that a process of a plane gets, with a limit of its slice's tasks or none.
pub(crate) fn tasks(limit: Option<u64>) -> f64 {
    let group = Group::new("pids");
    if let Some(limit) = limit {
        group.write("pids.max", &limit.to_string());
    }
    let output = group.run("threads");
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// Threads that a user gets, with a limit of its processes or none.
pub(crate) fn processes(limit: Option<u64>) -> f64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["inside", "threads"]).uid(NOBODY);
    if let Some(limit) = limit {
        command.env("AOB_NPROC", limit.to_string());
    }
    let output = command.output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// MiB that a hog gets before the kernel ends it, or all that it asked for.
pub(crate) fn memory(limited: bool) -> f64 {
    let group = Group::new("memory");
    if limited {
        group.write("memory.limit_in_bytes", &(PLANE << 20).to_string());
        // Without it the rest goes to swap, where there is some.
        let both = "memory.memsw.limit_in_bytes";
        if group.0.join(both).exists() {
            group.write(both, &(PLANE << 20).to_string());
        }
    }
    let output = group.run(&HOG.to_string());
    let killed = output.status.signal() == Some(9);
    assert_eq!(killed, limited, "{output:?}");
    // It says each MiB that it has written to.
    output.stdout.len() as f64
}

/// The inside of a measurement, the process that wants everything: `threads`, or a number of MiB.
pub(crate) fn inside(what: &str) {
    match what {
        "threads" => {
            if let Ok(limit) = std::env::var("AOB_NPROC") {
                set(Resource::Nproc, limit.parse().unwrap());
            }
            let count = (0..THREADS)
                .map(|_| {
                    let thread = std::thread::Builder::new().stack_size(16 << 10);
                    thread.spawn(std::thread::park)
                })
                .take_while(Result::is_ok)
                .count();
            println!("{count}");
        }
        mebibytes => {
            use std::io::Write as _;
            let mut held = Vec::new();
            for _ in 0..mebibytes.parse::<u64>().unwrap() {
                held.push(vec![1_u8; 1 << 20]);
                std::io::stdout().write_all(b".").unwrap();
                std::io::stdout().flush().unwrap();
            }
        }
    }
}

/// A control group of one controller of version 1.
struct Group(PathBuf);

impl Group {
    fn new(controller: &str) -> Self {
        let folder = format!("/sys/fs/cgroup/{controller}/aob-evidence-{}", std::process::id());
        fs::create_dir(&folder).unwrap();
        Self(folder.into())
    }

    fn write(&self, file: &str, value: &str) {
        fs::write(self.0.join(file), value).unwrap();
    }

    /// Runs the inside of a measurement in it.
    fn run(&self, what: &str) -> std::process::Output {
        let script = "echo $$ > \"$0/cgroup.procs\"; exec \"$@\"";
        Command::new("sh")
            .args(["-c", script])
            .arg(&self.0)
            .arg(std::env::current_exe().unwrap())
            .args(["inside", what])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that has just ended may still be leaving.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}
