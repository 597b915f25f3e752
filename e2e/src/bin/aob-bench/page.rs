//! What was measured, as a page of Markdown.

use std::fmt::{Error, Write as _};

use serde::Serialize;
use serde_json::Value;

use crate::Result;
use crate::cell::{Report, Shape, System};

/// Everything that was measured, and on what.
#[derive(Serialize)]
pub(crate) struct Results {
    /// When it was done, in UTC.
    pub(crate) when: String,
    /// AOB's version and commit.
    pub(crate) aob: String,
    pub(crate) command: String,
    pub(crate) rounds: u32,
    pub(crate) machine: Value,
    pub(crate) systems: Value,
    pub(crate) cells: Vec<Cell>,
}

/// One shape at one number of clients.
#[derive(Serialize)]
pub(crate) struct Cell {
    pub(crate) shape: String,
    pub(crate) clients: u32,
    /// The machine's load before it, average of a minute.
    pub(crate) load: f64,
    pub(crate) rows: Vec<Row>,
}

/// One system in a cell.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) system: System,
    /// What it was given.
    #[serde(skip)]
    pub(crate) given: Shape,
    /// The same where that is not the cell's shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instead: Option<String>,
    /// Of every round that gave one, by hops/s; the middle one counts.
    pub(crate) reports: Vec<Report>,
    /// The first reason why a round gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl Row {
    /// Before the first round.
    pub(crate) fn new(system: System, shape: Shape, given: Shape) -> Self {
        let instead = (given != shape).then(|| given.to_string());
        Self { system, given, instead, reports: Vec::new(), error: None }
    }

    /// What a round gave.
    pub(crate) fn add(&mut self, report: Result<Report>) {
        match report {
            Ok(report) => self.reports.push(report),
            Err(error) if self.error.is_none() => self.error = Some(error.to_string()),
            Err(_) => {}
        }
        self.reports.sort_by(|one, other| one.hops_per_s.total_cmp(&other.hops_per_s));
    }

    /// The round that counts.
    fn report(&self) -> Option<&Report> {
        self.reports.get(self.reports.len() / 2)
    }
}

const TITLES: &str = "| clients | system | runs/s | hops/s | p50 ms | p99 ms | x Restate | x DBOS | x better rival | of the ceiling |\n\
     |--:|---|--:|--:|--:|--:|--:|--:|--:|--:|\n";

const READING: &str = "\
A hop is one step from the worker's answer to the commit that publishes what follows. A step does nothing and
returns 128 bytes of text. Each client has one run under way and begins the next when it has ended. Systems take
turns in every round of every cell, in rotating order, in the same minutes, and the others are idle meanwhile; the
round with the middle hops/s counts, and its latencies stand beside it. Warm-up 0.5 s in each. A window is
stretched, up to fourfold, until each client could have ended a run; rates count each run by the share of its time
that lies in the window.

- `embedded`: one process, its journal synced before anything is answered; clients and worker lanes in it.
- `redis-everysec`: the same process on Redis that flushes once a second. **Not durable**, so not to be compared.
- `redis-always`: the same on Redis that flushes before it answers.
- `worker`: the same with a gateway in the process; each step is done by a worker that asks it over HTTP on loopback
  and says with its answer what it would do next. As many workers as clients, at most 64, each with a task at a time.
- `ceiling`: the commits of such runs, recorded once and sent as prebuilt bytes to the same server by callers that
  do nothing else, as many runs at once as there are clients. The best of 1, 2 and 4 callers for each shard.
- `restate`: clients at its ingress, handlers by its Rust SDK in a process of their own.
- `dbos`: the Rust crate in the process of its clients, PostgreSQL with `fsync` and `synchronous_commit`.

Not comparable: AOB's clients and lanes share a process and, but for `worker`, call no HTTP; Restate's are two
processes and HTTP on loopback between them; DBOS is a library, as AOB is here. AOB takes results of the same run that arrive together
in one commit, so a fan costs it few. Restate's Rust SDK has no parallel step: its fan calls another handler, which
costs it more, and the chain of as many steps stands beside it; ratios are to the better of the two. Everything
runs on the same cores, so each system pays for its clients too.
";

/// The page.
pub(crate) fn markdown(results: &Results) -> std::result::Result<String, Error> {
    let mut page = String::new();
    writeln!(
        page,
        "# Benchmarks\n\nWritten by `cargo xtask bench`; the same as data: `benchmarks.json`.\n"
    )?;
    writeln!(page, "{READING}")?;
    writeln!(page, "## Best hops/s over all numbers of clients\n")?;
    summary(&mut page, results)?;
    let mut shape = "";
    for cell in &results.cells {
        if shape != cell.shape {
            shape = &cell.shape;
            write!(page, "\n## {shape}\n\n{TITLES}")?;
        }
        rows(&mut page, cell)?;
    }
    errors(&mut page, results)?;
    let load = |pick: fn(f64, f64) -> f64| {
        results.cells.iter().map(|cell| cell.load).reduce(pick).unwrap_or(0.0)
    };
    writeln!(page, "\n## Machine and settings\n")?;
    writeln!(
        page,
        "{}, AOB {}, `{}`, {} rounds;",
        results.when, results.aob, results.command, results.rounds
    )?;
    writeln!(
        page,
        "load of the machine before each cell {:.1} to {:.1}.\n",
        load(f64::min),
        load(f64::max)
    )?;
    for (name, value) in [("Machine", &results.machine), ("Systems", &results.systems)] {
        let text = serde_json::to_string_pretty(value).map_err(|_| Error)?;
        writeln!(page, "{name}:\n```json\n{text}\n```\n")?;
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    Ok(page)
}

/// A cell's lines for people who watch.
pub(crate) fn lines(cell: &Cell) -> std::result::Result<String, Error> {
    let mut text = String::new();
    rows(&mut text, cell)?;
    Ok(text)
}

fn summary(page: &mut String, results: &Results) -> std::fmt::Result {
    let mut shapes: Vec<&str> = results.cells.iter().map(|cell| &*cell.shape).collect();
    shapes.dedup();
    write!(page, "| shape |")?;
    for system in System::ALL {
        write!(page, " {} |", system.name())?;
    }
    writeln!(page, "\n|---|{}", "--:|".repeat(System::ALL.len()))?;
    for shape in shapes {
        write!(page, "| {shape} |")?;
        for system in System::ALL {
            let cells = results.cells.iter().filter(|cell| cell.shape == shape);
            match cells.filter_map(|cell| cell.best(system)).reduce(f64::max) {
                Some(best) => write!(page, " {best:.0} |")?,
                None => write!(page, " none |")?,
            }
        }
        writeln!(page)?;
    }
    Ok(())
}

fn rows(page: &mut String, cell: &Cell) -> std::fmt::Result {
    let (restate, dbos, ceiling) =
        (cell.best(System::Restate), cell.best(System::Dbos), cell.best(System::Ceiling));
    let better = [restate, dbos].into_iter().flatten().reduce(f64::max);
    for row in &cell.rows {
        let instead = row.instead.as_ref().map(|shape| format!(" as {shape}")).unwrap_or_default();
        write!(page, "| {} | {}{instead} |", cell.clients, row.system.name())?;
        let Some(report) = row.report() else {
            writeln!(page, " none | none | | | | | | |")?;
            continue;
        };
        write!(
            page,
            " {:.0} | {:.0} | {} | {} |",
            report.runs_per_s, report.hops_per_s, report.p50_ms, report.p99_ms
        )?;
        let own = !matches!(row.system, System::Ceiling | System::Restate | System::Dbos);
        let ratio =
            |to: Option<f64>| to.filter(|_| own).map(|to| format!("{:.2}", report.hops_per_s / to));
        let of_ceiling = ceiling.filter(|_| row.system == System::RedisAlways);
        for ratio in [ratio(restate), ratio(dbos), ratio(better), ratio(of_ceiling)] {
            write!(page, " {} |", ratio.unwrap_or_default())?;
        }
        writeln!(page)?;
    }
    Ok(())
}

fn errors(page: &mut String, results: &Results) -> std::fmt::Result {
    let mut said = false;
    for cell in &results.cells {
        for row in &cell.rows {
            let failed: u64 = row.reports.iter().map(|report| report.errors).sum();
            let first = row.reports.iter().find_map(|report| report.first_error.as_ref());
            let Some(error) = row.error.as_ref().or(first) else { continue };
            if !std::mem::replace(&mut said, true) {
                writeln!(page, "\n## Errors\n")?;
            }
            let count = if failed > 0 { format!("{failed} runs failed: ") } else { String::new() };
            let error = error.replace('\n', " ");
            writeln!(
                page,
                "- {} {} at {}: {count}{error:.300}",
                row.system.name(),
                cell.shape,
                cell.clients
            )?;
        }
    }
    Ok(())
}

impl Cell {
    /// The best hops/s of a system here.
    fn best(&self, system: System) -> Option<f64> {
        let own = self.rows.iter().filter(|row| row.system == system);
        own.filter_map(|row| Some(row.report()?.hops_per_s)).reduce(f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(system: System, hops_per_s: f64) -> Row {
        let report = Report {
            system,
            shape: "fan:2".into(),
            clients: 16,
            seconds: 1.0,
            runs: 1,
            hops: 4,
            runs_per_s: hops_per_s / 4.0,
            hops_per_s,
            p50_ms: 1.5,
            p99_ms: 2.0,
            max_ms: 2.0,
            errors: 0,
            first_error: None,
        };
        let mut row = Row::new(system, Shape::Fan(2), Shape::Fan(2));
        row.add(Ok(report));
        row
    }

    #[test]
    fn ratios_are_to_the_better_one() {
        let mut none = Row::new(System::Dbos, Shape::Fan(2), Shape::Fan(2));
        none.add(Err("refused".into()));
        let mut chain = Row { instead: Some("chain:4".into()), ..row(System::Restate, 200.0) };
        for other in [900.0, 50.0] {
            chain.reports.extend(row(System::Restate, other).reports);
        }
        chain.add(Err("nothing".into()));
        let rows = vec![
            row(System::RedisAlways, 600.0),
            row(System::Ceiling, 1_000.0),
            row(System::Restate, 100.0),
            chain,
            none,
        ];
        let results = Results {
            when: "now".into(),
            aob: "0".into(),
            command: "bench".into(),
            rounds: 3,
            machine: Value::Null,
            systems: Value::Null,
            cells: vec![Cell { shape: "fan:2".into(), clients: 16, load: 0.5, rows }],
        };
        let page = markdown(&results).unwrap();
        for line in [
            "| fan:2 | none | none | 600 | none | 1000 | 200 | none |",
            "| 16 | redis-always | 150 | 600 | 1.5 | 2 | 3.00 |  | 3.00 | 0.60 |",
            "| 16 | restate as chain:4 | 50 | 200 | 1.5 | 2 |  |  |  |  |",
            "| 16 | dbos | none | none | | | | | | |",
            "- dbos fan:2 at 16: refused",
        ] {
            assert!(page.lines().any(|known| known == line), "{line}\n{page}");
        }
    }
}
