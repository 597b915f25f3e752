//! Settings of the whole machine: set for the time of the measurement, put back whatever happens.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

/// A setting that is put back when this is dropped.
pub(crate) struct Held {
    file: &'static str,
    before: String,
}

impl Held {
    fn set(file: &'static str, value: &str) -> Self {
        let before = fs::read_to_string(file).unwrap();
        fs::write(file, value).unwrap();
        Self { file, before }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        fs::write(self.file, &self.before).unwrap();
    }
}

/// The machine in a few words.
pub(crate) fn words() -> String {
    let model = fs::read_to_string("/proc/cpuinfo").unwrap();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let kernel: String =
        kernel.chars().take_while(|sign| sign.is_ascii_digit() || *sign == '.').collect();
    let processors = std::thread::available_parallelism().unwrap();
    format!("{model}, {processors} processors, Linux {kernel}")
}

/// Inotify instances of this user until the kernel refuses one.
pub(crate) fn inotify(most: &str) -> f64 {
    let _held = Held::set("/proc/sys/fs/inotify/max_user_instances", most);
    let mut instances = Vec::new();
    while let Ok(instance) = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::empty()) {
        instances.push(instance);
    }
    instances.len() as f64
}

/// Sets the length of a processor's queue of packets. Only the first network namespace has it, so the process that
/// starts the measurement does this.
pub(crate) fn queue(most: &str) -> Held {
    Held::set("/proc/sys/net/core/netdev_max_backlog", most)
}

/// Packets that the kernel dropped because a processor's queue was full.
pub(crate) fn flood() -> f64 {
    let set = "ip link add left type veth peer name right && ip addr add 10.78.0.1/24 dev left && ip link set left up && ip link set right up \
               && ip neigh add 10.78.0.2 lladdr 02:00:00:00:00:02 dev left";
    assert!(Command::new("sh").args(["-c", set]).status().unwrap().success());
    let dropped = || {
        let table = fs::read_to_string("/proc/net/softnet_stat").unwrap();
        let second =
            |line: &str| u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
        table.lines().map(second).sum::<u64>()
    };
    let before = dropped();
    let senders: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(|| {
                let socket = UdpSocket::bind("10.78.0.1:0").unwrap();
                let start = Instant::now();
                while start.elapsed() < Duration::from_secs(3) {
                    // A full buffer of the socket is no drop of the kind that is counted.
                    drop(socket.send_to(&[0; 64], "10.78.0.2:9"));
                }
            })
        })
        .collect();
    for sender in senders {
        sender.join().unwrap();
    }
    (dropped() - before) as f64
}

/// Forks that Redis could make for a snapshot, of ten, with half of the free memory in use.
pub(crate) fn fork(mode: &str) -> f64 {
    let _held = Held::set("/proc/sys/vm/overcommit_memory", mode);
    let free = fs::read_to_string("/proc/meminfo").unwrap();
    let free = free.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    let free: u64 = free.trim().trim_end_matches(" kB").parse().unwrap();
    // Not more than 4 GiB: others work on this machine too.
    let bytes = (free * 1024 / 2).min(4 << 30);
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let mut server = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--daemonize", "no", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let ask = |arguments: &[&str]| {
        let output =
            Command::new("redis-cli").arg("-s").arg(&socket).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let start = Instant::now();
    while ask(&["PING"]) != "PONG" {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(20));
    }
    for number in 0..bytes >> 28 {
        ask(&["SETRANGE", &format!("k{number}"), &((1 << 28) - 1).to_string(), "x"]);
    }
    let mut started = 0;
    for _ in 0..10 {
        if ask(&["BGSAVE"]).contains("started") {
            started += 1;
        }
        // Only the fork is of interest.
        let child = Command::new("pkill").args(["-9", "-P", &server.id().to_string()]).status();
        drop(child);
        while ask(&["INFO", "persistence"]).contains("rdb_bgsave_in_progress:1") {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    server.kill().unwrap();
    server.wait().unwrap();
    f64::from(started)
}
