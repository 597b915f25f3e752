//! Live streams of a gateway with the whole fan-out profile and without it, beside a busy runner plane, in one run.
//!
//! Each form is this test again in a network namespace of its own: settings of the kernel are set there by `aob-node`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aob_runner::service::Service;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::{Barrier, Semaphore, watch};
use tokio::task::JoinSet;

use crate::followers::{follow, gated, go_on, read};
use crate::gateway::Gateway;
use crate::local::{PATIENCE, ended, one_at_a_time, redis, runs, server, start};
use crate::process::node;
use crate::turn::Turn;

/// Says to this test which form it is to measure.
const FORM: &str = "AOB_FANOUT";
/// What systemd gives a service that asks for nothing (systemd.exec(5), `LimitNOFILE`; systemd.resource-control(5),
/// `CPUWeight`).
const USUAL: Profile = Profile { nofile: 1_024, weight: 100 };
/// Followers that want to be served, and those whose events are counted, which the usual limit lets in too.
const MANY: usize = 4_000;
const SOME: usize = 500;
/// Whoever has seen nothing when for so long nobody else has either is not served.
const QUIET: Duration = Duration::from_secs(2);
const NODES: usize = 500;

/// What of a profile is given to a process.
struct Profile {
    nofile: u64,
    weight: u64,
}

impl Profile {
    /// The fan-out plane's, as far as this machine lets anybody go.
    fn fanout() -> Self {
        let text = include_str!("../../../node-tuning/profiles/fanout.toml");
        let number = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
            line.unwrap().parse().unwrap()
        };
        let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        Self { nofile: most.unwrap_or(u64::MAX).min(number("nofile")), weight: number("weight") }
    }
}

/// What a form gave.
#[derive(Debug, Default)]
struct Measured {
    /// Followers of `MANY` that see events.
    served: usize,
    /// Events a second that `SOME` followers get together.
    rate: f64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_with_the_profile_of_its_plane_serves_more() {
    match std::env::var(FORM).as_deref() {
        Ok("with") => return measure(&Profile::fanout()).await,
        Ok(_) => return measure(&USUAL).await,
        Err(_) => {}
    }
    let _turn = Turn::take("fan-out by profile").await;
    let (without, with) = (again("without"), again("with"));
    println!(
        "of {MANY} followers {} are served without the fan-out profile, {} with it: {:.1} times; {SOME} get {:.0} and {:.0} \
         events a second beside a busy runner plane: {:.2} times",
        without.served,
        with.served,
        with.served as f64 / without.served as f64,
        without.rate,
        with.rate,
        with.rate / without.rate,
    );
    assert!(without.served < usize::try_from(USUAL.nofile).unwrap(), "{without:?}");
    assert_eq!(with.served, MANY);
}

/// This test in a namespace of its own, tuned or not.
fn again(form: &str) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    for name in ["proc", "sys"] {
        std::os::unix::fs::symlink(format!("/{name}"), folder.path().join(name)).unwrap();
    }
    std::fs::create_dir_all(folder.path().join("etc/sysctl.d")).unwrap();
    // The plane has no setting of the whole machine: everything is set in the namespace.
    let script = r#"set -e; ip link set lo up
        [ "$0" = without ] || "$1" --root "$2" apply --planes fanout >&2
        cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/net/ipv4/tcp_fin_timeout >&2
        exec "$3" --exact --nocapture fanout::a_gateway_with_the_profile_of_its_plane_serves_more"#;
    let output = Command::new("unshare")
        .args(["--net", "sh", "-c", script, form])
        .args([node().get_program(), folder.path().as_os_str()])
        .arg(std::env::current_exe().unwrap())
        .env(FORM, form)
        .output()
        .unwrap();
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let [out, err] = &said;
    assert!(output.status.success(), "{form}: {out}{err}");
    let tuned = err.contains("20000\t60999\n30\n");
    assert_eq!(tuned, form == "with", "{err}");
    let number = |name: &str| -> f64 {
        let mut words = out.split_whitespace().skip_while(|word| *word != name);
        words.nth(1).unwrap_or_else(|| panic!("{name}: {out}")).parse().unwrap()
    };
    Measured { served: number("AOB-SERVED") as usize, rate: number("AOB-RATE") }
}

/// Measures in this namespace.
async fn measure(profile: &Profile) {
    let server = server();
    let runs = runs(redis(&server, 4).await);
    let digest = gated(&runs, NODES).await;
    let service = Service::spawn(&one_at_a_time(&runs));
    let begin = || {
        let gateway = Arc::new(Gateway::start(&server.url(), None, &["--rate", "1000000"]));
        gateway.limit(profile.nofile);
        gateway
    };
    let run = start(&runs, &digest, json!({})).await;
    let served = served_by(&begin(), &run, MANY).await;

    // A run that has ended waits for nobody: what is counted is the gateway's work.
    go_on(&runs, &run).await;
    ended(&runs, &run).await;
    let gateway = begin();
    let plane = Group::new("fanout", profile.weight);
    plane.enter(gateway.id());
    let busy = Busy::new();
    let begun = Instant::now();
    let (mut readers, ready) = (JoinSet::new(), Arc::new(Barrier::new(SOME)));
    for _ in 0..SOME {
        readers.spawn(read(follow(&gateway, &run, None).await, ready.clone()));
    }
    let mut events = 0;
    while let Some(seen) = tokio::time::timeout(PATIENCE * 4, readers.join_next()).await.unwrap() {
        events += seen.unwrap().len();
    }
    let rate = events as f64 / begun.elapsed().as_secs_f64();
    println!("AOB-SERVED {served} AOB-RATE {rate}");
    drop(gateway);
    drop(busy);
    drop(plane);
    service.stop().await;
}

/// Counts, for a minute of a processor at most: whoever ends this test by force leaves nothing that works for ever.
const COUNT: &str = "n=0; while [ $((n = n + 1)) -lt 40000000 ]; do :; done";

/// The runner plane at its usual weight: four processes that count for each processor.
struct Busy {
    processes: Vec<Child>,
    _group: Group,
}

impl Busy {
    fn new() -> Self {
        let group = Group::new("runner", 100);
        let count = std::thread::available_parallelism().unwrap().get() * 4;
        let process = |_| {
            let mut command = Command::new("sh");
            command.args(["-c", COUNT]).stdin(Stdio::null());
            let child = command.spawn().unwrap();
            group.enter(child.id());
            child
        };
        Self { processes: (0..count).map(process).collect(), _group: group }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A control group with a slice's weight; in version 1, 1,024 shares are a weight of 100.
struct Group(PathBuf);

impl Group {
    fn new(name: &str, weight: u64) -> Self {
        let all = Path::new("/sys/fs/cgroup");
        let (all, file, value) = if all.join("cgroup.controllers").exists() {
            (all.to_owned(), "cpu.weight", weight)
        } else {
            (all.join("cpu"), "cpu.shares", weight * 1_024 / 100)
        };
        let folder = all.join(format!("aob-{name}-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(file), value.to_string()).unwrap();
        Self(folder)
    }

    fn enter(&self, process: u32) {
        std::fs::write(self.0.join("cgroup.procs"), process.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that has just ended may still be leaving.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// How many of so many followers have seen an event, when for a while nobody has seen a first one.
async fn served_by(gateway: &Arc<Gateway>, run: &str, count: usize) -> usize {
    let (served, mut seen) = watch::channel(0);
    // Fewer come at once than the queue of those not yet accepted holds: the kernel has the others wait for seconds.
    let room = Arc::new(Semaphore::new(500));
    let mut followers = JoinSet::new();
    for _ in 0..count {
        let (gateway, run, served) = (gateway.clone(), run.to_owned(), served.clone());
        let room = room.clone();
        followers.spawn(async move {
            let mut place = room.acquire_owned().await.ok();
            let mut lines = BufReader::new(follow(&gateway, &run, None).await).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if line.starts_with("id: ") {
                    served.send_modify(|served| *served += 1);
                    drop(place.take());
                    // As long as it can be followed, it is.
                    std::future::pending::<()>().await;
                }
            }
        });
    }
    let all = async {
        while *seen.borrow_and_update() < count {
            let quiet = if *seen.borrow() == 0 { PATIENCE } else { QUIET };
            if tokio::time::timeout(quiet, seen.changed()).await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE * 4, all).await.unwrap();
    *served.borrow()
}
