//! What a process gets that wants everything: sockets, threads, memory.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Output};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::group::Group;

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

/// Threads that a process of a plane gets, with a limit of its slice's tasks or `max`.
pub(crate) fn tasks(limit: &str) -> f64 {
    let group = Group::new("plane", &[("pids.max", limit)]);
    let output = inside_of(&group, "threads");
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
    let limit = if limited { (PLANE << 20).to_string() } else { "-1".to_owned() };
    // Nothing of it goes to swap, where there is some.
    let files = [("memory.limit_in_bytes", &*limit), ("memory.swappiness", "0")];
    let output = inside_of(&Group::new("plane", &files), &HOG.to_string());
    let killed = output.status.signal() == Some(9);
    assert_eq!(killed, limited, "{output:?}");
    // It says each MiB that it has written to.
    output.stdout.len() as f64
}

fn inside_of(group: &Group, what: &str) -> Output {
    group.command(std::env::current_exe().unwrap()).args(["inside", what]).output().unwrap()
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
