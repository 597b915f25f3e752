//! `aob`: workflows from the command line.
//!
//! [`arguments`] says what can be asked, one file of [`verb`] does it. A verb asks a store through
//! [`operations`], wherever [`owner`] found it; [`drive`] follows a run; [`show`] prints.

mod arguments;
mod context;
mod drive;
mod exit;
mod files;
mod groups;
mod input;
mod operations;
mod owner;
mod patch_file;
mod problem;
mod show;
mod verb;

use std::process::ExitCode;

use aob_engine::catalogue;
use clap::Parser as _;
use clap::error::ErrorKind;

use arguments::Arguments;
use problem::Problem;
use show::terminal::Terminal;

fn main() -> ExitCode {
    let terminal = Terminal::detect();
    let arguments =
        match Arguments::try_parse_from(owner::cluster::plugin(std::env::args_os().collect())) {
            Ok(arguments) => arguments,
            Err(error) => return misunderstood(terminal, &error),
        };
    match verb::perform(arguments.verb, terminal) {
        Ok(exit) => exit.into(),
        Err(problem) => terminal.stop(&problem).into(),
    }
}

/// What clap has to say: help and version are data, everything else is an error as all others are.
fn misunderstood(terminal: Terminal, error: &clap::Error) -> ExitCode {
    let styled = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = if terminal.data { styled.ansi().to_string() } else { styled.to_string() };
            terminal.data(&text);
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            terminal.write(&if terminal.colour {
                styled.ansi().to_string()
            } else {
                styled.to_string()
            });
            exit::Exit::Usage.into()
        }
        _ => {
            let text = styled.to_string();
            let mut lines = text.lines().filter(|line| {
                !line.trim().is_empty() && !line.starts_with("For more information")
            });
            let first = lines.next().unwrap_or_default().trim_start_matches("error: ");
            let problem = Problem::new(&catalogue::USAGE, "the command line", first);
            let problem = lines.fold(problem, |problem, line| problem.detail(line.trim_end()));
            terminal.stop(&problem).into()
        }
    }
}
