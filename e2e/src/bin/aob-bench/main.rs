//! `cargo xtask bench`: AOB on its stores, the ceiling of its Redis, and the rivals under the same load, in the same
//! minutes. Writes `docs/benchmarks.md` and `docs/benchmarks.json`.

mod ceiling;
mod cell;
mod fleet;
mod graph;
mod load;
mod machine;
mod page;
mod patches;
mod product;
mod redis;
mod rivals;
mod worker;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use cell::{Shape, System};
use fleet::{Fleet, Wanted};
use page::{Cell, Results, Row};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures durable hops per second.
#[derive(Debug, Parser)]
#[command(name = "aob-bench")]
struct Args {
    /// Seconds of each system in each cell, over all rounds
    #[arg(long, default_value = "5")]
    seconds: f64,
    /// Rounds of each cell, systems in turn in each; the middle one counts
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
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
    /// What live patches cost, instead of cells; written to `benchmarks-patches.json`
    #[arg(long)]
    patches: bool,
    /// Shards of a Redis server; without it, as the store sets one up
    #[arg(long)]
    shards: Option<u32>,
    /// Lanes of each shard; without it 2 on the embedded store, as in `aob run`, and 1 on Redis, as in `aob-runner`
    #[arg(long)]
    lanes: Option<usize>,
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
    let patched = [System::Embedded, System::RedisAlways];
    let systems = if args.patches {
        patched.to_vec()
    } else if args.systems.is_empty() {
        System::ALL.to_vec()
    } else {
        args.systems.clone()
    };
    std::fs::create_dir_all(&args.dir)?;
    let program = args.rivals.clone().or_else(|| rivals::program(workspace()));
    let machine = machine::description(&args.dir)?;
    say("starting the systems");
    let wanted = Wanted {
        systems: &systems,
        dir: &args.dir,
        cache: &args.cache,
        rivals: program.as_deref(),
        lanes: args.lanes,
        slots: args.slots,
        shards: args.shards,
    };
    let mut fleet = Fleet::start(&wanted).await?;
    let description = fleet.description().await?;
    if args.patches {
        let results = patches::measure(&fleet, args.seconds).await;
        fleet.stop().await?;
        let text = serde_json::to_string_pretty(&results?)? + "\n";
        return Ok(std::fs::write(args.output.join("benchmarks-patches.json"), text)?);
    }
    let measured = tokio::select! {
        cells = cells(&mut fleet, args, &systems) => cells,
        stopped = tokio::signal::ctrl_c() => Err(stopped.map_or_else(Into::into, |()| "interrupted".into())),
    };
    let stopped = fleet.stop().await;
    let results = Results {
        when: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        aob: format!("{} ({})", env!("CARGO_PKG_VERSION"), machine::commit(workspace())),
        command: format!("cargo xtask bench --seconds {}", args.seconds),
        rounds: args.rounds,
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

/// Every cell; in each of its rounds every system in turn, each time beginning with another one.
async fn cells(fleet: &mut Fleet, args: &Args, systems: &[System]) -> Result<Vec<Cell>> {
    let (mut cells, mut turn) = (Vec::new(), 0);
    for shape in &args.cells {
        for clients in &args.clients {
            let plan = systems.iter().flat_map(|&system| {
                given(system, *shape).into_iter().map(move |shape| (system, shape))
            });
            let mut rows: Vec<Row> =
                plan.map(|(system, given)| Row::new(system, *shape, given)).collect();
            let load = machine::load();
            for _ in 0..args.rounds {
                let count = rows.len();
                for at in (0..count).map(|at| (at + turn) % count) {
                    let row = &mut rows[at];
                    let seconds = args.seconds / f64::from(args.rounds);
                    row.add(fleet.measure(row.system, row.given, *clients, seconds).await);
                }
                turn += 1;
            }
            let cell = Cell { shape: shape.to_string(), clients: *clients, load, rows };
            say(&format!("{shape}, load {load:.2}\n{}", page::lines(&cell)?));
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
