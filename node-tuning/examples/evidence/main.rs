//! Measures every setting of the profiles, with the kernel's default and with the profile's value.
//!
//! ```text
//! cargo run --release -p aob-node-tuning --example evidence            all, writes node-tuning/evidence.json
//! cargo run --release -p aob-node-tuning --example evidence -- ports   one, prints it
//! ```
//! Needs root. Settings of network namespaces are set in namespaces of their own. Two belong to the whole machine;
//! they are set for the time of their measurement and put back.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers"
)]

mod bounds;
mod connect;
mod group;
mod machine;
mod processors;
mod queue;

use std::collections::BTreeMap;
use std::process::Command;

use aob_node_tuning::render::Measured;
use processors::{Asked, Split};

/// One measurement: the name in the profiles, what it counts, its two forms as arguments of `one`, when it counts as
/// an effect.
struct Measurement {
    name: &'static str,
    what: &'static str,
    /// Settings of a fresh network namespace for each form.
    before: &'static [(&'static str, &'static str)],
    after: &'static [(&'static str, &'static str)],
    effect: fn(f64, f64) -> bool,
}

const RANGE: &str = "net.ipv4.ip_local_port_range";
const RESERVED: &str = "net.ipv4.ip_local_reserved_ports";
const REUSE: &str = "net.ipv4.tcp_tw_reuse";

/// More by a quarter: anything less is within what these counts vary by.
fn more(before: f64, after: f64) -> bool {
    after >= before * 1.25
}

fn fewer(before: f64, after: f64) -> bool {
    // Of nothing there is no less.
    before > 0.0 && after <= before * 0.75
}

const ALL: &[Measurement] = &[
    Measurement {
        name: "ports",
        what: "connections to one destination that are held until no local port is left",
        before: &[(RANGE, "32768 60999"), (REUSE, "0")],
        after: &[(RANGE, "20000 60999"), (RESERVED, "30000-32767"), (REUSE, "0")],
        effect: more,
    },
    Measurement {
        name: "reserved",
        what: "local ports among the NodePorts, with as many connections as the ports 29000 to 33767 allow",
        before: &[(RANGE, "29000 33767"), (REUSE, "0")],
        after: &[(RANGE, "29000 33767"), (RESERVED, "30000-32767"), (REUSE, "0")],
        effect: fewer,
    },
    Measurement {
        name: "fin",
        what: "seconds that a closed connection whose peer does not close is kept",
        before: &[("net.ipv4.tcp_fin_timeout", "60")],
        after: &[("net.ipv4.tcp_fin_timeout", "30")],
        effect: fewer,
    },
    Measurement {
        name: "reuse",
        what: "connections to one destination within 5 s, closed at once, on 500 local ports",
        before: &[(REUSE, "2"), (RANGE, "40000 40499")],
        after: &[(REUSE, "1"), (RANGE, "40000 40499")],
        effect: more,
    },
    Measurement {
        name: "accept",
        what: "of 10,000 followers that connect at once, those who are connected before anything is accepted; the listener asks for a backlog of 1024, as the gateway does",
        before: &[("net.core.somaxconn", "4096")],
        after: &[("net.core.somaxconn", "16384")],
        effect: more,
    },
    Measurement {
        name: "accept, backlog 16384",
        what: "the same with a listener that asks for 16384: what the setting could do for a program that does",
        before: &[("net.core.somaxconn", "4096")],
        after: &[("net.core.somaxconn", "16384")],
        effect: more,
    },
    Measurement {
        name: "syn",
        what: "of 10,000 followers that connect at once those who are connected; SYN cookies on, as by default, backlog and somaxconn 16384",
        before: &[("net.core.somaxconn", "16384"), ("net.ipv4.tcp_max_syn_backlog", "128")],
        after: &[("net.core.somaxconn", "16384"), ("net.ipv4.tcp_max_syn_backlog", "8192")],
        effect: more,
    },
    Measurement {
        name: "backlog",
        what: "packets dropped by /proc/net/softnet_stat while eight senders flood a veth pair for 3 s",
        before: &[],
        after: &[],
        effect: fewer,
    },
    Measurement {
        name: "inotify",
        what: "inotify instances until the kernel refuses one",
        before: &[],
        after: &[],
        effect: more,
    },
    Measurement {
        name: "fork",
        what: "snapshots (BGSAVE) of ten that a Redis with half of the free memory could start",
        before: &[],
        after: &[],
        effect: more,
    },
    Measurement {
        name: "nofile",
        what: "sockets that a service holds, with the default soft limit of 1024 and with the profile's (here at most 20000)",
        before: &[],
        after: &[],
        effect: more,
    },
    Measurement {
        name: "tasks",
        what: "threads that a process gets of 17,000 it asks for: no limit of its slice, and the 1,024 of the fan-out plane",
        before: &[],
        after: &[],
        effect: fewer,
    },
    Measurement {
        name: "nproc",
        what: "threads that a user gets of 17,000: no limit of its processes, and the services' 8,192",
        before: &[],
        after: &[],
        effect: fewer,
    },
    Measurement {
        name: "memory max",
        what: "MiB that a hog gets of 1,024 it asks for: no limit, and a slice of 512, where the kernel ends it",
        before: &[],
        after: &[],
        effect: fewer,
    },
    Measurement {
        name: "cpuset",
        what: "microseconds within which the control plane has done nine of ten pieces of work of some 2 ms (a patch of a graph of 1,000 nodes), while the runner plane keeps every processor it has busy with four threads each; all processors for both, and a processor of its own",
        before: &[],
        after: &[],
        effect: fewer,
    },
    Measurement {
        name: "cpuset, wake-ups",
        what: "microseconds within which 99 of 100 wake-ups of the control plane are, as above",
        before: &[],
        after: &[],
        effect: fewer,
    },
    Measurement {
        name: "weight",
        what: "pieces of work a second of a control plane with a busy thread for each processor, beside the busy runner plane: equal weights, and control 400 to runner 100",
        before: &[],
        after: &[],
        effect: more,
    },
    Measurement {
        name: "weight, bursts",
        what: "as cpuset: equal weights, and control 400 to runner 100",
        before: &[],
        after: &[],
        effect: fewer,
    },
    Measurement {
        name: "weight, wake-ups",
        what: "as cpuset, wake-ups: equal weights, and control 400 to runner 100",
        before: &[],
        after: &[],
        effect: fewer,
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => all(),
        ["inside", what] => bounds::inside(what),
        ["hold", address, of] => connect::hold(address, of),
        ["one", name, form] => println!("{}", one(name, form == "after")),
        [name] => {
            let measurement = ALL.iter().find(|one| one.name == name).unwrap();
            println!("{}", serde_json::to_string_pretty(&measure(measurement)).unwrap());
        }
        _ => eprintln!("usage: evidence [NAME]"),
    }
}

fn all() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/evidence.json");
    // What is measured in a guest stays: `cargo xtask machines --record`.
    let mut measured: BTreeMap<String, Measured> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for measurement in ALL {
        let result = measure(measurement);
        eprintln!("{}: {} -> {}", measurement.name, result.before, result.after);
        measured.insert(measurement.name.to_owned(), result);
    }
    std::fs::write(path, format!("{}\n", serde_json::to_string_pretty(&measured).unwrap()))
        .unwrap();
}

fn measure(measurement: &Measurement) -> Measured {
    let form = |form: &str| -> f64 {
        let settings = if form == "after" { measurement.after } else { measurement.before };
        let mut script = "set -e; ip link set lo up; ip addr add 10.77.0.1/32 dev lo\n".to_owned();
        for (key, value) in settings {
            script.push_str(&format!("echo '{value}' > /proc/sys/{}\n", key.replace('.', "/")));
        }
        script.push_str("exec \"$0\" one \"$1\" \"$2\"");
        let most = if form == "after" { "32768" } else { "1000" };
        let _queue = (measurement.name == "backlog").then(|| machine::queue(most));
        let output = Command::new("unshare")
            .args(["--net", "sh", "-c", &script])
            .arg(std::env::current_exe().unwrap())
            .args([measurement.name, form])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            measurement.name,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
    };
    let (before, after) = (form("before"), form("after"));
    Measured {
        what: measurement.what.to_owned(),
        before,
        after,
        effect: (measurement.effect)(before, after),
        machine: machine::words(),
    }
}

fn one(name: &str, after: bool) -> f64 {
    let sets = if after { Split::Sets } else { Split::None };
    let weights = if after { Split::Weights } else { Split::None };
    match name {
        "ports" => connect::until_refused("all"),
        "reserved" => connect::until_refused("node ports"),
        "fin" => connect::half_closed(),
        "reuse" => connect::within(std::time::Duration::from_secs(5)),
        "accept" => queue::connected(1_024),
        "accept, backlog 16384" | "syn" => queue::connected(16_384),
        "backlog" => machine::flood(),
        "inotify" => machine::inotify(if after { "8192" } else { "128" }),
        "fork" => machine::fork(if after { "1" } else { "0" }),
        "nofile" => bounds::sockets(if after { 20_000 } else { 1_024 }),
        "tasks" => bounds::tasks(if after { "1024" } else { "max" }),
        "nproc" => bounds::processes(after.then_some(8_192)),
        "memory max" => bounds::memory(after),
        "cpuset" => processors::beside_a_busy_runner(&sets, &Asked::Bursts),
        "cpuset, wake-ups" => processors::beside_a_busy_runner(&sets, &Asked::WakeUps),
        "weight" => processors::share_of_a_busy_machine(&weights),
        "weight, bursts" => processors::beside_a_busy_runner(&weights, &Asked::Bursts),
        "weight, wake-ups" => processors::beside_a_busy_runner(&weights, &Asked::WakeUps),
        _ => unreachable!("{name}"),
    }
}
