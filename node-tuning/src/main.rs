//! `aob-node`: shows, makes and undoes what AOB changes on a machine.

mod arguments;
mod words;

use std::process::ExitCode;

use aob_node_tuning::apply::{apply, revert};
use aob_node_tuning::cluster;
use aob_node_tuning::machine::Machine;
use aob_node_tuning::plan::Plan;
use aob_node_tuning::problem::{Problem, Result};
use aob_node_tuning::render;
use aob_node_tuning::root::Root;
use aob_node_tuning::status::Status;
use arguments::{Arguments, Aspect, Output, Verb};
use clap::{CommandFactory as _, Parser as _};
use words::{data, say};

/// Exit of `status` and `plan --check` on a machine that is not as wanted.
const NOT_AS_WANTED: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match perform(&arguments) {
        Ok(exit) => ExitCode::from(exit),
        Err(problem) => {
            say(&format!("error: {problem}\nrule: {}\nhelp: {}", problem.rule(), problem.remedy()));
            ExitCode::FAILURE
        }
    }
}

fn perform(arguments: &Arguments) -> Result<u8> {
    let aim = &arguments.aim;
    let root = Root::new(&aim.root);
    let plan = || {
        let profiles = aim.profiles()?;
        let machine = Machine::read(&root)?;
        Plan::make(&root, &machine, &profiles, &aim.aim())
    };
    match &arguments.verb {
        Verb::Plan { check, output } => {
            let plan = plan()?;
            data(&match output {
                Output::Text => words::plan(&root, &plan)?,
                Output::Json => words::json(&plan),
            });
            Ok(if *check && !plan.is_done() { NOT_AS_WANTED } else { 0 })
        }
        Verb::Apply { despite_owned } => {
            let mut steps = told();
            say(&words::plan(&root, &plan()?)?);
            let done = apply(&root, &aim.profiles()?, &aim.aim(), *despite_owned, &mut steps)?;
            words::left(&done);
            say(if done.steps.is_empty() {
                "nothing to do"
            } else {
                "applied; services take over limits and NUMA policy when they start again"
            });
            Ok(0)
        }
        Verb::Status { output } => {
            let status = Status::read(&root, &aim.profiles()?, &aim.aim())?;
            data(&match output {
                Output::Text => words::status(&status),
                Output::Json => words::json(&status),
            });
            Ok(if status.tuned() { 0 } else { NOT_AS_WANTED })
        }
        Verb::Revert => {
            let done = revert(&root, &mut told())?;
            words::left(&done);
            say(if done.steps.is_empty() { "nothing to put back" } else { "put back" });
            Ok(0)
        }
        Verb::Render { what } => {
            data(&rendered(*what, arguments, &root)?);
            Ok(0)
        }
        Verb::Agent(agent) => {
            serve(cluster::agent(root, aim.profiles()?, aim.aim(), agent.options()))
        }
        Verb::Release { timeout, map, namespace } => serve(cluster::release(
            namespace.clone(),
            map.clone(),
            std::time::Duration::from_secs(*timeout),
        )),
        Verb::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "aob-node", &mut script);
            data(&String::from_utf8_lossy(&script));
            Ok(0)
        }
    }
}

fn rendered(what: Aspect, arguments: &Arguments, root: &Root) -> Result<String> {
    let profiles = arguments.aim.profiles()?;
    let machine = || Machine::read(root);
    Ok(match what {
        Aspect::Sysctl => {
            let plan = Plan::make(root, &machine()?, &profiles, &arguments.aim.aim())?;
            render::sysctl_d(&plan.sysctls)
        }
        Aspect::Units => words::files(&render::package(&profiles)),
        Aspect::DropIns => {
            let plan = Plan::make(root, &machine()?, &profiles, &arguments.aim.aim())?;
            words::files(
                &plan.files.into_iter().map(|file| (file.name, file.text)).collect::<Vec<_>>(),
            )
        }
        Aspect::Pod => render::pod_sysctls(&profiles),
        Aspect::Kubelet => {
            let division = aob_node_tuning::division::divide(&machine()?, &profiles);
            render::kubelet(&profiles, Some(&division))
        }
    })
}

/// Each step to stderr before it is done.
fn told() -> impl FnMut(&str) -> Result<()> {
    |step| {
        say(&format!("  {step}"));
        Ok(())
    }
}

fn serve(work: impl Future<Output = Result<()>>) -> Result<u8> {
    aob_telemetry::log(aob_telemetry::Format::Auto, "info");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::Program {
        program: "tokio".to_owned(),
        what: error.to_string(),
    })?;
    runtime.block_on(work).map(|()| 0)
}
