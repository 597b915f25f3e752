//! Starts the rivals' servers and measures cells.

use std::io::BufRead as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, Parser};
use rival::cell::{Cell, Shape, System};
use rival::dbos::Application;
use rival::fleet::{Fleet, Options};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

#[derive(Parser)]
#[command(version, about)]
enum Command {
    /// Keep the servers up and answer each line of standard input, `SYSTEM SHAPE CLIENTS
    /// SECONDS` as in `restate chain:10 64 6`, by one line of JSON, until it ends.
    Serve {
        #[command(flatten)]
        site: SiteArguments,
    },
    /// Measure all cells of a table, systems in turn, one line of JSON each.
    Run {
        #[command(flatten)]
        site: SiteArguments,
        /// Shapes, `chain:N` or `fan:W`.
        #[arg(
            long,
            value_delimiter = ',',
            default_value = "chain:1,chain:3,chain:10,chain:40,fan:100"
        )]
        cells: Vec<Shape>,
        /// Numbers of concurrent clients.
        #[arg(long, value_delimiter = ',', default_value = "1,16,64,200")]
        clients: Vec<u32>,
        /// The window of each cell.
        #[arg(long, default_value_t = 6.0)]
        seconds: f64,
    },
}

#[derive(Args)]
struct SiteArguments {
    /// Parent of the servers' data, which is removed at the end; on the disk to be measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Where fetched packages stay.
    #[arg(long)]
    cache: PathBuf,
    /// One system: restate or dbos.
    #[arg(long)]
    only: Option<System>,
    /// Restate's partitions; its own default is 24, which is slower on two cores.
    #[arg(long, default_value_t = 2)]
    partitions: u16,
    /// Connections in DBOS's pool.
    #[arg(long, default_value_t = Application::CONNECTIONS)]
    connections: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let command = Command::parse();
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let (Command::Serve { site } | Command::Run { site, .. }) = &command;
    let options = Options {
        folder: site.dir.clone(),
        cache: std::path::absolute(&site.cache)?,
        only: site.only,
        partitions: site.partitions,
        connections: site.connections,
    };
    let mut fleet = tokio::select! {
        fleet = Fleet::start(&options) => fleet?,
        _ = terminated.recv() => return Ok(()),
        _ = interrupted.recv() => return Ok(()),
    };
    println!("{}", json!({ "setup": fleet.description() }));
    let done = tokio::select! {
        done = answer(&mut fleet, &command) => done,
        _ = terminated.recv() => Ok(()),
        _ = interrupted.recv() => Ok(()),
    };
    let stopped = fleet.stop().await;
    done.and(stopped)
}

async fn answer(fleet: &mut Fleet, command: &Command) -> Result<()> {
    match command {
        Command::Serve { .. } => {
            let mut lines = lines_of_stdin();
            while let Some(line) = lines.recv().await {
                if !line.trim().is_empty() {
                    let cell = line.parse();
                    measure(fleet, cell).await?;
                }
            }
        }
        Command::Run { site, cells, clients, seconds } => {
            let systems = [System::Restate, System::Dbos];
            let systems =
                systems.into_iter().filter(|system| site.only.is_none_or(|o| o == *system));
            let systems: Vec<_> = systems.collect();
            for shape in cells {
                for count in clients {
                    for system in &systems {
                        measure(fleet, Cell::new(*system, *shape, *count, *seconds)).await?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Prints the report of a cell, or `{"error": ...}` where there is none to give.
async fn measure(fleet: &mut Fleet, cell: Result<Cell>) -> Result<()> {
    let report = match cell {
        Ok(cell) => fleet.measure(cell).await,
        Err(error) => Err(error),
    };
    let line = match report {
        Ok(report) => serde_json::to_string(&report)?,
        Err(error) => json!({ "error": format!("{error:#}") }).to_string(),
    };
    let mut stdout = std::io::stdout().lock();
    std::io::Write::write_all(&mut stdout, format!("{line}\n").as_bytes()).context("answer")
}

/// The lines of standard input. Read on a thread of its own: the runtime would not end
/// before a read of its own does.
fn lines_of_stdin() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
