//! `cargo xtask cluster`: a real Kubernetes of one node on this machine, for people and for tests.
//!
//! The programs are built once of the Go modules that `e2e/cluster` pins; containerd, runc and the network plugins are
//! Debian's. Everything lives in namespaces of its own below one process: when that ends, so does the cluster.

mod certificates;
mod control;
mod inside;
mod install;
mod node;
mod place;
mod programs;
mod trial;
mod wait;

use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use clap::{Args, Subcommand};

use crate::Outcome;
use crate::shell::say;
use inside::Inside;
use place::Place;
pub(crate) use programs::{dex, helm, kubernetes, pause};
pub(crate) use trial::run_tests;

/// Where its node has images from: the registry in their names, which nobody serves.
pub(crate) const REGISTRY: &str = "aob.local";

#[derive(Args)]
pub(crate) struct Flags {
    /// Where it keeps its state; one folder is one cluster
    #[arg(long, env = "AOB_CLUSTER", default_value = "/var/lib/aob-cluster", global = true)]
    folder: PathBuf,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build what is missing, begin the cluster, install AOB with helm
    Up(Up),
    /// End it; nothing is left of it
    Down,
    /// What of it runs
    Status,
    /// Run a command inside: it sees the cluster's network, its addresses of services and pods
    Run {
        /// The command and its arguments
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
    /// Build the programs only, and print the folder they are in
    Programs,
    /// Begin a cluster, run the tests that need one, end it
    Test,
    /// Load the images again and install what has changed
    Refresh(Chart),
}

#[derive(Args)]
struct Up {
    /// Give pods that ask for whole cores cores of their own: the kubelet's static policy
    #[arg(long)]
    pinning: bool,
    /// Only Kubernetes, without AOB
    #[arg(long)]
    bare: bool,
    #[command(flatten)]
    chart: Chart,
}

#[derive(Args)]
struct Chart {
    /// Values of the chart, after those of the images
    #[arg(long, value_name = "FILE", default_value = "charts/aob/ci/small-values.yaml")]
    values: Vec<PathBuf>,
    /// Images of the release profile: small and fast, but they take long to build
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(flags: &Flags) -> Outcome {
    let place = Place::at(&flags.folder)?;
    match &flags.task {
        Task::Up(up) => begin(&place, up),
        Task::Down => inside::end(&place),
        Task::Status => status(&place),
        Task::Run { command } => enter(&place, command),
        Task::Programs => {
            let folder = kubernetes()?;
            programs::coredns()?;
            programs::dex()?;
            helm()?;
            print(&folder.display().to_string());
            Ok(())
        }
        Task::Test => run_tests(),
        Task::Refresh(chart) => install::aob(&Inside::of(&place)?, &chart.values, chart.release),
    }
}

fn begin(place: &Place, up: &Up) -> Outcome {
    node::packages()?;
    let (programs, dns) = (kubernetes()?, programs::coredns()?);
    let clock = wait::Clock::start();
    let inside = match Inside::of(place) {
        Ok(inside) => inside,
        Err(_) => {
            let begun = boot(place, up, &programs, &dns, &clock);
            // Half a cluster is of no use to anybody.
            if let Err(error) = begun {
                say(&format!("what was said is kept below {}/log", place.folder.display()));
                inside::stop(place)?;
                return Err(error);
            }
            Inside::of(place)?
        }
    };
    if !up.bare {
        install::aob(&inside, &up.chart.values, up.chart.release)?;
        clock.tell("AOB is installed");
    }
    print(&format!(
        "export KUBECONFIG={}\nexport PATH={}:$PATH",
        place.kubeconfig().display(),
        programs.display()
    ));
    Ok(())
}

fn boot(
    place: &Place,
    up: &Up,
    programs: &std::path::Path,
    dns: &std::path::Path,
    clock: &wait::Clock,
) -> Outcome {
    place.make()?;
    certificates::write(place)?;
    let inside = inside::begin(place)?;
    clock.tell("namespaces");
    control::begin(&inside, programs)?;
    clock.tell("the API server is ready");
    control::rest(&inside, programs, dns)?;
    node::begin(&inside, programs, up.pinning)?;
    clock.tell("the node is ready");
    Ok(())
}

fn status(place: &Place) -> Outcome {
    let inside = Inside::of(place)?;
    for (name, alive) in inside.daemons()? {
        print(&format!("{name:<24}{}", if alive { "runs" } else { "has ended" }));
    }
    let programs = kubernetes()?;
    let kubectl = programs.join("kubectl");
    let kubeconfig = place.kubeconfig();
    let show = |what: &[&str]| -> Outcome {
        let done = Command::new(&kubectl)
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .arg("--request-timeout=10s")
            .args(what)
            .status()?;
        ended(done)
    };
    show(&["get", "nodes", "-o", "wide"])?;
    show(&["get", "pods", "-A"])
}

fn enter(place: &Place, command: &[String]) -> Outcome {
    let inside = Inside::of(place)?;
    let [program, arguments @ ..] = command else { return Ok(()) };
    ended(inside.command(program).args(arguments).status()?)
}

fn ended(status: ExitStatus) -> Outcome {
    if status.success() { Ok(()) } else { Err(format!("it ended with {status}").into()) }
}

/// Writes a line to stdout, for other programs to read.
#[expect(clippy::print_stdout, reason = "a task answers on the terminal")]
fn print(line: &str) {
    println!("{line}");
}
