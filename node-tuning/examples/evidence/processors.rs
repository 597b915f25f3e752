//! Processors of a plane: sets of its own, and weights.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How the two planes are kept apart.
pub(crate) enum Split {
    None,
    Sets,
    Weights,
}

/// What is asked of the control plane while the runner plane keeps every processor it has busy, four threads each.
pub(crate) enum Asked {
    /// How late a thread runs after a millisecond's sleep, with a little work each time.
    WakeUps,
    /// How long work of some 2 ms takes, every 20 ms: that much is a patch of a graph of 1,000 nodes.
    Bursts,
}

/// The 99th percentile of wake-ups, the 90th of bursts, in microseconds: above
/// that a virtual machine's own pauses are counted.
pub(crate) fn beside_a_busy_runner(split: &Split, asked: &Asked) -> f64 {
    let (_control, _busy) = apart(split);
    let mut taken = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        match asked {
            Asked::WakeUps => {
                let before = Instant::now();
                std::thread::sleep(Duration::from_millis(1));
                taken.push(before.elapsed().saturating_sub(Duration::from_millis(1)).as_micros());
                work(50_000);
            }
            Asked::Bursts => {
                std::thread::sleep(Duration::from_millis(20));
                let before = Instant::now();
                work(2_000_000);
                taken.push(before.elapsed().as_micros());
            }
        }
    }
    taken.sort_unstable();
    let percent = if matches!(asked, Asked::Bursts) { 90 } else { 99 };
    taken.get(taken.len() * percent / 100).copied().unwrap() as f64
}

/// Pieces of work a second that the control plane does with as many threads as there are processors, all always busy.
pub(crate) fn share_of_a_busy_machine(split: &Split) -> f64 {
    let (_control, _busy) = apart(split);
    let start = Instant::now();
    let threads: Vec<_> = (0..processors())
        .map(|_| {
            std::thread::spawn(move || {
                let mut done = 0_u64;
                while start.elapsed() < Duration::from_secs(6) {
                    work(100_000);
                    done += 1;
                }
                done
            })
        })
        .collect();
    let done: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    (done / 6) as f64
}

fn processors() -> usize {
    fs::read_to_string("/sys/devices/system/cpu/online")
        .unwrap()
        .parse::<aob_node_tuning::ranges::Ranges>()
        .unwrap()
        .len()
}

fn work(steps: u64) {
    let mut sum = 0_u64;
    for number in 0..steps {
        sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(number));
    }
}

/// This process in the control plane's group, and a busy runner plane in its own, until they are dropped.
fn apart(split: &Split) -> (Inside, Vec<Busy>) {
    let last = processors() - 1;
    let all = format!("0-{last}");
    let (own, theirs) = match split {
        Split::Sets => ("0".to_owned(), format!("1-{last}")),
        _ => (all.clone(), all),
    };
    let weight = if matches!(split, Split::Weights) { 4_096 } else { 1_024 };
    let runner = Rc::new(Group::new("runner", &theirs, 1_024));
    let busy = (0..processors() * 4).map(|_| Group::busy(&runner)).collect();
    (Inside::of(Group::new("control", &own, weight)), busy)
}

/// That this process is in a group.
struct Inside(#[expect(dead_code, reason = "its end removes it")] Group);

impl Inside {
    fn of(group: Group) -> Self {
        group.enter(std::process::id());
        Self(group)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        Group::leave(std::process::id());
    }
}

/// A process that only counts.
struct Busy(Child, #[expect(dead_code, reason = "the last one removes it")] Rc<Group>);

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

    fn busy(group: &Rc<Self>) -> Busy {
        let child = Command::new("sh")
            // A minute of a processor at most: whoever ends this program by force leaves nothing behind.
            .args(["-c", "n=0; while [ $((n = n + 1)) -lt 40000000 ]; do :; done"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        group.enter(child.id());
        Busy(child, group.clone())
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
