//! Processors of a plane: sets of its own, and weights.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::group::{Group, Inside};

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
fn apart(split: &Split) -> (Inside, Busy) {
    let last = processors() - 1;
    let all = format!("0-{last}");
    let (own, theirs) = match split {
        Split::Sets => ("0", format!("1-{last}")),
        _ => (&*all, all.clone()),
    };
    let shares = if matches!(split, Split::Weights) { "4096" } else { "1024" };
    let group = |name, cpus, shares| {
        let files = [("cpuset.cpus", cpus), ("cpuset.mems", "0"), ("cpu.shares", shares)];
        Group::new(name, &files)
    };
    let busy = Busy::new(group("runner", &theirs, "1024"));
    (group("control", own, shares).enter(), busy)
}

/// Four processes for each processor that only count.
struct Busy {
    processes: Vec<Child>,
    /// Removed once they have ended.
    _group: Group,
}

impl Busy {
    fn new(group: Group) -> Self {
        // A minute of a processor at most: whoever ends this program by force leaves nothing behind.
        let count = "n=0; while [ $((n = n + 1)) -lt 40000000 ]; do :; done";
        let process = |_| group.command("sh").args(["-c", count]).spawn().unwrap();
        Self { processes: (0..processors() * 4).map(process).collect(), _group: group }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for process in &mut self.processes {
            drop(process.kill());
            drop(process.wait());
        }
    }
}
