//! Limits of a process and processors of a plane.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sockets until the process may hold no more.
pub(crate) fn sockets(limit: u64) -> f64 {
    let hard = getrlimit(Resource::Nofile).maximum;
    let limit = hard.map_or(limit, |hard| limit.min(hard));
    setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum: hard }).unwrap();
    let mut held = Vec::new();
    while let Ok(socket) = std::net::UdpSocket::bind("127.0.0.1:0") {
        held.push(socket);
    }
    held.len() as f64
}

/// How the two planes are kept apart.
pub(crate) enum Split {
    None,
    Sets,
    Weights,
}

/// The 99th percentile of how late a thread of the control plane runs after a millisecond's sleep, in microseconds.
pub(crate) fn wakeups(split: Split) -> f64 {
    let processors = std::thread::available_parallelism().unwrap().get();
    let last = processors - 1;
    // The runner's part is everything but processor 0, or everything.
    let runner = match split {
        Split::Sets => format!("1-{last}"),
        _ => format!("0-{last}"),
    };
    let control = match split {
        Split::Sets => "0".to_owned(),
        _ => format!("0-{last}"),
    };
    let weight = if matches!(split, Split::Weights) { 4_096 } else { 1_024 };
    let (own, theirs) =
        (Group::new("control", &control, weight), Group::new("runner", &runner, 1_024));
    let busy: Vec<Busy> = (0..processors * 4).map(|_| theirs.busy()).collect();
    own.enter(std::process::id());
    let mut late = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(6) {
        let before = Instant::now();
        std::thread::sleep(Duration::from_millis(1));
        late.push(before.elapsed().saturating_sub(Duration::from_millis(1)).as_micros());
        // Some work, as a hop has.
        let mut sum = 0_u64;
        for number in 0..50_000_u64 {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(number));
        }
    }
    drop(busy);
    Group::leave(std::process::id());
    late.sort_unstable();
    late.get(late.len() * 99 / 100).copied().unwrap() as f64
}

/// A process that only counts.
struct Busy(Child);

impl Drop for Busy {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A control group in `cpuset` and `cpu` (version 1 here; version 2 in the boot test).
struct Group(Vec<PathBuf>);

impl Group {
    fn new(name: &str, cpus: &str, shares: u32) -> Self {
        let name = format!("aob-evidence-{}-{name}", std::process::id());
        let folder =
            |controller: &str| PathBuf::from(format!("/sys/fs/cgroup/{controller}/{name}"));
        let (set, cpu) = (folder("cpuset"), folder("cpu"));
        fs::create_dir(&set).unwrap();
        fs::write(set.join("cpuset.cpus"), cpus).unwrap();
        fs::write(set.join("cpuset.mems"), "0").unwrap();
        fs::create_dir(&cpu).unwrap();
        fs::write(cpu.join("cpu.shares"), shares.to_string()).unwrap();
        Self(vec![set, cpu])
    }

    fn enter(&self, process: u32) {
        for folder in &self.0 {
            fs::write(folder.join("cgroup.procs"), process.to_string()).unwrap();
        }
    }

    fn leave(process: u32) {
        for controller in ["cpuset", "cpu"] {
            fs::write(format!("/sys/fs/cgroup/{controller}/cgroup.procs"), process.to_string())
                .unwrap();
        }
    }

    fn busy(&self) -> Busy {
        let child = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.enter(child.id());
        Busy(child)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in &self.0 {
            // A process that has just been killed may still be leaving.
            for _ in 0..100 {
                if fs::remove_dir(folder).is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
