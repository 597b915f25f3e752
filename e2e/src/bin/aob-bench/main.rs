//! `cargo xtask bench`: AOB on its stores, the ceiling of its Redis, and the rivals under the same load, in the same
//! minutes. Writes `docs/benchmarks.md` and `docs/benchmarks.json`.

mod ceiling;
mod cell;
mod fleet;
mod graph;
mod load;
mod machine;
mod page;
mod product;
mod redis;
mod rivals;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use cell::{Shape, System};
use fleet::{Fleet, Wanted};
use page::{Cell, Results, Row};
use product::Settings;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures durable hops per second.
#[derive(Debug, Parser)]
#[command(name = "aob-bench")]
struct Args {
    /// Seconds of each window
    #[arg(long, default_value = "5")]
    seconds: f64,
    /// Clients at once, by comma
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,200")]
    clients: Vec<u32>,
    /// Shapes, by comma: chain:N, fan:N
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "chain:1,chain:3,chain:10,chain:40,fan:100"
    )]
    cells: Vec<Shape>,
    /// Systems, by comma; without it all
    #[arg(long, value_delimiter = ',')]
    systems: Vec<System>,
    /// Where the rivals' packages stay
    #[arg(long, default_value = "/var/cache/aob")]
    cache: PathBuf,
    /// Parent of all data, on the disk to be measured; removed at the end
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// The rivals' program; without it, where cargo puts it
    #[arg(long)]
    rivals: Option<PathBuf>,
    /// Where the page and its data are written
    #[arg(long, default_value_os_t = workspace().join("docs"))]
    output: PathBuf,
    /// Shards of a Redis server; without it, as the store sets one up
    #[arg(long)]
    shards: Option<u32>,
    /// Lanes of each shard
    #[arg(long, default_value = "1")]
    lanes: usize,
    /// Tasks at once in each lane
    #[arg(long, default_value = "64")]
    slots: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(bench(&args)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("aob-bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn bench(args: &Args) -> Result<()> {
    let systems = if args.systems.is_empty() { System::ALL.to_vec() } else { args.systems.clone() };
    std::fs::create_dir_all(&args.dir)?;
    let program = args.rivals.clone().or_else(|| rivals::program(workspace()));
    let machine = machine::description(&args.dir)?;
    say("starting the systems");
    let wanted = Wanted {
        systems: &systems,
        dir: &args.dir,
        cache: &args.cache,
        rivals: program.as_deref(),
        settings: Settings { lanes: args.lanes, slots: args.slots },
        shards: args.shards,
    };
    let mut fleet = Fleet::start(&wanted).await?;
    let description = fleet.description().await?;
    let measured = tokio::select! {
        cells = cells(&mut fleet, args, &systems) => cells,
        stopped = tokio::signal::ctrl_c() => Err(stopped.map_or_else(Into::into, |()| "interrupted".into())),
    };
    let stopped = fleet.stop().await;
    let results = Results {
        when: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        aob: format!("{} ({})", env!("CARGO_PKG_VERSION"), machine::commit(workspace())),
        command: format!("cargo xtask bench --seconds {}", args.seconds),
        machine,
        systems: description,
        cells: measured?,
    };
    std::fs::create_dir_all(&args.output)?;
    std::fs::write(
        args.output.join("benchmarks.json"),
        serde_json::to_string_pretty(&results)? + "\n",
    )?;
    std::fs::write(args.output.join("benchmarks.md"), page::markdown(&results)?)?;
    stopped
}

/// Every cell, and in it every system in turn; each cell begins with another one.
async fn cells(fleet: &mut Fleet, args: &Args, systems: &[System]) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for shape in &args.cells {
        for clients in &args.clients {
            let mut cell = Cell {
                shape: shape.to_string(),
                clients: *clients,
                load: machine::load(),
                rows: Vec::new(),
            };
            for turn in 0..systems.len() {
                let system = systems[(turn + cells.len()) % systems.len()];
                for given in given(system, *shape) {
                    let report = fleet.measure(system, given, *clients, args.seconds).await;
                    let (report, error) = match report {
                        Ok(report) => (Some(report), None),
                        Err(error) => (None, Some(error.to_string())),
                    };
                    let instead = (given != *shape).then(|| given.to_string());
                    cell.rows.push(Row { system, instead, report, error });
                }
            }
            cell.rows.sort_by_key(|row| row.system);
            say(&format!("{shape}, load {:.2}\n{}", cell.load, page::lines(&cell)?));
            cells.push(cell);
        }
    }
    Ok(cells)
}

/// What a system is given in a cell: Restate has no parallel step, so a chain stands beside its fan.
fn given(system: System, shape: Shape) -> Vec<Shape> {
    match (system, shape) {
        (System::Restate, Shape::Fan(_)) => vec![shape, Shape::Chain(shape.hops())],
        _ => vec![shape],
    }
}

fn workspace() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Progress, for whoever watches.
fn say(text: &str) {
    // A bench that nobody watches goes on.
    drop(writeln!(std::io::stderr(), "{text}"));
}
